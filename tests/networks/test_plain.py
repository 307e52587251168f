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
