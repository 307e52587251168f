import json
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch

import wplus
from wplus.bundle import PARITY, Bundle, read_bundle, write_json, write_manifest
from wplus.errors import ParityError, UnsupportedError
from wplus.generator import Generator
from wplus.inversion.config import DEFAULT_LOSS, GRAPH_LOSSES
from wplus.inversion.graph_objective import GraphObjective, open_step
from wplus.inversion.losses import make_loss
from wplus.inversion.run import invert
from wplus.latents import noise_maps, seeds_to_z

_COUNT = 3


def _inputs(generator: Generator) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    ws = generator.map(seeds_to_z(range(_COUNT), generator.z_shape))
    maps = noise_maps(generator.noise_shapes, range(_COUNT))
    random = np.random.RandomState(1)
    target = random.uniform(-1, 1, (_COUNT, 3, *generator.img_shape)).astype(np.float32)
    weight = random.uniform(0, 1, (_COUNT, 1, *generator.img_shape)).astype(np.float32)
    return {"ws": ws, **{f"noise/{name}": value for name, value in maps.items()}}, target, weight


def _relative(found: np.ndarray, right: np.ndarray) -> float:
    return float(np.linalg.norm(found - right) / np.linalg.norm(right))


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("name", [None, *GRAPH_LOSSES])
def test_loss_and_gradients_are_those_of_the_network(
    drawn_by: Generator, tiny: Generator, weighted: bool, name: str | None
) -> None:
    latents, target, weight = _inputs(drawn_by)
    with closing(open_step(drawn_by)) as step:
        factors = None if name is None else step.factors(name)
        loss, gradients = step(latents, target, weight if weighted else None, factors)
    leaves = {key: torch.tensor(value, requires_grad=True) for key, value in latents.items()}
    noise = {key.removeprefix("noise/"): value for key, value in leaves.items() if key != "ws"}
    img = tiny.network.synthesize(leaves["ws"], noise=noise, dtype=torch.float32)
    right = make_loss(name or DEFAULT_LOSS)(img, torch.tensor(target), torch.tensor(weight) if weighted else None)
    right.sum().backward()
    assert _relative(loss, right.detach().numpy()) <= 1e-5
    assert list(gradients) == list(latents)
    for key, leaf in leaves.items():
        assert leaf.grad is not None
        assert _relative(gradients[key], leaf.grad.numpy()) <= 1e-3


def test_a_picture_has_the_same_gradient_in_any_batch(drawn_by: Generator) -> None:
    """Ten are more than the bundle takes at once."""
    latents, target, weight = _inputs(drawn_by)
    rows = np.arange(10) % _COUNT
    with closing(open_step(drawn_by)) as step:
        loss, gradients = step({key: value[rows] for key, value in latents.items()}, target[rows], weight[rows])
        alone, own = step({key: value[:1] for key, value in latents.items()}, target[:1], weight[:1])
        empty, nothing = step({key: value[:0] for key, value in latents.items()}, target[:0], None)
    assert _relative(loss[:1], alone) <= 1e-5
    assert _relative(loss[9:], alone) <= 1e-5
    assert all(_relative(gradients[key][:1], own[key]) <= 1e-4 for key in own)
    assert empty.shape == (0,)
    assert nothing["ws"].shape == (0, *latents["ws"].shape[1:])


@pytest.fixture
def step(step_bundle: Bundle) -> GraphObjective:
    with wplus.load(step_bundle.folder, backend="onnxruntime", threads=1) as generator:
        return open_step(generator)


def test_what_does_not_fit_is_refused(step: GraphObjective) -> None:
    assert step.keys[0] == "ws"
    assert step.gradient_keys == step.keys
    with wplus.load(step._bundle.folder, threads=1) as generator:
        latents, target, weight = _inputs(generator)
    with pytest.raises(ValueError, match=r"latents has ws; this graph takes ws, noise/b4\.conv1"):
        step({"ws": latents["ws"]}, target, weight)
    with pytest.raises(ValueError, match=r"ws is \[3, 5, 16\]; \[3, 6, 16\] is needed"):
        step(latents | {"ws": latents["ws"][:, :5]}, target, weight)
    with pytest.raises(ValueError, match=r"target is \[3, 3, 8, 16\]; \[3, 3, 16, 16\] is needed"):
        step(latents, target[:, :, :8], weight)
    with pytest.raises(ValueError, match=r"weight is \[3, 3, 16, 16\]"):
        step(latents, target, target)
    with pytest.raises(ValueError, match=r"loss_factors is \[3, 1\]; \[3, 2\] is needed"):
        step(latents, target, weight, np.ones((3, 1), np.float32))
    with pytest.raises(ValueError, match="loss is 'lpips'; this graph computes squared, pixel"):
        step.factors("lpips")
    with pytest.raises(UnsupportedError, match="asks for a gradient"):
        step(latents | {"ws": torch.tensor(latents["ws"], requires_grad=True)}, target, weight)


