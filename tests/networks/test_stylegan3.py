"""StyleGAN3 against the original implementation and against its own promises."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from support import DATA, GOLDEN_GRADIENT_LIMIT, assert_close, relative_rms
from torch import Tensor

from wplus.benchmarks.random_stylegan3 import random_stylegan3, stylegan3_config
from wplus.checkpoints import Checkpoint, read_checkpoint
from wplus.config import StyleGAN3Config
from wplus.networks import build_network
from wplus.networks.stylegan3 import StyleGAN3

_IMAGE_LIMIT = 1e-4  # what CONTRACT asks of this family; the originals' own noise is 3e-5 of the largest error
_NETWORKS = ["sg3t_64", "sg3r_64"]
_CASES = ["psi1", "psi0.7", "psi0.7_cut4", "xform_rt", "xform_scale"]


def _network(checkpoint: Checkpoint, dtype: torch.dtype = torch.float32) -> StyleGAN3:
    network = build_network(checkpoint)
    assert isinstance(network, StyleGAN3)
    network.prepare(dtype)
    return network


def _golden(name: str) -> tuple[StyleGAN3, Any, dict[str, Any]]:
    file = np.load(DATA / f"{name}.npz")
    return _network(read_checkpoint(DATA / f"golden_{name}.pkl")), file, json.loads(str(file["meta"]))


def _ws(network: StyleGAN3, file: Any, settings: dict[str, Any]) -> Tensor:
    psi, cutoff = settings["truncation_psi"], settings["truncation_cutoff"]
    cutoff = network.config.num_ws if cutoff is None else cutoff
    return network.map(torch.from_numpy(file["z"]), None, torch.tensor([float(psi)]), torch.tensor([cutoff]))


def _transform(settings: dict[str, Any]) -> Tensor | None:
    return None if settings["transform"] is None else torch.tensor(settings["transform"])[None]


@pytest.mark.parametrize("name", _NETWORKS)
def test_pictures_and_latents_agree_with_nvidias(name: str) -> None:
    network, file, meta = _golden(name)
    assert list(meta["cases"]) == _CASES
    for case, settings in meta["cases"].items():
        prefix = "" if case == meta["primary"] else f"case/{case}/"
        ws = _ws(network, file, settings)
        assert_close(ws[:, ::5], file[f"{prefix}ws"], 1e-5)
        with torch.no_grad():
            img = network.synthesize(ws, transform=_transform(settings), dtype=torch.float32)
        assert_close(img[..., ::2, ::2], file[f"{prefix}image"], _IMAGE_LIMIT)


@pytest.mark.parametrize("name", _NETWORKS)
def test_gradients_to_ws_agree_with_nvidias(name: str) -> None:
    network, file, meta = _golden(name)
    settings = meta["cases"][meta["grad_case"]]
    ws = _ws(network, file, settings).detach().requires_grad_()
    img = network.synthesize(ws, transform=_transform(settings), dtype=torch.float32)
    (img * torch.from_numpy(file["grad/seed"])).sum().backward()
    assert ws.grad is not None
    assert_close(ws.grad, file["grad/ws"], GOLDEN_GRADIENT_LIMIT)


@pytest.fixture(scope="module", params=[False, True], ids=["t", "r"])
def checkpoint(request: pytest.FixtureRequest) -> Checkpoint:
    """A StyleGAN3 of 16 px by the recipe."""
    return random_stylegan3(
        stylegan3_config(16, channel_base=128, channel_max=12, latent_dim=8, is_rotating=request.param)
    )


def _draw(network: StyleGAN3, ws: Tensor, **options: Any) -> Tensor:
    with torch.no_grad():
        return network.synthesize(ws, dtype=options.pop("dtype", torch.float32), **options)


def test_a_sample_does_not_depend_on_its_batch(checkpoint: Checkpoint) -> None:
    network = _network(checkpoint)
    ws = torch.randn(4, network.config.num_ws, 8) * torch.tensor([1, 100, 0.01, 3])[:, None, None]
    together = _draw(network, ws)
    for i in range(4):
        assert relative_rms(_draw(network, ws[i : i + 1])[0], together[i]) < 1e-5


def test_every_sample_has_its_own_transform(checkpoint: Checkpoint) -> None:
    network = _network(checkpoint)
    ws = torch.randn(1, network.config.num_ws, 8).expand(3, -1, -1)
    shifts = torch.eye(3).repeat(3, 1, 1)
    shifts[1, 0, 2], shifts[2, 1, 2] = 0.3, -0.2
    img = _draw(network, ws, transform=shifts)
    assert not torch.allclose(img[0], img[1])
    assert not torch.allclose(img[1], img[2])
    assert_close(img[:1], _draw(network, ws[:1]), 1e-5)
    assert_close(img[1:2], _draw(network, ws[:1], transform=shifts[1]), 1e-5)


def _with(checkpoint: Checkpoint, **tensors: Any) -> Checkpoint:
    """The checkpoint with other tensors in synthesis.input."""
    changed = {f"synthesis.input.{name.replace('__', '.')}": np.float32(value) for name, value in tensors.items()}
    return replace(checkpoint, tensors=checkpoint.tensors | changed)


def test_the_stored_transform_stands_where_none_is_given(checkpoint: Checkpoint) -> None:
    ws = torch.randn(1, 16, 8)
    moved = [[0.8, -0.6, 0.1], [0.6, 0.8, 0.2], [0, 0, 1]]
    expected = _draw(_network(checkpoint), ws, transform=torch.tensor(moved))
    network = _network(_with(checkpoint, transform=moved))
    assert torch.equal(_draw(network, ws), expected)
    assert not torch.allclose(_draw(network, ws, transform=torch.eye(3)), expected)


def test_a_shift_moves_the_picture(checkpoint: Checkpoint) -> None:
    still = _with(checkpoint, affine__weight=np.zeros((4, 8)), affine__bias=[1, 0, 0, 0])  # no turn of its own
    network, ws = _network(still), torch.randn(1, 16, 8)
    shift = torch.eye(3)
    shift[0, 2] = 4 / 16  # inverted already: the picture goes to the left
    img, shifted = _draw(network, ws), _draw(network, ws, transform=shift)[..., :-4]
    assert (shifted - img[..., 4:]).square().mean() < (shifted - img[..., :-4]).square().mean() / 4


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision_draws_nearly_the_same(dtype: torch.dtype, checkpoint: Checkpoint) -> None:
    ws = torch.randn(2, 16, 8)
    expected, img = _draw(_network(checkpoint), ws), _draw(_network(checkpoint, dtype), ws, dtype=dtype)
    assert img.dtype == torch.float32
    error = (img.clamp(-1, 1) - expected.clamp(-1, 1)).square().mean(dim=(1, 2, 3)).max()
    assert 10 * torch.log10(4 / error) >= 40


def test_preparing_leaves_the_checkpoint_as_it_is(checkpoint: Checkpoint) -> None:
    before = {name: value.copy() for name, value in checkpoint.tensors.items()}
    _draw(_network(checkpoint), torch.randn(1, 16, 8))
    assert all(np.array_equal(before[name], value) for name, value in checkpoint.tensors.items())


def test_unprepared_weights_draw_the_same(checkpoint: Checkpoint) -> None:
    network, ws = build_network(checkpoint), torch.randn(1, 16, 8)
    assert isinstance(network, StyleGAN3)
    assert_close(_draw(network, ws), _draw(_network(checkpoint), ws), 1e-5)


def test_a_conditional_network_takes_labels() -> None:
    config = StyleGAN3Config(
        z_dim=8, w_dim=8, c_dim=3, img_resolution=16, img_channels=1, channels=(4,) * 14, num_mapping_layers=2
    )
    network = StyleGAN3(config)
    for parameter in network.mapping.parameters():
        torch.nn.init.normal_(parameter)
    network.mapping.w_avg.zero_()
    z, c = torch.randn(2, 8), torch.eye(3)[:2]
    ws = network.map(z[:1].expand(2, -1), c, torch.ones(2), torch.full((2,), 16))
    assert ws.shape == (2, 16, 8)
    assert not torch.allclose(ws[0], ws[1])
