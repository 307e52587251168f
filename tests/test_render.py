"""Facts about pictures in folders, drawn by small generators."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from wplus.errors import LatentMismatchError
from wplus.generator import Generator
from wplus.latents import Latents, mix, seeds_to_z
from wplus.media_metadata import read_metadata
from wplus.render import RenderConfig, render_latents, render_mix, render_seeds


def _config(folder: Path, **more: Any) -> RenderConfig:
    return RenderConfig(outdir=folder, **more)


def _pictures(folder: Path) -> dict[str, NDArray[np.uint8]]:
    return {path.stem: np.asarray(Image.open(path)) for path in folder.glob("*.png")}


def test_a_seed_has_the_same_bytes_in_any_company(tiny: Generator, tmp_path: Path) -> None:
    render_seeds(tiny, range(9), _config(tmp_path / "many", noise_mode="random"))
    render_seeds(tiny, [7], _config(tmp_path / "one", noise_mode="random"))
    assert (tmp_path / "many/seed0007.png").read_bytes() == (tmp_path / "one/seed0007.png").read_bytes()


def test_latents_bring_noise_of_their_own(tiny: Generator, tmp_path: Path) -> None:
    ws = tiny.map(seeds_to_z(range(6), 16))
    noise = {"b16.conv1.noise_const": np.random.RandomState(0).randn(6, 1, 16, 16).astype(np.float32)}
    render_latents(tiny, Latents(values=ws, space="w+", noise=noise), _config(tmp_path))
    padded = np.minimum(np.arange(4, 8), 5)  # the second micro-batch of 4
    expected = tiny.images(ws[padded], noise={name: value[padded] for name, value in noise.items()})
    np.testing.assert_array_equal(_pictures(tmp_path)["proj05"], expected[1])
    render_latents(tiny, Latents(values=ws, space="w+", noise=noise), _config(tmp_path, noise_mode="none"))
    np.testing.assert_array_equal(_pictures(tmp_path)["proj05"], tiny.images(ws[padded], "none")[1])


def test_noise_that_is_neither_one_nor_one_each_is_refused(tiny: Generator, tmp_path: Path) -> None:
    noise = {"b16.conv1.noise_const": np.zeros((2, 1, 16, 16), np.float32)}
    latents = Latents(values=np.zeros((3, 6, 16), np.float32), space="w+", noise=noise)
    with pytest.raises(ValueError, match=r"b16\.conv1\.noise_const has 2 maps; 1 or 3 are needed"):
        render_latents(tiny, latents, _config(tmp_path))


@pytest.mark.parametrize("space", ["z", "w", "w+"])
def test_latents_of_every_space_are_the_pictures_of_their_seeds(tiny: Generator, tmp_path: Path, space: Any) -> None:
    z = seeds_to_z([1, 2, 3], 16)
    ws = np.concatenate([batch.latents.values for batch in tiny.sample([1, 2, 3], truncation_psi=0.5)])
    values = {"z": z, "w": ws[:, 0], "w+": ws}[space]
    render_latents(tiny, Latents(values=values, space=space, truncation_psi=0.5), _config(tmp_path))
    expected = next(tiny.sample([1, 2, 3], truncation_psi=0.5)).images
    np.testing.assert_array_equal(_pictures(tmp_path)["proj02"], expected[2])


def test_z_of_a_conditional_network_take_a_class(conditional: Generator, tmp_path: Path) -> None:
    latents = Latents(values=seeds_to_z([1], 16), space="z")
    with pytest.raises(ValueError, match=r"The class is missing; .* needs a class from 0 to 2 \(--class\)"):
        render_latents(conditional, latents, _config(tmp_path))
    render_latents(conditional, latents, _config(tmp_path, class_index=2))
    render_seeds(conditional, [1], _config(tmp_path, class_index=2))
    pictures = _pictures(tmp_path)
    np.testing.assert_array_equal(pictures["proj00"], pictures["seed0001"])


@pytest.mark.parametrize("index", [None, 3, -1])
def test_a_class_that_is_missing_or_unknown_is_refused(
    conditional: Generator, tmp_path: Path, index: int | None
) -> None:
    for draw in (render_seeds, lambda G, seeds, config: render_mix(G, seeds, seeds, config)):
        with pytest.raises(ValueError, match=r"the classes 0 to 2|a class from 0 to 2"):
            draw(conditional, [1], _config(tmp_path, class_index=index))
    assert list(tmp_path.iterdir()) == []


def test_an_unconditional_network_takes_no_class(tiny: Generator, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"The class is 0; .* needs none"):
        render_seeds(tiny, [1], _config(tmp_path, class_index=0))


def test_latents_of_another_generator_are_refused(tiny: Generator, tmp_path: Path) -> None:
    alien = Latents(values=np.zeros((1, 6, 16), np.float32), space="w+", generator="wplus1:ffffffffffffffff")
    with pytest.raises(LatentMismatchError):
        render_latents(tiny, alien, _config(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("values", "space", "message"),
    [
        (np.zeros((1, 5)), "z", r"z is \[1, 5\]; .* needs \[N, 16\]"),
        (np.zeros((1, 5)), "w", r"w is \[1, 5\]; .* needs \[N, 16\]"),
        (np.zeros((1, 8, 16)), "w+", r"w\+ is \[1, 8, 16\]; .* needs \[N, 6, 16\]"),
    ],
)
def test_latents_of_a_wrong_shape_are_refused(
    tiny: Generator, tmp_path: Path, values: NDArray[Any], space: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        render_latents(tiny, Latents(values=values.astype(np.float32), space=space), _config(tmp_path))


def test_a_mix_takes_the_columns_layers(tiny: Generator, tmp_path: Path) -> None:
    render_mix(tiny, [1, 2], [3], _config(tmp_path), styles=[0, 5])
    ws = [next(tiny.sample([seed])).latents.values for seed in (2, 3)]
    alone = tiny.images(np.repeat(mix(*ws, styles=[0, 5])[0], 4, axis=0))[0]
    pictures = _pictures(tmp_path)
    np.testing.assert_array_equal(pictures["2-3"], alone)
    assert pictures["grid"].shape == (48, 32, 3)
    np.testing.assert_array_equal(pictures["grid"][16:32, :16], pictures["1-1"])


def test_metadata_are_left_out_everywhere(tiny: Generator, tmp_path: Path) -> None:
    render_mix(tiny, [1], [2], _config(tmp_path, metadata=False))
    render_seeds(tiny, [1], _config(tmp_path, metadata=False, grid=(1, 1)))
    assert {read_metadata(path) is None for path in tmp_path.iterdir()} == {True}


def test_nothing_to_draw_is_refused(tiny: Generator, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="0 pictures to draw"):
        render_seeds(tiny, [], _config(tmp_path))


def test_a_broken_network_leaves_whole_files_only(
    tiny: Generator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = tiny.sample

    def broken(*arguments: Any, **options: Any) -> Iterator[Any]:
        yield next(sample(*arguments, **options))
        raise KeyboardInterrupt

    monkeypatch.setattr(tiny, "sample", broken)
    for image_format in ("png", "zip"):
        with pytest.raises(KeyboardInterrupt):
            render_seeds(tiny, range(8), _config(tmp_path, image_format=image_format))  # type: ignore[arg-type]
    assert {path.suffix for path in tmp_path.iterdir()} <= {".png"}
    assert all(np.asarray(Image.open(path)).shape == (16, 16, 3) for path in tmp_path.iterdir())
