"""DCGAN against PyTorch's own layers, on random and on real weights."""

from pathlib import Path

import numpy as np
import pytest
import torch
from support import GOLDEN_IMAGE_LIMIT, assert_close
from torch import nn

import wplus
from wplus.checkpoints import read_checkpoint
from wplus.config import DCGANConfig
from wplus.errors import UnsupportedError
from wplus.generator import Generator
from wplus.render import RenderConfig, render_latents
from wplus.walk import WalkConfig, frames


def _twin(config: DCGANConfig, tensors: dict[str, np.ndarray]) -> nn.Sequential:
    """The same network out of torch's modules."""
    layers: list[nn.Module] = []
    widths = (config.z_dim, *config.channels, config.img_channels)
    for i, kernel in enumerate(config.kernels):
        conv = nn.ConvTranspose2d(
            widths[i], widths[i + 1], kernel, config.strides[i], config.paddings[i], bias=config.biases[i]
        )
        conv.load_state_dict(_part(tensors, f"conv{i}."))
        layers.append(conv)
        if config.norms[i]:
            norm = nn.BatchNorm2d(widths[i + 1], eps=config.eps)
            norm.load_state_dict(_part(tensors, f"norm{i}."), strict=False)
            layers.append(norm)
        layers.append(nn.ReLU() if i < len(config.kernels) - 1 else nn.Tanh())
    return nn.Sequential(*layers).eval()


def _part(tensors: dict[str, np.ndarray], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): torch.from_numpy(t) for name, t in tensors.items() if name.startswith(prefix)}


@pytest.fixture
def faces(dcgan_file: Path) -> Generator:
    return wplus.load(dcgan_file, device="cpu")


def test_real_faces_agree_with_torchs_layers(faces: Generator, dcgan_file: Path) -> None:
    checkpoint = read_checkpoint(dcgan_file)
    assert isinstance(checkpoint.config, DCGANConfig)
    z = torch.randn(3, faces.z_dim)
    with torch.no_grad():
        expected = _twin(checkpoint.config, checkpoint.tensors)(z[:, :, None, None])
    assert_close(faces.synthesize(z), expected, GOLDEN_IMAGE_LIMIT)


def test_real_faces_are_pictures_in_range(faces: Generator) -> None:
    pictures = faces.images(wplus.latents.seeds_to_z(range(8), faces.z_shape))
    assert pictures.shape == (8, 64, 64, 3)
    assert 60 < pictures.mean() < 200
    assert np.std(pictures.astype(float), axis=0).mean() > 10  # different seeds, different faces


def test_what_a_dcgan_lacks_is_refused_by_name(faces: Generator) -> None:
    z = np.zeros((1, faces.z_dim), np.float32)
    with pytest.raises(UnsupportedError, match="map needs a W space, which the family plain"):
        faces.map(z)
    with pytest.raises(UnsupportedError, match="num_ws needs a W space"):
        _ = faces.num_ws
    with pytest.raises(UnsupportedError, match="Truncation needs a W space"):
        next(faces.sample([0], truncation_psi=0.7))


def test_gradients_reach_z(faces: Generator) -> None:
    z = torch.randn(1, faces.z_dim, requires_grad=True)
    faces.synthesize(z).square().mean().backward()
    assert z.grad is not None
    assert z.grad.abs().sum() > 0


def test_samples_carry_z(faces: Generator) -> None:
    batch = next(faces.sample([3, 4]))
    assert batch.latents.space == "z"
    assert batch.latents.generator == faces.fingerprint
    assert np.array_equal(batch.latents.values, wplus.latents.seeds_to_z([3, 4], faces.z_shape))


# Conditional ones


def _conditional(tmp_path: Path, *, embedded: bool) -> tuple[Generator, nn.Sequential, torch.Tensor]:
    """A generator of 16 px and 3 classes, the same out of torch's modules, and what each class puts behind z."""
    behind = torch.randn(3, 4) if embedded else torch.eye(3)
    width = 6 + behind.shape[1]
    layers = nn.Sequential(
        nn.ConvTranspose2d(width, 8, 4, 1, 0, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.ConvTranspose2d(8, 6, 4, 2, 1, bias=False),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.ConvTranspose2d(6, 3, 4, 2, 1, bias=False),
        nn.Tanh(),
    )
    state = {f"main.{name}": value for name, value in layers.state_dict().items()}
    extra = {} if embedded else {"n_classes": 3}
    torch.save({"netG": state | ({"embed.weight": behind} if embedded else {}), **extra}, tmp_path / "c.pth")
    return wplus.load(tmp_path / "c.pth", device="cpu", batch=2), layers.eval(), behind


@pytest.mark.parametrize("embedded", [True, False], ids=["embedded", "one-hot"])
def test_the_label_acts_behind_z(tmp_path: Path, embedded: bool) -> None:
    G, layers, behind = _conditional(tmp_path, embedded=embedded)
    assert (G.z_dim, G.c_dim) == (6, 3)
    z, classes = torch.randn(4, 6), torch.tensor([0, 1, 2, 2])
    with torch.no_grad():
        expected = layers(torch.cat([z, behind[classes]], dim=1)[:, :, None, None])
    assert_close(G.synthesize(z, c=torch.eye(3)[classes]), expected, GOLDEN_IMAGE_LIMIT)


def test_a_label_is_needed_and_reaches_samples_walks_and_latents(tmp_path: Path) -> None:
    G, _, _ = _conditional(tmp_path, embedded=True)
    with pytest.raises(ValueError, match="This network is conditional: pass c"):
        next(G.sample([0]))
    with pytest.raises(ValueError, match=r"c is \[2, 2\]; 1 samples need \[1, 3\]"):
        G.synthesize(np.zeros((1, 6), np.float32), c=np.eye(2, dtype=np.float32))
    one = np.eye(3, dtype=np.float32)[1]
    sampled = [batch.images for batch in G.sample(range(3), c=one)]
    walked = list(frames(G, [0, 1], WalkConfig(w_frames=1, class_index=1)))
    assert np.array_equal(walked, sampled[0])
    z = wplus.latents.seeds_to_z([2], 6)
    latents = wplus.Latents(values=z, space="z", generator=G.fingerprint)
    render_latents(G, latents, RenderConfig(outdir=tmp_path, class_index=1, image_format="npy"))
    assert np.array_equal(np.load(tmp_path / "proj00.npy"), sampled[1][0])


def test_a_label_after_the_mapping_is_refused(conditional: Generator) -> None:
    label = np.eye(3, dtype=np.float32)[:1]
    z = wplus.latents.seeds_to_z([0], conditional.z_shape)
    ws = conditional.map(z, label)
    with pytest.raises(ValueError, match="these latents are w already"):
        conditional.synthesize(ws, c=label)
    latents = wplus.Latents(values=z, space="z", generator=conditional.fingerprint)
    assert np.array_equal(conditional.synthesize(latents, c=label), conditional.synthesize(ws))
