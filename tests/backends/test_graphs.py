"""`GraphBackend` over sessions that only write down what they are fed."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bundle_support import write_bundle
from numpy.typing import NDArray

from wplus.backends.arrays import to_bytes
from wplus.backends.graphs import Feeds, GraphBackend, precision_reasons
from wplus.bundle import Bundle, GraphSpec, Port
from wplus.config import StyleGAN2Config
from wplus.errors import ParityError, UnsupportedError, WplusError
from wplus.kernels import to_uint8

_CONFIG = StyleGAN2Config(z_dim=8, c_dim=3, img_channels=3, w_dim=8, img_resolution=16, channels=(8, 8, 8))
_Z, _C = Port("z", "float32", ("N", 8)), Port("c", "float32", ("N", 3))
_PSI, _CUTOFF = Port("truncation_psi", "float32", ("N",)), Port("truncation_cutoff", "int64", ("N",))
_WS, _IMG = Port("ws", "float32", ("N", 6, 8)), Port("img", "float32", ("N", 3, 16, 16))
_NOISE = Port("b4.conv1.noise_const", "float32", ("N", 1, 4, 4))
_TRANSFORM = Port("transform", "float32", ("N", 3, 3))
_BYTES = Port("img", "uint8", ("N", 16, 16, 3))


class Recorder:
    """A session that gives zeros, or what it is told to."""

    def __init__(self, output: Port, fill: float = 0.0) -> None:
        self.output, self.fill = output, fill
        self.fed: list[dict[str, NDArray[Any]]] = []
        self.is_open = True

    def run(self, feeds: Feeds) -> NDArray[Any]:
        self.fed.append(dict(feeds))
        count = len(next(iter(feeds.values())))
        return np.full((count, *map(int, self.output.shape[1:])), self.fill, self.output.dtype)

    def close(self) -> None:
        self.is_open = False


def _backend(tmp_path: Path, *inputs: Port, output_port: Port = _IMG, graph: str = "synthesis", **changes: Any) -> Any:
    """A backend of one graph, with that graph's session as `session`."""
    bundle = write_bundle(tmp_path / "bundle")
    spec = GraphSpec(file=f"{graph}.onnx", inputs=inputs, outputs=(output_port,))
    manifest = replace(bundle.manifest, config=_CONFIG, graphs={graph: spec}, **changes)
    session = Recorder(output_port)
    backend: Any = GraphBackend(
        Bundle(folder=bundle.folder, manifest=manifest),
        {graph: session},
        name="recorder",
        device="cpu",
        precision="exact",
        dtype="float32",
    )
    backend.session = session
    return backend


def test_every_input_has_the_batch_first_and_the_graphs_type(tmp_path: Path) -> None:
    backend = _backend(tmp_path, _Z, _C, _PSI, _CUTOFF, output_port=_WS, graph="mapping")
    z, c = np.zeros((2, 8), np.float64), torch.eye(3)[:2]
    assert backend.map(z, c, np.ones(2), np.full(2, 5, np.int32)).shape == (2, 6, 8)
    (fed,) = backend.session.fed
    assert {name: (value.dtype.name, value.shape) for name, value in fed.items()} == {
        "z": ("float32", (2, 8)),
        "c": ("float32", (2, 3)),
        "truncation_psi": ("float32", (2,)),
        "truncation_cutoff": ("int64", (2,)),
    }
    assert all(value.flags.c_contiguous and value.flags.writeable for value in fed.values())


def test_what_is_not_given_is_neutral(tmp_path: Path) -> None:
    backend = _backend(tmp_path, _Z, _C, _PSI, _CUTOFF, _NOISE, _TRANSFORM, graph="generator")
    backend.synthesize(np.zeros((2, 8), np.float32), {}, c=np.eye(3)[:2])
    (fed,) = backend.session.fed
    assert fed["truncation_psi"].tolist() == [1, 1]
    assert fed["truncation_cutoff"].tolist() == [6, 6]
    assert not fed[_NOISE.name].any()
    assert np.array_equal(fed["transform"], np.stack([np.eye(3)] * 2))


