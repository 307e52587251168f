"""Pictures from a GPU: two batches on their way at once, in order. CUDA's streams are replaced where there is none."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from wplus.backends.downloads import downloaded
from wplus.generator import Generator
from wplus.paths.drawing import Moment, draw_moments


class _Event:
    def __init__(self, log: list[str], number: int) -> None:
        self._log, self._number = log, number

    def synchronize(self) -> None:
        self._log.append(f"waited for {self._number}")


class _Stream:
    def __init__(self, log: list[str]) -> None:
        self._log, self._copies = log, 0

    def record_event(self) -> _Event:
        self._copies += 1
        self._log.append(f"copying {self._copies}")
        return _Event(self._log, self._copies)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a stream was told."""
    told: list[str] = []
    stream = _Stream(told)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: stream)
    return told


def test_a_batch_is_copied_while_the_next_is_drawn(log: list[str]) -> None:
    def drawn() -> Iterator[torch.Tensor]:
        for number in (1, 2, 3):
            log.append(f"drawing {number}")
            yield torch.full((2,), number)

    taken = []
    for batch in downloaded(drawn()):
        log.append(f"took {batch[0]}")
        taken.append(batch)
    assert np.array_equal(taken, [[1, 1], [2, 2], [3, 3]])
    assert log == [
        *("drawing 1", "copying 1", "drawing 2", "copying 2", "waited for 1", "took 1"),
        *("drawing 3", "copying 3", "waited for 2", "took 2", "waited for 3", "took 3"),
    ]


def test_what_is_on_the_host_is_given_on_at_once(log: list[str]) -> None:
    asked = iter([np.zeros(1), np.ones(1)])
    batches = downloaded(asked)
    assert next(batches)[0] == 0
    assert next(asked)[0] == 1
    assert log == []


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU that PyTorch can use is here")
def test_a_gpu_draws_what_it_draws_without_it(tiny_checkpoint: object) -> None:
    with Generator(tiny_checkpoint, device="cuda", batch=2, name="tiny") as G:  # type: ignore[arg-type]
        ws = np.asarray(G.map(np.random.RandomState(0).randn(5, G.z_dim).astype(np.float32)))
        pictures = list(draw_moments(G, [Moment(latent=latent) for latent in ws]))
        apart = [G.images(np.stack([latent, latent]))[0] for latent in ws]
    assert np.array_equal(pictures, apart)


def test_pictures_stay_on_the_gpu_until_they_are_copied(
    tiny: Generator, log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ws = np.asarray(tiny.map(np.random.RandomState(0).randn(6, tiny.z_dim).astype(np.float32)))
    moments = [Moment(latent=latent) for latent in ws]
    plain = list(draw_moments(tiny, moments, batch=2))
    small = list(draw_moments(tiny, moments, batch=2, resolution=8))
    assert log == []
    monkeypatch.setattr("wplus.paths.drawing._where_it_is_drawn", lambda _, latents: torch.from_numpy(latents))
    assert np.array_equal(list(draw_moments(tiny, moments, batch=2)), plain)
    assert np.array_equal(list(draw_moments(tiny, moments, batch=2, resolution=8)), small)
    assert [line for line in log if line.startswith("copying")] == [f"copying {n}" for n in range(1, 7)]
