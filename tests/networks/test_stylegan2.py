"""StyleGAN2 against the original implementations and against its own promises."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from support import DATA, GOLDEN_GRADIENT_LIMIT, GOLDEN_IMAGE_LIMIT, assert_close, relative_rms

import wplus
from wplus.benchmarks.baseline import NvidiaFormulation
from wplus.benchmarks.random_networks import random_checkpoint
from wplus.checkpoints import Checkpoint, read_checkpoint
from wplus.config import StyleGAN2Config
from wplus.errors import CheckpointError
from wplus.generator import Generator
from wplus.networks import build_network

_NETWORKS = ["skip_64", "cond_32", "orig_32", "resnet_32"]


def _golden(name: str) -> tuple[Generator, Any, dict[str, Any]]:
    file = np.load(DATA / f"sg2_{name}.npz")
    return wplus.load(DATA / f"golden_sg2_{name}.pkl", device="cpu"), file, json.loads(str(file["meta"]))


def _cases() -> list[Any]:
    pairs = [(name, case) for name in _NETWORKS for case in _golden(name)[2]["cases"]]
    return [pytest.param(name, case, id=f"{name}-{case}") for name, case in pairs]


@pytest.mark.parametrize(("name", "case"), _cases())
def test_pictures_and_latents_agree_with_nvidias(name: str, case: str) -> None:
    G, file, meta = _golden(name)
    settings = meta["cases"][case]
    prefix = "" if case == meta["primary"] else f"case/{case}/"
    c = file["c"] if G.c_dim else None
    ws = G.map(file["z"], c, settings["truncation_psi"], settings["truncation_cutoff"])
    assert_close(ws, file[f"{prefix}ws"], GOLDEN_IMAGE_LIMIT)
    assert_close(G.synthesize(ws, settings["noise_mode"]), file[f"{prefix}image"], GOLDEN_IMAGE_LIMIT)


def test_gradients_to_ws_and_noise_agree_with_nvidias() -> None:
    G, file, _ = _golden("skip_64")
    consts = read_checkpoint(DATA / "golden_sg2_skip_64.pkl").tensors
    ws = torch.from_numpy(file["ws"]).requires_grad_()
    noise = {
        name: torch.from_numpy(consts[f"synthesis.{name}"])[None, None].requires_grad_() for name in G.noise_shapes
    }
    (G.synthesize(ws, noise=noise) * torch.from_numpy(file["grad/seed"])).sum().backward()
    assert ws.grad is not None
    assert_close(ws.grad, file["grad/ws"], GOLDEN_GRADIENT_LIMIT)
    assert len(noise) == 9
    for name, values in noise.items():
        assert values.grad is not None
        assert_close(values.grad[0, 0], file[f"grad/noise/synthesis.{name}"], GOLDEN_GRADIENT_LIMIT)


@pytest.mark.parametrize("name", ["sg2ada_cond_32", "sg3repo_full_snapshot_cond_32"])
def test_files_of_nvidias_code_give_its_pictures(name: str) -> None:
    G = wplus.load(DATA / f"{name}.pkl", device="cpu")
    file = np.load(DATA / f"{name}.expected.npz")
    meta = json.loads(str(file["meta"]))
    ws = G.map(file["z"], file["c"] if G.c_dim else None, meta["truncation_psi"])
    assert_close(ws, file["ws"], GOLDEN_IMAGE_LIMIT)
    assert_close(G.synthesize(ws, meta["noise_mode"]), file["image"], GOLDEN_IMAGE_LIMIT)


def test_rosinalitys_file_gives_its_pictures() -> None:
    G = wplus.load(DATA / "rosinality_64.pt", device="cpu")
    file = np.load(DATA / "rosinality_64.npz")
    ws = G.map(file["z"], truncation_psi=0.7)
    assert_close(ws, file["ws"], GOLDEN_IMAGE_LIMIT)
    assert_close(G.synthesize(ws), file["image"], GOLDEN_IMAGE_LIMIT)
    assert_close(G.synthesize(file["case/psi0.7_none/ws"], "none"), file["case/psi0.7_none/image"], GOLDEN_IMAGE_LIMIT)
    assert_close(G.synthesize(file["wplus"]), file["case/wplus_const/image"], GOLDEN_IMAGE_LIMIT)
    mixed = file["case/mix4_psi0.7_const/ws"]
    assert_close(G.synthesize(mixed), file["case/mix4_psi0.7_const/image"], GOLDEN_IMAGE_LIMIT)


def test_rosinalitys_gradients_agree() -> None:
    G = wplus.load(DATA / "rosinality_64.pt", device="cpu")
    file = np.load(DATA / "rosinality_64.npz")
    ws = torch.from_numpy(file["ws"]).requires_grad_()
    (G.synthesize(ws) * torch.from_numpy(file["grad/seed"])).sum().backward()
    assert ws.grad is not None
    assert_close(ws.grad, file["grad/ws"], GOLDEN_GRADIENT_LIMIT)


def test_the_demo_gives_the_pictures_it_was_trained_to(demo: Generator) -> None:
    file = np.load(DATA / "demo_portraits.expected.npz")
    for psi in (1, 0.7):
        ws = demo.map(file["z"], truncation_psi=psi)
        assert_close(ws, file[f"ws/psi{psi}"], GOLDEN_IMAGE_LIMIT)
        assert_close(demo.synthesize(ws), file[f"image/psi{psi}"], GOLDEN_IMAGE_LIMIT)


@pytest.mark.parametrize("architecture", ["skip", "orig", "resnet"])
@pytest.mark.parametrize("img_channels", [1, 2, 4])
def test_any_number_of_channels_and_any_architecture_agrees_with_per_sample_weights(
    architecture: Any, img_channels: int, tiny_config: StyleGAN2Config
) -> None:
    config = replace(tiny_config, img_channels=img_channels, channels=(8, 5, 3), conv_clamp=2.0)
    checkpoint = random_checkpoint(config)
    if architecture != "skip":
        tensors = {name: t for name, t in checkpoint.tensors.items() if "torgb" not in name or "b16." in name}
        config = replace(config, architecture=architecture)
        checkpoint = replace(checkpoint, config=config, tensors=tensors | _skip_tensors())
    ws = torch.randn(3, config.num_ws, config.w_dim)
    expected = NvidiaFormulation(checkpoint.config, checkpoint.tensors).synthesize(ws)
    img = Generator(checkpoint, device="cpu").synthesize(ws)
    assert img.shape == (3, img_channels, 16, 16)
    assert_close(img, expected, GOLDEN_IMAGE_LIMIT)


def _skip_tensors() -> dict[str, np.ndarray]:
    """What `resnet` has beyond `skip`."""
    random = np.random.RandomState(0)
    fir = np.outer([1, 3, 3, 1], [1, 3, 3, 1]).astype(np.float32) / 64
    tensors = {}
    for resolution, before, after in ((8, 8, 5), (16, 5, 3)):
        tensors[f"synthesis.b{resolution}.skip.weight"] = random.randn(after, before, 1, 1).astype(np.float32)
        tensors[f"synthesis.b{resolution}.skip.resample_filter"] = fir
    return tensors


@pytest.mark.parametrize("precision_dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision_stays_within_40_db(precision_dtype: torch.dtype, demo: Generator) -> None:
    network = build_network(read_checkpoint("demo:portraits"))
    network.prepare(precision_dtype)
    ws = torch.from_numpy(demo.map(wplus.latents.seeds_to_z(range(4), demo.z_dim), truncation_psi=0.7))
    with torch.no_grad():
        img = network.synthesize(ws, noise=None, dtype=precision_dtype)
    error = (img.clamp(-1, 1) - demo.synthesize(ws).clamp(-1, 1)).square().mean(dim=(1, 2, 3)).max()
    assert img.dtype == torch.float32
    assert 10 * torch.log10(4 / error) >= 40


def test_a_sample_does_not_depend_on_its_batch(tiny: Generator) -> None:
    ws = np.random.RandomState(0).randn(5, tiny.num_ws, tiny.w_dim).astype(np.float32)
    together = tiny.synthesize(ws)
    for i in range(5):
        assert relative_rms(tiny.synthesize(ws[i : i + 1])[0], together[i]) < 1e-6


def test_without_use_noise_no_layer_has_any(tiny_config: StyleGAN2Config, tiny_checkpoint: Checkpoint) -> None:
    tensors = {name: value for name, value in tiny_checkpoint.tensors.items() if "noise" not in name}
    quiet = Generator(replace(tiny_checkpoint, config=replace(tiny_config, use_noise=False), tensors=tensors))
    assert quiet.noise_shapes == {}
    ws = torch.randn(2, quiet.num_ws, quiet.w_dim)
    assert torch.equal(quiet.synthesize(ws), Generator(tiny_checkpoint, device="cpu").synthesize(ws, "none"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda tensors: tensors.pop("synthesis.b8.conv0.weight"),
            r"lacks the tensor synthesis.b8.conv0.weight \[8, 8",
        ),
        (
            lambda tensors: tensors.update({"mapping.fc0.bias": np.zeros(3, np.float32)}),
            r"mapping.fc0.bias is \[3\]; the configuration needs \[16\]",
        ),
    ],
    ids=["missing", "misshapen"],
)
def test_a_checkpoint_that_does_not_fit_is_refused_by_name(
    change: Callable[[dict[str, np.ndarray]], Any], message: str, tiny_checkpoint: Checkpoint
) -> None:
    tensors = dict(tiny_checkpoint.tensors)
    change(tensors)
    with pytest.raises(CheckpointError, match=message):
        build_network(replace(tiny_checkpoint, tensors=tensors))


def test_preparing_leaves_the_checkpoint_as_it_is(tiny_checkpoint: Checkpoint) -> None:
    before = {name: value.copy() for name, value in tiny_checkpoint.tensors.items()}
    Generator(tiny_checkpoint, device="cpu").sample([0])
    build_network(tiny_checkpoint).prepare(torch.bfloat16)
    assert all(np.array_equal(before[name], value) for name, value in tiny_checkpoint.tensors.items())
