"""Latent files: ours come back to the bit, other tools' are understood, and nothing else gets in."""

import contextlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wplus.errors import ArtifactError, LatentMismatchError
from wplus.latent_files import load_keyframes, load_latents, rosinality_noise_name
from wplus.latents import Latents, Space

_RANDOM = np.random.RandomState(0)
_W = _RANDOM.randn(3, 6, 16).astype(np.float32)


def _file(tmp_path: Path, name: str, values: Any, **arrays: Any) -> Path:
    path = tmp_path / name
    if path.suffix == ".npz":
        np.savez(path, **({"w": values} | arrays if values is not None else arrays))
    elif path.suffix == ".npy":
        np.save(path, values)
    else:
        torch.save(values, path)
    return path


@pytest.mark.parametrize(("space", "values"), [("z", _W), ("z", _W[:, 0]), ("w", _W[:, 0]), ("w+", _W)])
def test_what_is_saved_comes_back(tmp_path: Path, space: Space, values: np.ndarray) -> None:
    noise = {"b4.conv1.noise_const": _RANDOM.randn(3, 1, 4, 4).astype(np.float32)}
    before = Latents(values=values, space=space, generator="wplus1:0", noise=noise, truncation_psi=0.7)
    before.save(tmp_path / "new" / "x.npz")
    after = Latents.load(tmp_path / "new" / "x.npz")
    assert (after.space, after.generator, after.truncation_psi) == (space, "wplus1:0", 0.7)
    assert after.values.tobytes() == values.tobytes()
    assert after.noise["b4.conv1.noise_const"].tobytes() == noise["b4.conv1.noise_const"].tobytes()
    with np.load(tmp_path / "new" / "x.npz", allow_pickle=False) as file:
        assert set(file.files) == {"z" if space == "z" else "w", "meta", "noise/b4.conv1.noise_const"}


def test_saving_needs_a_suffix_and_a_place(tmp_path: Path) -> None:
    latents = Latents(values=_W, space="w+")
    with pytest.raises(ValueError, match=r"saved as \.npz; x\.npy ends otherwise"):
        latents.save(tmp_path / "x.npy")
    (tmp_path / "file").touch()
    with pytest.raises(ArtifactError, match="could not be written"):
        latents.save(tmp_path / "file" / "x.npz")


@pytest.mark.parametrize(
    ("name", "values", "space", "shape"),
    [
        ("projected_w.npz", _W[:1], "w+", (1, 6, 16)),
        ("x.npy", _W, "w+", (3, 6, 16)),
        ("x.npy", _W[0], "w+", (1, 6, 16)),
        ("x.npy", _W[:, 0], "w", (3, 16)),
        ("x.npy", _W[0, 0].astype(np.float64), "w", (1, 16)),
        ("e4e.pt", torch.from_numpy(_W), "w+", (3, 6, 16)),
        ("x.pth", torch.from_numpy(_W[0]).half(), "w+", (1, 6, 16)),
    ],
)
def test_other_tools_files_are_read(tmp_path: Path, name: str, values: Any, space: str, shape: tuple[int, ...]) -> None:
    latents = load_latents(_file(tmp_path, name, values), num_ws=6)
    assert (latents.space, latents.values.shape, latents.values.dtype) == (space, shape, np.float32)
    assert (latents.generator, latents.noise) == (None, {})


def test_tensorflows_name_and_a_bare_z_are_known(tmp_path: Path) -> None:
    assert load_latents(_file(tmp_path, "dlatents.npz", None, dlatents=_W)).space == "w+"
    assert load_latents(_file(tmp_path, "z.npz", None, z=_W[:, 0])).space == "z"


def test_a_matrix_as_tall_as_w_plus_says_how_it_was_taken(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "wplus")
    path = _file(tmp_path, "x.npy", _W[0])
    assert len(load_latents(path, num_ws=6)) == 1
    assert "taken as one W+ latent; --latents-as=w reads it as that many w" in caplog.text
    assert load_latents(path, num_ws=6, latents_as="w").values.shape == (6, 16)
    assert load_latents(path, num_ws=6, latents_as="z").space == "z"
    assert load_latents(path).space == "w"


