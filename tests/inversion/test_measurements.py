"""Files of measurements: they stand alone, and what is damaged or does not fit is refused."""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wplus.errors import ArtifactError
from wplus.inversion.measurements import FORMAT_VERSION, Measurements, is_measurements, measure, measurement_facts
from wplus.inversion.operators import make_operator

SHAPE = (3, 6, 8)


def _measured(text: str = "coded:5", *, sigma: float = 0.0, count: int = 2) -> Measurements:
    operator = make_operator(text, img_shape=SHAPE, seed=9)
    return measure(operator, torch.rand(count, *SHAPE) * 2 - 1, seeds=range(count), sigma=sigma)


@pytest.mark.parametrize("text", ["identity", "mask:0.2", "down:2", "coded:5", "coded:masks.npy", "matrix:a.npy"])
def test_what_is_saved_is_loaded_without_the_operators_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("masks.npy", np.random.RandomState(0).rand(4, 6, 8) > 0.5)
    np.save("a.npy", np.random.RandomState(0).randn(4, 144))
    saved = _measured(text.replace(":", f":{tmp_path}/", 1) if text.endswith(".npy") else text, sigma=0.25)
    saved.save("y.npz")
    monkeypatch.chdir("/")
    for path in (tmp_path / "masks.npy", tmp_path / "a.npy"):
        path.unlink()
    loaded = Measurements.load(tmp_path / "y.npz")
    np.testing.assert_array_equal(loaded.y, saved.y)
    assert (loaded.sigma, loaded.operator.spec, loaded.operator.seed) == (0.25, text, 9)
    img = torch.randn(1, *SHAPE)
    torch.testing.assert_close(loaded.operator(img), saved.operator(img), rtol=0, atol=0)
    loaded.save(tmp_path / "again.npz")
    assert Measurements.load(tmp_path / "again.npz").operator.spec == text


def test_noise_has_its_sigma_and_a_pictures_own_seed_decides_it() -> None:
    operator = make_operator("identity", img_shape=(3, 32, 32))
    img = torch.zeros(3, 3, 32, 32)
    y = measure(operator, img, seeds=[4, 5, 4], sigma=0.5).y
    assert np.std(y[:2]) == pytest.approx(0.5, rel=0.03)
    assert abs(np.corrcoef(y[0].ravel(), y[1].ravel())[0, 1]) < 0.06
    np.testing.assert_array_equal(y[0], y[2])
    np.testing.assert_array_equal(measure(operator, img[:1], seeds=[5], sigma=0.5).y[0], y[1])


def test_without_noise_the_measurements_are_the_operators() -> None:
    operator = make_operator("down:2", img_shape=SHAPE)
    img = torch.randn(2, *SHAPE, requires_grad=True)
    np.testing.assert_array_equal(measure(operator, img, seeds=[0, 0]).y, operator(img).detach().numpy())


@pytest.mark.parametrize(
    ("y", "sigma", "message"),
    [
        (np.zeros((2, 4), np.float32), 0, r"measurements are \[2, 4\]; the operator coded:5 .* gives \[N, 5\]"),
        (np.zeros(5, np.float32), 0, r"measurements are \[5\]"),
        (np.zeros((0, 5), np.float32), 0, r"measurements are \[0, 5\]"),
        (np.full((1, 5), np.inf, np.float32), 0, "NaN or infinite"),
        (np.zeros((1, 5), np.float32), -1, "sigma is -1"),
        (np.zeros((1, 5), np.float32), float("nan"), "sigma is nan"),
    ],
)
def test_what_does_not_fit_the_operator_is_refused(y: Any, sigma: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Measurements(y=y, operator=make_operator("coded:5", img_shape=SHAPE), sigma=sigma)


def test_a_name_without_npz_and_too_few_seeds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"saved as \.npz"):
        _measured().save(tmp_path / "y.npy")
    with pytest.raises(ValueError, match="1 seeds for 2 pictures"):
        measure(make_operator("grey", img_shape=SHAPE), torch.zeros(2, *SHAPE), seeds=[0])
    assert not list(tmp_path.iterdir())