def test_stored_noise_is_fed_unless_noise_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = np.arange(16, dtype=np.float32).reshape(4, 4)
    monkeypatch.setattr(Bundle, "noise_constants", lambda _: {_NOISE.name: stored})
    backend = _backend(tmp_path, _WS, _NOISE)
    ws = np.zeros((2, 6, 8), np.float32)
    backend.synthesize(ws, None)
    backend.synthesize(ws, {_NOISE.name: np.ones((1, 1, 4, 4))})
    first, second = (fed[_NOISE.name] for fed in backend.session.fed)
    assert np.array_equal(first, np.stack([stored[None]] * 2))
    assert np.array_equal(second, np.ones((2, 1, 4, 4)))


def test_a_batch_beyond_the_bundles_limit_is_run_in_parts(tmp_path: Path) -> None:
    backend = _backend(tmp_path, _WS, max_batch=2)
    ws = np.arange(5, dtype=np.float32)[:, None, None].repeat(6, 1).repeat(8, 2)
    assert backend.synthesize(ws, None).shape == (5, 3, 16, 16)
    assert [fed["ws"][:, 0, 0].tolist() for fed in backend.session.fed] == [[0, 1], [2, 3], [4]]


def test_no_samples_give_no_pictures_and_run_nothing(tmp_path: Path) -> None:
    backend = _backend(tmp_path, _WS)
    ws = np.zeros((0, 6, 8), np.float32)
    assert backend.synthesize(ws, None).shape == (0, 3, 16, 16)
    assert backend.images(ws, None).shape == (0, 16, 16, 3)
    assert backend.session.fed == []


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_an_error_that_names_runtime_and_precision(
    value: float, tmp_path: Path
) -> None:
    backend = _backend(tmp_path, _WS)
    backend.session.fill = value
    with pytest.raises(ParityError, match=r"recorder on cpu \(exact, float32\) gives numbers that are not finite"):
        backend.synthesize(np.zeros((1, 6, 8), np.float32), None)


def test_input_that_is_not_finite_gives_what_the_graph_gives(tmp_path: Path) -> None:
    """As torch does; it says nothing about the runtime."""
    backend = _backend(tmp_path, _WS)
    backend.session.fill = np.nan
    assert np.isnan(backend.synthesize(np.full((1, 6, 8), np.nan, np.float32), None)).all()


def test_an_error_of_the_runtime_becomes_one_of_ours(tmp_path: Path) -> None:
    backend = _backend(tmp_path, _WS)

    def fail(_: Feeds) -> NDArray[Any]:
        raise RuntimeError("\n  out of memory\nat line 12")

    backend.session.run = fail
    with pytest.raises(WplusError, match=r"recorder \(cpu\) could not run synthesis.onnx: out of memory$"):
        backend.synthesize(np.zeros((1, 6, 8), np.float32), None)


def test_an_input_that_asks_for_a_gradient_is_refused(tmp_path: Path) -> None:
    backend = _backend(tmp_path, _WS)
    with pytest.raises(UnsupportedError, match=r"recorder computes none. Pass it detached"):
        backend.synthesize(torch.zeros(1, 6, 8, requires_grad=True), None)


def test_a_graph_of_bytes_draws_images_and_refuses_floats(tmp_path: Path) -> None:
    backend = _backend(tmp_path, _WS, output_port=_BYTES, output="uint8")
    ws = np.zeros((2, 6, 8), np.float32)
    assert backend.images(ws, None).shape == (2, 16, 16, 3)
    with pytest.raises(UnsupportedError, match=r"call images. For float32 pictures make another bundle"):
        backend.synthesize(ws, None)


def test_closing_closes_every_session(tmp_path: Path) -> None:
    backend = _backend(tmp_path, _WS)
    backend.close()
    assert not backend.session.is_open


def test_bytes_are_those_of_torch() -> None:
    img = torch.linspace(-1.3, 1.3, 2 * 3 * 40 * 40).reshape(2, 3, 40, 40)
    found = to_bytes(img.numpy())
    assert found.flags.c_contiguous
    assert np.array_equal(found, to_uint8(img).numpy())


def test_exact_pictures_of_half_precision_graphs_are_refused_with_the_command(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "half", precision="fp16")
    (reason,) = precision_reasons(bundle, "exact")
    assert "wplus export NETWORK OUTDIR --precision=fp32" in reason
    assert precision_reasons(bundle, "fast") == []
