"""A `Generator` on a bundle does what one on the checkpoint does, in every runtime that is installed."""

import logging
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import wplus
from wplus import Generator, Latents, UnsupportedError, WplusError
from wplus.bundle import Bundle
from wplus.checkpoints import Checkpoint
from wplus.cli import main
from wplus.transforms import user_transform
from wplus.walk import WalkConfig, frames

MakeBundle = Callable[..., Bundle]
Pair = tuple[Generator, Generator]  # on the bundle, and in torch

_CLOSE = 2e-5  # of the largest value; the contract allows 2e-3 of pictures in [-1, 1]
_MISSING = pytest.mark.skipif(util.find_spec("openvino") is None, reason="pip install 'wplus[openvino]'")


@pytest.fixture(params=["onnxruntime", pytest.param("openvino", marks=_MISSING)])
def backend(request: pytest.FixtureRequest) -> str:
    """Each runtime."""
    return str(request.param)


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """These bundles have no certificate, which is said each time."""
    caplog.set_level(logging.ERROR, logger="wplus")


@pytest.fixture
def pair(
    backend: str, make_bundle: MakeBundle, checkpoint_of: Callable[[str], Checkpoint]
) -> Iterator[Callable[..., Pair]]:
    """A function (network, options of the export) to generators on the bundle and in torch."""
    opened: list[Generator] = []

    def make(network: str = "tiny", **options: Any) -> Pair:
        opened.append(wplus.load(make_bundle(network, **options).folder, backend=backend, threads=2))  # type: ignore[arg-type]
        opened.append(Generator(checkpoint_of(network), device="cpu", threads=2))
        return opened[-2], opened[-1]

    yield make
    for generator in opened:
        generator.close()


def _z(G: Generator, count: int = 3) -> np.ndarray:
    return wplus.latents.seeds_to_z(range(count), G.z_shape)


def _assert_close(found: np.ndarray, reference: np.ndarray) -> None:
    assert found.shape == reference.shape
    assert found.dtype == reference.dtype
    assert np.abs(found.astype(np.float64) - reference).max() < _CLOSE * max(1, np.abs(reference).max())


def test_it_is_the_network(pair: Callable[..., Pair], backend: str) -> None:
    G, reference = pair()
    for name in ("family", "fingerprint", "z_shape", "num_ws", "w_dim", "img_shape", "has_w", "has_noise", "parent"):
        assert getattr(G, name) == getattr(reference, name), name
    assert (G.backend, G.device, G.precision, G.dtype) == (backend, "cpu", "exact", "float32")
    _assert_close(G.w_avg, reference.w_avg)


def test_pictures_are_the_networks(pair: Callable[..., Pair]) -> None:
    G, reference = pair()
    z = _z(G)
    ws = G.map(z, truncation_psi=np.array([1, 0.7, 0]), truncation_cutoff=np.array([6, 2, 3]))
    _assert_close(ws, reference.map(z, truncation_psi=np.array([1, 0.7, 0]), truncation_cutoff=np.array([6, 2, 3])))
    _assert_close(G.synthesize(ws), reference.synthesize(ws))
    assert np.abs(G.images(ws).astype(int) - reference.images(ws)).max() <= 1


def test_torch_goes_in_and_comes_out(pair: Callable[..., Pair]) -> None:
    G, _ = pair()
    ws = G.map(torch.from_numpy(_z(G)))
    assert isinstance(ws, torch.Tensor)
    assert isinstance(G.images(ws), torch.Tensor)
    assert np.array_equal(G.synthesize(ws).numpy(), G.synthesize(ws.numpy()))
    with pytest.raises(UnsupportedError, match="computes none"):
        G.synthesize(ws.requires_grad_())


def test_labels_reach_the_graph(pair: Callable[..., Pair]) -> None:
    G, reference = pair("conditional")
    z, c = _z(G), np.eye(G.c_dim, dtype=np.float32)[[0, 1, 0]]
    _assert_close(G.map(z, c), reference.map(z, c))
    _assert_close(G.w_avg, reference.w_avg)
    with pytest.raises(ValueError, match="This network is conditional"):
        G.map(z)


def test_the_transform_moves_the_picture(pair: Callable[..., Pair]) -> None:
    G, reference = pair("stylegan3")
    ws = G.map(_z(G, 2))
    matrix = user_transform(translate=(0.1, 0.2), rotate=30)
    moved = G.synthesize(ws, transform=matrix)
    _assert_close(moved, reference.synthesize(ws, transform=matrix))
    _assert_close(G.synthesize(ws), reference.synthesize(ws))
    assert np.abs(moved - G.synthesize(ws)).max() > 0.1
    G.synthesize(ws, "random")  # there is none, so no mode differs


