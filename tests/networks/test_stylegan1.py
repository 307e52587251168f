"""StyleGAN1 against the original implementation and against its own promises."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from support import DATA, GOLDEN_GRADIENT_LIMIT, GOLDEN_IMAGE_LIMIT, OPERATOR_LIMITS, assert_close, relative_rms

import wplus
from wplus.benchmarks.baseline_stylegan1 import OriginalStyleGAN1
from wplus.benchmarks.random_stylegan1 import random_stylegan1, stylegan1_config
from wplus.checkpoints import Checkpoint, read_checkpoint
from wplus.config import StyleGAN1Config
from wplus.generator import Generator
from wplus.networks import build_network
from wplus.networks.stylegan1 import adain

_FILE = "genforce_sg1_128_fused.pth"
_CASES = ["psi1_const", "psi0.7_cut8_const", "psi0.7_cut8_none"]


@pytest.fixture(scope="module")
def golden() -> tuple[Generator, Any, dict[str, Any]]:
    file = np.load(DATA / "sg1_128_fused.npz")
    return wplus.load(DATA / _FILE, device="cpu"), file, json.loads(str(file["meta"]))


@pytest.fixture(scope="module")
def small_config() -> StyleGAN1Config:
    """16 px."""
    config = stylegan1_config(16, fmap_base=64, fmap_max=8, latent_dim=16, num_mapping_layers=2)
    return replace(config, channels=(8, 5, 3))


@pytest.fixture(scope="module")
def small(small_config: StyleGAN1Config) -> Checkpoint:
    return random_stylegan1(small_config)


@pytest.mark.parametrize("case", _CASES)
def test_pictures_and_latents_agree_with_the_originals(golden: Any, case: str) -> None:
    G, file, meta = golden
    settings = meta["cases"][case]
    prefix = "" if case == meta["primary"] else f"case/{case}/"
    ws = G.map(file["z"], None, settings["truncation_psi"], settings["truncation_cutoff"])
    assert_close(ws, file[f"{prefix}ws"], GOLDEN_IMAGE_LIMIT)
    img = G.synthesize(ws, settings["noise_mode"])
    assert img.shape == (2, 3, 128, 128)
    assert_close(img[:, :, ::3, ::3], file[f"{prefix}image"], GOLDEN_IMAGE_LIMIT)


def test_gradients_to_ws_and_noise_agree_with_the_originals(golden: Any) -> None:
    G, file, _ = golden
    consts = read_checkpoint(DATA / _FILE).tensors
    weights = torch.from_numpy(np.random.RandomState(112).randn(2, 3, 128, 128).astype(np.float32))
    ws = torch.from_numpy(file["ws"]).requires_grad_()
    noise = {
        name: torch.from_numpy(consts[f"synthesis.{name}"])[None, None].requires_grad_() for name in G.noise_shapes
    }
    (G.synthesize(ws, noise=noise) * weights).sum().backward()
    assert ws.grad is not None
    assert_close(ws.grad, file["grad/ws"], GOLDEN_GRADIENT_LIMIT)
    assert len(noise) == 12
    for name, values in noise.items():
        assert values.grad is not None
        assert_close(values.grad[:, :, ::3, ::3], file[f"grad/noise/{name}"], GOLDEN_GRADIENT_LIMIT)


def test_truncation_acts_on_the_first_eight_slots_unless_told(golden: Any) -> None:
    G, file, _ = golden
    assert (G.family, G.num_ws, G.config.truncation_cutoff) == ("stylegan1", 12, 8)
    full, own = G.map(file["z"]), G.map(file["z"], truncation_psi=0.7)
    assert_close(own, file["ws"], GOLDEN_IMAGE_LIMIT)
    assert np.array_equal(own[:, 8:], full[:, 8:])
    assert np.array_equal(G.map(file["z"], truncation_psi=0.7, truncation_cutoff=0), full)
    every = G.map(file["z"], truncation_psi=0, truncation_cutoff=12)
    assert relative_rms(every, np.broadcast_to(G.w_avg, every.shape)) < 1e-6


def test_a_small_network_truncates_all_its_slots(small: Checkpoint) -> None:
    G = Generator(small, device="cpu")
    assert G.config.truncation_cutoff == G.num_ws == 6
    ws = G.map(np.ones((1, 16), np.float32), truncation_psi=0)
    assert relative_rms(ws, np.broadcast_to(G.w_avg, ws.shape)) < 1e-6


def test_noise_maps_are_numbered(small: Checkpoint) -> None:
    G = Generator(small, device="cpu")
    assert G.noise_shapes == {f"noise{i}": (4 << i // 2, 4 << i // 2) for i in range(6)}
    ws = G.map(np.ones((2, 16), np.float32))
    consts = {name: small.tensors[f"synthesis.{name}"][None, None] for name in G.noise_shapes}
    assert np.array_equal(G.synthesize(ws, "none", noise=consts), G.synthesize(ws))
    zeros = {name: np.zeros_like(value) for name, value in consts.items()}
    assert relative_rms(G.synthesize(ws, noise=zeros), G.synthesize(ws, "none")) < 1e-6
    drawn = G.synthesize(ws, "random", seeds=[1, 2])
    assert relative_rms(drawn, G.synthesize(ws)) > 0.01
    assert relative_rms(G.synthesize(ws[1:], "random", seeds=[2]), drawn[1:]) < 1e-5


def test_without_use_noise_no_layer_has_any(small: Checkpoint, small_config: StyleGAN1Config) -> None:
    tensors = {name: value for name, value in small.tensors.items() if "noise" not in name}
    quiet = Generator(replace(small, config=replace(small_config, use_noise=False), tensors=tensors), device="cpu")
    assert quiet.noise_shapes == {}
    ws = torch.randn(2, quiet.num_ws, quiet.w_dim)
    assert torch.equal(quiet.synthesize(ws), Generator(small, device="cpu").synthesize(ws, "none"))


@pytest.mark.parametrize("fused_resolution", [None, 8, 16], ids=["never", "always", "from 16 px"])
@pytest.mark.parametrize("img_channels", [1, 4])
def test_any_up_sampling_agrees_with_the_original_formulation(
    small_config: StyleGAN1Config, fused_resolution: int | None, img_channels: int
) -> None:
    config = replace(small_config, fused_resolution=fused_resolution, img_channels=img_channels)
    checkpoint = random_stylegan1(config)
    ws = torch.randn(3, config.num_ws, config.w_dim)
    expected = OriginalStyleGAN1(config, checkpoint.tensors, dtype=torch.float64).synthesize(ws)
    img = Generator(checkpoint, device="cpu").synthesize(ws)
    assert img.shape == (3, img_channels, 16, 16)
    assert_close(img, expected, GOLDEN_IMAGE_LIMIT)


def test_labels_join_z_before_both_are_normalised(small_config: StyleGAN1Config) -> None:
    plain = random_stylegan1(small_config)
    random = np.random.RandomState(1)
    embed = random.randn(16, 3).astype(np.float32)
    first = random.randn(16, 32).astype(np.float32) * 100
    tensors = plain.tensors | {"mapping.embed.weight": embed, "mapping.fc0.weight": first}
    G = Generator(replace(plain, config=replace(small_config, c_dim=3), tensors=tensors), device="cpu")
    z, c = random.randn(2, 16), np.eye(3)[[2, 0]]
    x = np.concatenate([z, c @ embed.T.astype(np.float64)], axis=1)
    x = x / np.sqrt((x**2).mean(axis=1, keepdims=True) + 1e-8)
    for i in range(2):
        weight = tensors[f"mapping.fc{i}.weight"].astype(np.float64)
        x = x @ weight.T * (0.01 * np.sqrt(2 / weight.shape[1])) + 0.01 * tensors[f"mapping.fc{i}.bias"]
        x = np.where(x < 0, 0.2 * x, x)
    ws = G.map(z.astype(np.float32), c.astype(np.float32))
    assert_close(ws, np.repeat(x[:, None], G.num_ws, axis=1), 1e-6)
    with pytest.raises(ValueError, match="This network is conditional"):
        G.map(z.astype(np.float32))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision_stays_within_40_db(dtype: torch.dtype, golden: Any) -> None:
    G, file, _ = golden
    network = build_network(read_checkpoint(DATA / _FILE))
    network.prepare(dtype)
    scale = float(np.abs(file["image"]).max())  # random weights: pictures beyond [-1, 1]
    with torch.no_grad():
        img = network.synthesize(torch.from_numpy(file["ws"]), noise=None, dtype=dtype) / scale
    error = (img - torch.from_numpy(G.synthesize(file["ws"])) / scale).square().mean(dim=(1, 2, 3)).max()
    assert img.dtype == torch.float32
    assert 10 * torch.log10(4 / error) >= 40


def test_a_sample_does_not_depend_on_its_batch(small: Checkpoint) -> None:
    G = Generator(small, device="cpu")
    ws = np.random.RandomState(0).randn(5, G.num_ws, G.w_dim).astype(np.float32)
    together = G.synthesize(ws)
    for i in range(5):
        assert relative_rms(G.synthesize(ws[i : i + 1])[0], together[i]) < 1e-5


def test_preparing_changes_no_picture_and_no_checkpoint(small: Checkpoint) -> None:
    before = {name: value.copy() for name, value in small.tensors.items()}
    network, prepared = build_network(small), build_network(small)
    prepared.prepare(torch.float32)
    ws = torch.randn(2, small.config.num_ws, small.config.w_dim)
    with torch.no_grad():
        expected = network.synthesize(ws, noise=None, dtype=torch.float32)
        assert_close(prepared.synthesize(ws, noise=None, dtype=torch.float32), expected, GOLDEN_IMAGE_LIMIT)
    build_network(small).prepare(torch.bfloat16)
    assert all(np.array_equal(before[name], value) for name, value in small.tensors.items())


def test_every_learned_tensor_gets_a_gradient(small: Checkpoint) -> None:
    network = build_network(small).requires_grad_(True)
    ws = network.map(torch.randn(2, 16), None, torch.ones(2), torch.zeros(2))
    network.synthesize(ws, noise=None, dtype=torch.float32).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


@pytest.mark.parametrize("dtype", OPERATOR_LIMITS, ids=str)
@pytest.mark.parametrize("shape", [(1, 1, 2, 2), (2, 3, 5, 7), (1, 63, 16, 16)], ids=str)
def test_adain_agrees_with_its_definition(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    x = (torch.randn(shape) + 3).to(dtype).to(memory_format=torch.channels_last)
    scale, shift = torch.randn(2, *shape[:2])
    expected = F.group_norm(x.double().contiguous(), shape[1], eps=1e-8)
    expected = expected * scale.double()[:, :, None, None] + shift.double()[:, :, None, None]
    # Subtracting the mean leaves the rounding of what was there, which half precision has plenty of.
    limit = OPERATOR_LIMITS[dtype] * (1 if dtype == torch.float32 else 4)
    given = x.clone(memory_format=torch.preserve_format)
    assert_close(adain(given, scale, shift), expected, limit)
    needs_grad = x.clone(memory_format=torch.preserve_format).requires_grad_()
    assert_close(adain(needs_grad, scale, shift).float(), expected, limit)
    assert torch.equal(needs_grad, x)


def test_adain_is_exact_far_from_zero() -> None:
    x = torch.randn(1, 4, 64, 64).to(memory_format=torch.channels_last) + 100
    one, zero = torch.ones(1, 4), torch.zeros(1, 4)
    expected = F.group_norm(x.double().contiguous(), 4, eps=1e-8)
    assert relative_rms(adain(x.clone(memory_format=torch.preserve_format), one, zero), expected) < 2e-5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"img_resolution": 24}, "needs a power of two"),
        ({"channels": (8, 8)}, "channels has 2 entries; 16 px needs 3"),
        ({"cutoff": -1}, "cutoff is -1"),
        ({"embed_features": 4}, "embeds labels in z_dim numbers"),
    ],
    ids=["resolution", "channels", "cutoff", "embedding"],
)
def test_a_configuration_that_cannot_be_is_refused(
    small_config: StyleGAN1Config, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        replace(small_config, **changes)
