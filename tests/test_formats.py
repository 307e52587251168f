"""One file of each format version that we ever wrote is kept here for ever, and still read."""

import numpy as np
from support import DATA

import wplus
from wplus.latents import Latents, seeds_to_z

_FINGERPRINT = "wplus1:ad19cfde1a6087ec"


def test_networks_of_format_1_are_read() -> None:
    G = wplus.load(DATA / "format1.safetensors", device="cpu")
    assert G.fingerprint == _FINGERPRINT
    assert (G.family, G.z_dim, G.num_ws, G.img_shape, G.img_channels) == ("stylegan2", 8, 4, (8, 8), 3)


def test_latents_of_format_1_are_read_and_belong_to_their_network() -> None:
    latents = Latents.load(DATA / "format1.npz")
    assert (latents.space, latents.generator, latents.truncation_psi) == ("w+", _FINGERPRINT, 0.7)
    assert list(latents.noise) == ["b8.conv1.noise_const"]
    G = wplus.load(DATA / "format1.safetensors", device="cpu")
    np.testing.assert_allclose(latents.values, G.map(seeds_to_z([0, 1], 8), truncation_psi=0.7), rtol=1e-5, atol=1e-6)
    assert G.images(latents).shape == (2, 8, 8, 3)


def test_latents_of_format_2_bring_their_transform() -> None:
    latents = Latents.load(DATA / "format2.npz")
    assert (latents.space, latents.generator, latents.values.shape) == ("w+", _FINGERPRINT, (2, 3, 4))
    np.testing.assert_array_equal(latents.transform, [np.eye(3), np.diag([-1, -1, 1])])