def _write(path: Path, *, meta: Any = None, **arrays: Any) -> Path:
    sound = {"format": 1, "operator": "coded:5", "img_shape": SHAPE, "seed": 0, "sigma": 0.0}
    text = meta if isinstance(meta, str) else json.dumps(sound | (meta or {}))
    np.savez(path, **({"y": np.zeros((1, 5), np.float32), "meta": np.array(text)} | arrays))
    return path


@pytest.mark.parametrize(
    ("meta", "arrays", "message"),
    [
        ({}, {"y": np.zeros((1, 6))}, r"measurements are \[1, 6\]; .* \[N, 5\]"),
        ({}, {"y": np.zeros((1, 5), np.int64)}, "floating-point"),
        ({}, {"y": np.full((1, 5), 1e300)}, "infinite"),
        ({"format": FORMAT_VERSION + 1}, {}, "format 2; this version of wplus reads up to 1"),
        ({"format": True}, {}, "makes no sense"),
        ({"img_shape": [3, 6]}, {}, "makes no sense"),
        ({"img_shape": [3, 6, 10**9]}, {}, "makes no sense"),
        ({"img_shape": [3, 6, 8.0]}, {}, "makes no sense"),
        ({"seed": -1}, {}, "makes no sense"),
        ({"sigma": "0"}, {}, "makes no sense"),
        ({"sigma": -0.5}, {}, "sigma is -0.5"),
        ({"operator": "coded:\x1b[2J"}, {}, "makes no sense"),
        ({"operator": "magic"}, {}, "is no operator"),
        ({"operator": "matrix:/etc/hostname"}, {}, "'shape' is missing"),
        ({"operator": "coded:a.npy"}, {"operator/masks": np.ones((5, 7), np.int8)}, r"the masks are \[5, 7\]"),
        ({"operator": "mask:a.png"}, {"operator/mask": np.ones((6, 8))}, "'mask' is of float64"),
        ("{", {}, "cannot be read"),
        ("[" * 100_000, {}, "cannot be read"),
    ],
)
def test_files_whose_parts_do_not_fit_are_refused(tmp_path: Path, meta: Any, arrays: Any, message: str) -> None:
    path = _write(tmp_path / "y.npz", meta=meta, **arrays)
    with pytest.raises(ArtifactError, match=message) as error:
        Measurements.load(path)
    assert str(path) in str(error.value)


def test_missing_foreign_and_expanding_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="does not exist"):
        Measurements.load(tmp_path / "none.npz")
    np.savez(tmp_path / "w.npz", w=np.zeros((1, 2, 3)))
    assert not is_measurements(tmp_path / "w.npz")
    with pytest.raises(ArtifactError, match="has the arrays w; y and meta are needed"):
        Measurements.load(tmp_path / "w.npz")
    (tmp_path / "text.npz").write_text("text")
    with pytest.raises(ArtifactError, match="damaged"):
        Measurements.load(tmp_path / "text.npz")
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as bomb, bomb.open("y.npy", "w") as member:
        for _ in range(70):
            member.write(bytes(2**20))
    with pytest.raises(ArtifactError, match="MemoryError"):
        Measurements.load(tmp_path / "bomb.npz")
    with zipfile.ZipFile(tmp_path / "bytes.npz", "w") as archive:
        archive.writestr("y", "bytes")
        archive.writestr("meta", "{}")
    with pytest.raises(ArtifactError, match="is no array"):
        Measurements.load(tmp_path / "bytes.npz")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damage_anywhere_is_found_or_harmless(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "y.npz"
    _measured("coded:5").save(path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(len(content) // 2, len(content)))])
    try:
        Measurements.load(path)
    except ArtifactError as exc:
        assert str(path) in str(exc)  # noqa: PT017


def test_facts_are_read_without_building_the_operator(tmp_path: Path) -> None:
    _measured(sigma=0.5).save(tmp_path / "y.npz")
    assert is_measurements(tmp_path / "y.npz")
    assert measurement_facts(tmp_path / "y.npz") == {
        "format": "measurements",
        "operator": "coded:5",
        "pictures": 2,
        "shape": [2, 5],
        "picture_size": "8x6, 3 channels",
        "compression": "28.8",
        "sigma": 0.5,
        "seed": 9,
    }
