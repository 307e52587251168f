"""The fingerprint depends on what a network draws with, and on nothing else."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from wplus.checkpoints import fingerprint, read_checkpoint
from wplus.config import DCGANConfig


def test_the_bytes_are_those_that_the_module_describes() -> None:
    config = DCGANConfig(
        z_dim=2, img_resolution=4, img_channels=1, channels=(), strides=(1,), paddings=(0,), kernels=(4,),
        norms=(False,), biases=(False,),
    )  # fmt: skip
    weight = np.arange(32, dtype=np.float32).reshape(2, 1, 4, 4)
    text = b"family=plain\nz_dim=2\nc_dim=0\nimg_resolution=4\nimg_channels=1\nconv0.weight 2x1x4x4\n"
    expected = hashlib.sha256(text + weight.astype("<f4").tobytes()).hexdigest()[:16]
    assert fingerprint(config, {"conv0.weight": weight}) == f"wplus1:{expected}"


def test_filters_and_clamp_do_not_count_and_weights_do(data: Path) -> None:
    checkpoint = read_checkpoint(data / "golden_sg2_cond_32.pkl")
    tensors = dict(checkpoint.tensors)
    first = fingerprint(checkpoint.config, tensors)
    unfiltered = {name: value for name, value in tensors.items() if not name.endswith(".resample_filter")}
    assert fingerprint(replace(checkpoint.config, conv_clamp=None), unfiltered) == first
    for name in ("mapping.w_avg", "synthesis.b8.conv0.noise_const", "synthesis.b8.conv0.noise_strength"):
        changed = {**tensors, name: np.nextafter(tensors[name], np.float32(9))}
        assert fingerprint(checkpoint.config, changed) != first


def test_memory_layout_does_not_count(data: Path) -> None:
    checkpoint = read_checkpoint(data / "golden_sg2_orig_32.pkl")
    fortran = {name: np.array(value, order="F") for name, value in checkpoint.tensors.items()}
    assert fingerprint(checkpoint.config, fortran) == fingerprint(checkpoint.config, checkpoint.tensors)


def test_the_fingerprint_of_a_known_file_never_changes(data: Path) -> None:
    """Pinned: a change of the layout would orphan every latent that was ever saved."""
    checkpoint = read_checkpoint(data / "golden_sg2_skip_64.pkl")
    assert fingerprint(checkpoint.config, checkpoint.tensors) == "wplus1:38682e4800b29f5f"