def test_a_network_and_a_bundle_without_the_graph_say_how_to_get_it(tiny: Generator) -> None:
    hint = r"has no invert_step: wplus export --inversion NETWORK OUTDIR"
    with pytest.raises(UnsupportedError, match=f"random-0 is no bundle and so {hint}"):
        open_step(tiny)
    folder = Path(wplus.__file__).parent / "demo" / "portraits"
    with wplus.load(folder, threads=1) as generator, pytest.raises(UnsupportedError, match=f"is a bundle that {hint}"):
        open_step(generator)


def test_a_runtime_that_fell_short_is_refused_with_its_figures(step_bundle: Bundle, tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(step_bundle.folder, folder)
    parity = json.loads((folder / PARITY).read_text())
    for record in parity["inversion"]:
        record |= {"passed": False, "reasons": ["its gradients are off by 8.1e-01 of their size"]}
    write_json(folder / PARITY, parity)
    write_manifest(folder, step_bundle.manifest)
    assert read_bundle(folder).manifest.inversion == step_bundle.manifest.inversion
    with (
        wplus.load(folder, backend="onnxruntime", threads=1) as generator,
        pytest.raises(ParityError, match=r"off by 8\.1e-01"),
    ):
        open_step(generator)


def test_numbers_that_are_not_finite_are_an_error(step: GraphObjective) -> None:
    with wplus.load(step._bundle.folder, threads=1) as generator:
        latents, target, weight = _inputs(generator)
    with pytest.raises(ParityError, match="not finite"):
        step(latents | {"ws": np.full_like(latents["ws"], 1e30)}, target, weight)


def test_a_bundle_finds_what_pytorch_finds(drawn_by: Generator, tiny: Generator) -> None:
    targets = tiny.synthesize(tiny.map(seeds_to_z([900], tiny.z_dim)))
    found = invert(drawn_by, targets, steps=200, candidates=64)
    right = invert(tiny, targets, steps=200, candidates=64)
    assert found.losses[0] < 0.02
    assert np.square(found.images.astype(float) - right.images).mean() < 20  # both are near the target: levels
    with_noise = invert(drawn_by, targets, steps=30, starts=2, candidates=8, optimizes_noise=True)
    assert list(with_noise.latents.noise) == list(tiny.noise_shapes)


def test_what_is_not_in_the_graph_is_refused(step_bundle: Bundle) -> None:
    targets = np.zeros((1, 3, 16, 16), np.float32)
    with wplus.load(step_bundle.folder, backend="onnxruntime", threads=1) as G:
        with pytest.raises(UnsupportedError, match="compares pictures by squared or pixel"):
            invert(G, targets, loss="gradient", steps=2)
        with pytest.raises(UnsupportedError, match="no gradient by z"):
            invert(G, targets, space="z", steps=2)


def test_a_bundle_without_the_graph_says_how_to_make_it() -> None:
    plain = np.zeros((1, 3, 128, 128), np.float32)
    with (
        wplus.load("demo:portraits", backend="onnxruntime") as G,
        pytest.raises(UnsupportedError, match="wplus export --inversion"),
    ):
        invert(G, plain, steps=2, candidates=1, starts=1)


def test_torch_is_not_needed(step_bundle: Bundle) -> None:
    code = (
        "import sys, numpy as np, wplus\n"
        "from wplus.inversion.graph_objective import open_step\n"
        "from wplus.verify import shortfalls, verify_bundle, verify_steps\n"
        "from wplus.bundle import read_bundle\n"
        f"bundle = read_bundle({str(step_bundle.folder)!r})\n"
        "assert not shortfalls(bundle, verify_bundle(bundle, threads=1), verify_steps(bundle, threads=1))\n"
        f"G = wplus.load({str(step_bundle.folder)!r}, threads=1)\n"
        "latents = {'ws': np.zeros((1, 6, 16), np.float32)}\n"
        "latents |= {f'noise/{n}': np.zeros((1, 1, *s), np.float32) for n, s in G.noise_shapes.items()}\n"
        "loss, gradients = open_step(G)(latents, np.zeros((1, 3, 16, 16), np.float32), None)\n"
        "found = wplus.invert(G, np.zeros((1, 3, 16, 16), np.float32), steps=12, candidates=8)\n"
        "assert loss.shape == (1,) and found.images.shape == (1, 16, 16, 3) and 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