def test_with_noise_as_input_every_noise_mode_works(pair: Callable[..., Pair]) -> None:
    G, reference = pair(noise="input")
    assert G.noise_shapes == reference.noise_shapes
    ws, seeds = G.map(_z(G)), [5, 6, 7]
    for mode in ("const", "random", "none"):
        _assert_close(G.synthesize(ws, mode, seeds=seeds), reference.synthesize(ws, mode, seeds=seeds))  # type: ignore[arg-type]
    name, shape = next(iter(G.noise_shapes.items()))
    noise = {name: np.ones((1, 1, *shape), np.float32)}
    _assert_close(G.synthesize(ws, noise=noise), reference.synthesize(ws, noise=noise))
    _assert_close(G.synthesize(ws, "none", noise), reference.synthesize(ws, "none", noise))


@pytest.mark.parametrize(("variant", "other"), [("const", "none"), ("none", "const")])
def test_noise_in_the_graph_serves_its_own_mode_alone(variant: Any, other: Any, pair: Callable[..., Pair]) -> None:
    G, reference = pair(noise=variant)
    ws = G.map(_z(G))
    _assert_close(G.synthesize(ws, variant), reference.synthesize(ws, variant))
    for ask in (lambda: G.synthesize(ws, other), lambda: G.images(ws, "random", seeds=[1, 2, 3])):
        with pytest.raises(UnsupportedError, match=rf"--noise={variant}.*wplus export NETWORK OUTDIR --noise=input"):
            ask()
    with pytest.raises(UnsupportedError, match="noise is asked for"):
        G.images(ws, noise={"b4.conv1.noise_const": np.zeros((1, 1, 4, 4), np.float32)})


def test_a_graph_of_bytes_draws_images(pair: Callable[..., Pair]) -> None:
    G, reference = pair(output="uint8")
    ws = G.map(_z(G))
    assert np.abs(G.images(ws).astype(int) - reference.images(ws)).max() <= 1
    with pytest.raises(UnsupportedError, match="call images"):
        G.synthesize(ws)


def test_one_graph_from_z_draws_z(pair: Callable[..., Pair]) -> None:
    G, reference = pair("conditional", single=True)
    assert (G.has_w, G.has_truncation, G.num_ws) == (False, True, reference.num_ws)
    z, c = _z(G), np.eye(G.c_dim, dtype=np.float32)[:1]
    _assert_close(G.synthesize(z, c=c), reference.synthesize(reference.map(z, c)))
    truncated = G.synthesize(z, c=c, truncation_psi=0.5, truncation_cutoff=2)
    _assert_close(truncated, reference.synthesize(reference.map(z, c, 0.5, 2)))
    latents = Latents(values=z, space="z", generator=G.fingerprint, truncation_psi=0.5)
    _assert_close(G.synthesize(latents, c=c), reference.synthesize(latents, c=c))


def test_one_graph_from_z_samples_and_walks_with_truncation(pair: Callable[..., Pair]) -> None:
    G, reference = pair(single=True)
    (batch,), (expected,) = (
        list(one.sample([1, 2], truncation_psi=0.5, truncation_cutoff=3)) for one in (G, reference)
    )
    assert np.abs(batch.images.astype(int) - expected.images).max() <= 1
    assert (batch.latents.space, batch.latents.truncation_psi) == ("z", 0.5)
    config = WalkConfig(w_frames=2, space="z", truncation_psi=0.5)
    for found, wanted in zip(frames(G, [1, 2], config), frames(reference, [1, 2], config), strict=True):
        assert np.abs(found.astype(int) - wanted).max() <= 1


def test_one_graph_from_z_shows_no_w_and_says_how_to_get_one(pair: Callable[..., Pair]) -> None:
    G, reference = pair(single=True)
    ws = reference.map(_z(G))
    for ask in (
        lambda: G.map(_z(G)),
        lambda: G.w_avg,
        lambda: G.images(Latents(values=ws, space="w+", generator=G.fingerprint)),
    ):
        with pytest.raises(UnsupportedError, match=r"--single.*wplus export NETWORK OUTDIR"):
            ask()
    with pytest.raises(ValueError, match=r"z is \[3, 6, 16\]"):
        G.synthesize(ws)