def test_what_a_file_says_of_itself_stands(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Latents(values=_W[:, 0], space="w").save(tmp_path / "w.npz")
    assert load_latents(tmp_path / "w.npz", latents_as="z").space == "w"
    assert "says that it holds w, so it is not read as z" in caplog.text


@pytest.mark.parametrize(("shape", "space"), [((6, 16), "w+"), ((16,), "w")])
def test_rosinalitys_projections_are_read_with_their_noise(tmp_path: Path, shape: tuple[int, ...], space: str) -> None:
    def picture(seed: int) -> dict[str, Any]:
        noise = [torch.full((1, 1, side, side), float(seed)) for side in (4, 8)]
        return {"img": torch.zeros(1), "latent": torch.full(shape, float(seed)), "noise": noise}

    latents = load_latents(_file(tmp_path, "x.pt", {"a.png": picture(1), "b.png": picture(2)}), num_ws=2)
    assert (latents.space, latents.values.shape) == (space, (2, *shape))
    assert {name: value.shape for name, value in latents.noise.items()} == {
        "b4.conv1.noise_const": (2, 1, 4, 4),
        "b8.conv0.noise_const": (2, 1, 8, 8),
    }
    assert latents.noise["b8.conv0.noise_const"][1].max() == latents.values[1].max() == 2


def test_rosinalitys_noise_has_our_names() -> None:
    names = [rosinality_noise_name(i).removesuffix(".noise_const") for i in range(5)]
    assert names == ["b4.conv1", "b8.conv0", "b8.conv1", "b16.conv0", "b16.conv1"]


def _meta(**changes: Any) -> str:
    return json.dumps({"format": 1, "space": "w+", "generator": None, "truncation_psi": None} | changes)


@pytest.mark.parametrize(
    ("name", "values", "arrays", "message"),
    [
        ("x.npy", _W.astype(int), {}, "it has int64 where floating-point numbers are needed"),
        ("x.npy", np.full((2, 16), np.nan), {}, "NaN or infinite"),
        ("x.npy", np.full((2, 16), 1e300), {}, "NaN or infinite"),
        ("x.npy", np.zeros((1, 2, 3, 4, 5)), {}, r"values is \[1, 2, 3, 4, 5\]"),
        ("x.npy", np.array([{}, {}]), {}, "damaged, or none of numpy's"),
        ("x.npz", None, {"images": _W}, "it has the arrays images; latents are named w, z, dlatents"),
        ("x.npz", _W, {"meta": np.array("{")}, "what it says of itself cannot be read"),
        ("x.npz", _W, {"meta": np.array("[]")}, "what it says of itself cannot be read"),
        ("x.npz", _W, {"meta": np.array('{"format": 1}')}, "what it says of itself cannot be read"),
        ("x.npz", _W, {"meta": np.array(_meta(generator=5))}, "makes no sense"),
        ("x.npz", _W, {"meta": np.array(_meta(space="q"))}, "space is 'q'"),
        ("x.npz", _W, {"meta": np.array(_meta(format=3))}, "format 3; this version of wplus reads up to 2"),
        ("x.pt", {"a": 1}, {}, "a tensor, or what rosinality's projector writes, is needed"),
        ("x.pt", {"latent": torch.zeros(6, 16), "noise": 3}, {}, "its noise is a int; a list of tensors is needed"),
        ("x.pt", {"latent": [1.0]}, {}, "latent is a list; a dense tensor is needed"),
        ("x.pt", torch.zeros(1).expand(9_000_000, 16), {}, "more numbers than its file has bytes"),
    ],
)
def test_files_that_hold_no_latents_are_refused(
    tmp_path: Path, name: str, values: Any, arrays: dict[str, Any], message: str
) -> None:
    path = _file(tmp_path, name, values, **arrays)
    with pytest.raises(ArtifactError, match=message) as error:
        load_latents(path)
    assert str(path) in str(error.value)


def test_missing_files_and_other_suffixes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"x\.npz does not exist"):
        load_latents(tmp_path / "x.npz")
    with pytest.raises(ArtifactError, match=r"x\.txt is not a latent file by its name; \.npz"):
        load_latents(tmp_path / "x.txt")


def test_an_archive_that_expands_without_measure_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive, archive.open("w.npy", "w") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (2**15, 640)})
        for _ in range(80):
            file.write(bytes(2**20))
    with pytest.raises(ArtifactError, match="MemoryError"):
        load_latents(tmp_path / "x.npz")


def _sample(suffix: str) -> bytes:
    file = io.BytesIO()
    if suffix == ".npy":
        np.save(file, _W[:, :1, :2])
    else:
        np.savez_compressed(file, w=_W[:, :1, :2], meta=np.array(_meta()))
    return file.getvalue()


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_files_are_latents_or_an_error_of_ours(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, data: st.DataObject
) -> None:
    content = bytearray(_sample(suffix))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / f"damaged{suffix}"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    with contextlib.suppress(ArtifactError):
        assert load_latents(path).values.dtype == np.float32


def test_keyframes_are_joined_in_order(tmp_path: Path) -> None:
    Latents(values=_W[:1], space="w+", generator="wplus1:0").save(tmp_path / "a.npz")
    paths = [tmp_path / "a.npz", _file(tmp_path, "b.npy", _W[1:])]
    joined = load_keyframes(paths, num_ws=6, latents_as=None)
    assert (joined.space, joined.generator, len(joined)) == ("w+", "wplus1:0", 3)
    np.testing.assert_array_equal(joined.values, _W)


def test_noise_of_several_files_is_left_out_aloud(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    noise = {"b4.conv1.noise_const": np.zeros((1, 1, 4, 4), np.float32)}
    Latents(values=_W, space="w+", noise=noise).save(tmp_path / "a.npz")
    assert load_keyframes([tmp_path / "a.npz"], num_ws=6, latents_as=None).noise.keys() == noise.keys()
    assert caplog.text == ""
    assert load_keyframes([tmp_path / "a.npz"] * 2, num_ws=6, latents_as=None).noise == {}
    assert "The noise in these files is left out" in caplog.text


def test_keyframes_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    for i in range(2):
        Latents(values=_W, space="w+", generator=f"wplus1:{i}").save(tmp_path / f"{i}.npz")
        Latents(values=_W[:, 0], space="z", truncation_psi=i / 2).save(tmp_path / f"z{i}.npz")
    _file(tmp_path, "w.npy", _W[:, 0])

    def load(*names: str) -> Latents:
        return load_keyframes([tmp_path / name for name in names], num_ws=6, latents_as=None)

    with pytest.raises(LatentMismatchError, match="wplus1:0, wplus1:1"):
        load("0.npz", "1.npz")
    with pytest.raises(ValueError, match=r"w\.npy has w of \[16\]; .*0\.npz has w\+ of \[6, 16\]"):
        load("0.npz", "w.npy")
    with pytest.raises(ValueError, match="truncated differently"):
        load("z0.npz", "z1.npz")


def test_four_axes_are_spatial_z(tmp_path: Path) -> None:
    values = np.ones((2, 4, 3, 5), np.float32)
    np.save(tmp_path / "z.npy", values)
    latents = load_latents(tmp_path / "z.npy")
    assert (latents.space, latents.values.shape) == ("z", (2, 4, 3, 5))
