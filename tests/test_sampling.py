"""Same seed, same bytes; memory that does not grow."""

import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from wplus.benchmarks.random_networks import random_checkpoint, stylegan2_config
from wplus.checkpoints import Checkpoint
from wplus.generator import Generator
from wplus.sampling import default_micro_batch, draw


def _pictures(generator: Generator, seeds: list[int], **options: object) -> dict[int, bytes]:
    batches = list(generator.sample(seeds, **options))  # type: ignore[arg-type]
    return {
        seed: picture.tobytes() for batch in batches for seed, picture in zip(batch.seeds, batch.images, strict=True)
    }


@pytest.mark.parametrize("noise_mode", ["const", "random", "none"])
def test_a_seed_gives_the_same_bytes_in_any_company(demo: Generator, noise_mode: str) -> None:
    together = _pictures(demo, list(range(11)), noise_mode=noise_mode, truncation_psi=0.7)
    backwards = _pictures(demo, list(reversed(range(11))), noise_mode=noise_mode, truncation_psi=0.7)
    assert together == backwards
    for seed in (0, 5, 10):
        alone = _pictures(demo, [seed], noise_mode=noise_mode, truncation_psi=0.7)
        assert alone[seed] == together[seed]


def test_larger_networks_keep_the_promise_too() -> None:
    config = stylegan2_config(256, channel_base=4096, latent_dim=64, num_mapping_layers=2)
    with Generator(random_checkpoint(config), device="cpu", batch=3) as G:
        together = _pictures(G, [0, 1, 2, 3])
        assert _pictures(G, [3])[3] == together[3]
        assert _pictures(G, [2, 3, 1])[1] == together[1]


def test_eight_threads_get_the_bytes_that_one_gets(demo: Generator) -> None:
    expected = _pictures(demo, list(range(4)))
    start = threading.Barrier(8)

    def run(_: int) -> dict[int, bytes]:
        start.wait()
        return _pictures(demo, list(range(4)))

    with ThreadPoolExecutor(8) as pool:
        assert all(found == expected for found in pool.map(run, range(8)))


def test_noise_of_mode_random_follows_the_seed(tiny: Generator) -> None:
    once, again = (_pictures(tiny, [1, 2], noise_mode="random") for _ in range(2))
    assert once == again
    assert once[1] != _pictures(tiny, [1], noise_mode="const")[1]


def test_seeds_are_read_as_pictures_are_taken(tiny: Generator) -> None:
    taken: list[int] = []

    def endless() -> Iterator[int]:
        for seed in itertools.count():
            taken.append(seed)
            yield seed

    batches = tiny.sample(endless())
    next(batches)
    next(batches)
    assert len(taken) == 2 * tiny.micro_batch


def test_batches_say_what_they_are(tiny: Generator) -> None:
    batches = list(tiny.sample(range(6), truncation_psi=0.5))
    assert [batch.seeds for batch in batches] == [[0, 1, 2, 3], [4, 5]]
    last = batches[-1]
    assert last.images.shape == (2, 16, 16, 3)
    assert last.images.dtype == np.uint8
    assert last.latents.space == "w+"
    assert last.latents.generator == tiny.fingerprint
    assert last.latents.truncation_psi == 0.5
    assert np.array_equal(tiny.images(np.concatenate([last.latents.values] * 2))[:2], last.images)


def test_no_seeds_give_no_batches(tiny: Generator) -> None:
    assert list(tiny.sample([])) == []


def test_labels_are_one_for_all_or_one_per_seed(conditional: Generator) -> None:
    labels = np.eye(3, dtype=np.float32)
    batches = list(conditional.sample([7, 7, 7], labels))
    each = [picture.tobytes() for batch in batches for picture in batch.images]
    assert len(set(each)) == 3
    for picture, label in zip(each, labels, strict=True):
        assert _pictures(conditional, [7], c=label)[7] == picture
        assert _pictures(conditional, [6, 7], c=label[None])[7] == picture


def test_too_few_labels_are_an_error(conditional: Generator) -> None:
    with pytest.raises(ValueError, match="c has 2 rows, and there are more seeds"):
        list(conditional.sample([0, 1, 2], np.eye(3, dtype=np.float32)[:2]))


def test_draw_gives_each_latent_its_picture(tiny: Generator) -> None:
    ws = np.random.RandomState(0).randn(5, tiny.num_ws, tiny.w_dim).astype(np.float32)
    drawn = list(draw(tiny, ((w, i) for i, w in enumerate(ws)), noise_mode="random"))
    assert len(drawn) == 5
    alone = list(draw(tiny, [(ws[3], 3)], noise_mode="random"))
    assert np.array_equal(alone[0], drawn[3])


def test_draw_uses_the_noise_that_is_given(tiny: Generator) -> None:
    rows = [(np.zeros((tiny.num_ws, tiny.w_dim), np.float32), 0)]
    noise = {name: np.ones((1, 1, *shape), np.float32) for name, shape in tiny.noise_shapes.items()}
    assert not np.array_equal(next(draw(tiny, rows, noise=noise)), next(draw(tiny, rows)))


@pytest.mark.parametrize(("resolution", "expected"), [(4, 8), (128, 8), (256, 2), (512, 1), (1024, 1)])
def test_micro_batches_shrink_with_the_picture(resolution: int, expected: int) -> None:
    assert default_micro_batch(stylegan2_config(resolution, channel_base=1024)) == expected


def test_batch_sets_the_micro_batch(tiny_checkpoint: Checkpoint) -> None:
    with Generator(tiny_checkpoint, device="cpu", batch=3) as G:
        assert [len(batch.seeds) for batch in G.sample(range(7))] == [3, 3, 1]