def test_truncation_acts_on_z_alone(pair: Callable[..., Pair]) -> None:
    G, reference = pair()
    with pytest.raises(ValueError, match="truncation_psi acts on the way from z to w"):
        G.images(G.map(_z(G)), truncation_psi=0.7)
    latents = Latents(values=_z(G), space="z", generator=G.fingerprint)
    _assert_close(
        G.synthesize(latents, truncation_psi=0.7, truncation_cutoff=2),
        reference.synthesize(reference.map(_z(G), None, 0.7, 2)),
    )


def test_a_bundles_largest_batch_bounds_the_micro_batch_and_not_the_user(pair: Callable[..., Pair]) -> None:
    G, reference = pair(max_batch=2)
    assert G.micro_batch == 2
    ws = reference.map(_z(G, 5))
    _assert_close(G.synthesize(ws), reference.synthesize(ws))


def test_no_samples_give_empty_arrays_as_in_torch(pair: Callable[..., Pair]) -> None:
    for one in pair():
        ws = one.map(_z(one, 0))
        assert (ws.shape, one.synthesize(ws).shape, one.images(ws).shape) == (
            (0, 6, 16),
            (0, 3, 16, 16),
            (0, 16, 16, 3),
        )


def test_eight_threads_draw_the_same_bytes(pair: Callable[..., Pair]) -> None:
    G, _ = pair("conditional")

    def draw(seed: int) -> bytes:
        z = wplus.latents.seeds_to_z([seed, seed + 1], G.z_shape)
        c = np.eye(G.c_dim, dtype=np.float32)[:1]
        return bytes(G.synthesize(G.map(z, c, truncation_psi=0.7)).tobytes())

    alone = [draw(seed) for seed in range(4)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(draw, [seed % 4 for seed in range(32)]))
    assert together == alone * 8


def test_fifty_loads_and_closes_leave_memory_flat(backend: str, make_bundle: MakeBundle) -> None:
    """In a process of its own, whose memory is that of nothing else."""
    if not Path("/proc/self/statm").exists():
        pytest.skip("no /proc here to read the memory from")
    code = f"""
import logging, wplus
logging.disable(logging.WARNING)
def load_and_draw():
    with wplus.load({str(make_bundle().folder)!r}, backend={backend!r}, threads=2, batch=1) as G:
        next(G.sample([0]))
    return int(open("/proc/self/statm").read().split()[1])
before = [load_and_draw() for _ in range(10)]
after = [load_and_draw() for _ in range(50)]
print(max(after) - max(before))
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert int(out) * os.sysconf("SC_PAGE_SIZE") < 16 << 20


def test_a_closed_one_says_so(pair: Callable[..., Pair]) -> None:
    G, _ = pair()
    G.close()
    with pytest.raises(WplusError, match="is closed"):
        G.map(_z(G))


def test_it_pickles_as_path_and_options(pair: Callable[..., Pair]) -> None:
    G, _ = pair()
    with pickle.loads(pickle.dumps(G)) as twin:
        assert (twin.backend, twin.fingerprint) == (G.backend, G.fingerprint)
        assert np.array_equal(twin.images(twin.map(_z(G))), G.images(G.map(_z(G))))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_after_a_fork_every_call_is_an_error(pair: Callable[..., Pair], tmp_path: Path) -> None:
    G, _ = pair()
    said = tmp_path / "said"
    child = os.fork()
    if child == 0:
        try:
            G.map(_z(G))
        except WplusError as exc:
            said.write_text(str(exc))
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert "by a fork" in said.read_text()


def test_the_digest_of_a_bundle_is_its_manifests(make_bundle: MakeBundle) -> None:
    import hashlib

    folder = make_bundle().folder
    digest = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    wplus.load(folder, backend="onnxruntime", sha256=digest).close()
    with pytest.raises(wplus.ArtifactError, match="It is another bundle"):
        wplus.load(folder, backend="onnxruntime", sha256="0" * 64)


def test_the_command_line_says_what_a_bundle_cannot_do(
    make_bundle: MakeBundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ["sample", f"--network={make_bundle().folder}", "--backend=onnxruntime", "--seeds=0", f"--outdir={tmp_path}"]
    for options, code in ((["--noise-mode=random"], 1), ([], 0)):
        with pytest.raises(SystemExit) as end:
            main([*run, *options])
        assert end.value.code == code
        assert ("--noise=input" in capsys.readouterr().err) == (code == 1)
    assert (tmp_path / "seed0000.png").exists()
