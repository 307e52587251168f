"""Facts about direction files: those that people have are understood, and others are refused with a reason."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from wplus.errors import ArtifactError, LatentMismatchError
from wplus.generator import Generator
from wplus.latents import Latents
from wplus.paths.directions import load_direction

_RANDOM = np.random.RandomState(0)
_ONE = _RANDOM.randn(16)
_LAYERS = _RANDOM.randn(6, 16)
_MANY = _RANDOM.randn(5, 16)
_STD = np.abs(_RANDOM.randn(5))


def _file(tmp_path: Path, name: str, content: Any) -> Path:
    path = tmp_path / name
    if path.suffix == ".npz":
        np.savez(path, **content)
    elif path.suffix == ".npy":
        np.save(path, content)
    else:
        torch.save(content, path)
    return path


def _torch(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(values)


@pytest.mark.parametrize(
    ("name", "content", "index", "expected"),
    [
        ("interfacegan.npy", _ONE[None], 0, _ONE),
        ("flat.npy", _ONE.astype(np.float32), 0, _ONE),
        ("rows.npy", _MANY, 3, _MANY[3]),
        ("layers.npy", _LAYERS, 0, _LAYERS),
        ("layers1.npy", _LAYERS[None], 0, _LAYERS),
        ("named.npz", {"direction": _ONE[None], "other": _MANY}, 0, _ONE),
        (
            "ganspace.npz",
            {"lat_comp": _MANY[:, None], "lat_stdev": _STD, "lat_mean": _ONE[None]},
            2,
            _MANY[2] * _STD[2],
        ),
        ("e4e.pt", _torch(_ONE[None]), 0, _ONE),
        (
            "ganspace.pt",
            {"comp": _torch(_MANY[:, None]), "std": _torch(_STD), "mean": _torch(_ONE)},
            1,
            _MANY[1] * _STD[1],
        ),
        ("factor.pt", {"ckpt": "x.pt", "eigvec": _torch(_RANDOM.randn(16, 16))}, 4, None),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_people_have_is_read(
    tiny: Generator, tmp_path: Path, name: str, content: Any, index: int, expected: np.ndarray | None
) -> None:
    direction = load_direction(_file(tmp_path, name, content), tiny, index=index)
    if expected is None:
        expected = content["eigvec"].numpy()[:, index]
    assert direction.dtype == np.float32
    np.testing.assert_allclose(direction, np.broadcast_to(expected, (6, 16)), rtol=3e-7)


def test_a_latent_file_of_ours_is_checked(tiny: Generator, tmp_path: Path) -> None:
    values = _ONE[None].astype(np.float32)
    Latents(values=values, space="w", generator=tiny.fingerprint).save(tmp_path / "own.npz")
    Latents(values=values, space="w", generator="wplus1:ffffffffffffffff").save(tmp_path / "alien.npz")
    assert load_direction(tmp_path / "own.npz", tiny).shape == (6, 16)
    with pytest.raises(LatentMismatchError, match="wplus1:ffffffffffffffff"):
        load_direction(tmp_path / "alien.npz", tiny)
    assert load_direction(tmp_path / "alien.npz", tiny, allow_mismatch=True).shape == (6, 16)


@pytest.mark.parametrize(
    ("name", "content", "index", "message"),
    [
        ("x.npy", np.zeros((1, 512)), 0, r"directions of \[1, 512\]; .* needs \[16\], \[N, 16\], \[6, 16\]"),
        ("x.npy", np.zeros((1, 18, 16)), 0, r"directions of \[1, 18, 16\]"),
        ("x.npy", _MANY, 5, r"directions 0 to 4; 5 is asked for"),
        ("x.npy", np.zeros((1, 16), np.int64), 0, r"int64 where floating-point numbers are needed"),
        ("x.npy", np.full((1, 16), np.nan), 0, r"NaN or infinite"),
        ("x.npz", {"a": _ONE}, 0, r"it has a; directions are named comp"),
        ("x.npz", {"comp": _MANY, "std": _STD[:3]}, 0, r"std has 3 numbers"),
        ("x.pt", {"weights": torch.zeros(3)}, 0, r"holds no direction that can be read"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_fit_is_refused(
    tiny: Generator, tmp_path: Path, name: str, content: Any, index: int, message: str
) -> None:
    with pytest.raises((ValueError, ArtifactError), match=message):
        load_direction(_file(tmp_path, name, content), tiny, index=index)


def test_other_files_are_refused(tiny: Generator, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"none\.npy does not exist"):
        load_direction(tmp_path / "none.npy", tiny)
    (tmp_path / "x.npy").write_bytes(b"no")
    with pytest.raises(ArtifactError, match="no direction that can be read"):
        load_direction(tmp_path / "x.npy", tiny)
    with pytest.raises(ArtifactError, match="no direction file by its name"):
        load_direction(tmp_path / "x.pkl", tiny)
