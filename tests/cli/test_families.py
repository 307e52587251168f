"""The verbs on rectangular and conditional plain networks, and what info says of files that it refuses."""

import pickle
from pathlib import Path

import pytest
import torch
from cli_support import Run
from PIL import Image
from torch import nn

from wplus.benchmarks.random_networks import random_checkpoint
from wplus.checkpoints import write_checkpoint
from wplus.config import StyleGAN2Config


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file with a StyleGAN2 of 20 x 12 px."""
    config = StyleGAN2Config(
        z_dim=8,
        w_dim=8,
        img_resolution=20,
        img_channels=3,
        channels=(4, 4, 4),
        const_shape=(3, 5),
        num_mapping_layers=1,
    )
    path = tmp_path_factory.mktemp("wide") / "wide.safetensors"
    write_checkpoint(path, random_checkpoint(config))
    return str(path)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file with a DCGAN of 8 px and 3 classes, embedded."""
    layers = nn.Sequential(nn.ConvTranspose2d(9, 4, 4, 1, 0), nn.ReLU(), nn.ConvTranspose2d(4, 3, 4, 2, 1), nn.Tanh())
    state = {f"main.{name}": value for name, value in layers.state_dict().items()}
    path = tmp_path_factory.mktemp("labelled") / "labelled.pt"
    torch.save(state | {"embed.weight": torch.randn(3, 4)}, path)
    return str(path)


def _size(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


def test_a_rectangle_is_sampled_in_a_grid_and_walked(run: Run, wide: str, out: Path) -> None:
    assert run("sample", f"--network={wide}", "--seeds=0-3", "--grid=2x2", f"--outdir={out}").code == 0
    assert _size(out / "seed0000.png") == (20, 12)
    assert _size(out / "grid.png") == (40, 24)
    assert run("walk", f"--network={wide}", "--seeds=0,1", "--frames=3", f"--output={out / 'walk.gif'}").code == 0
    assert _size(out / "walk.gif") == (20, 12)
    assert run("walk", f"--network={wide}", "--seeds=0,1", "--frames=3", f"--output={out / 'walk.mp4'}").code == 0
    assert "20x12, 3 channels" in run("info", wide).out


def test_a_conditional_plain_network_needs_its_class_everywhere(run: Run, labelled: str, out: Path) -> None:
    sample = ("sample", f"--network={labelled}", "--seeds=0", f"--outdir={out}")
    assert "The class is missing; labelled.pt needs a class from 0 to 2 (--class)" in run(*sample).err
    assert run(*sample, "--class=1").code == 0
    walk = ("walk", f"--network={labelled}", "--seeds=0,1", "--frames=2", f"--output={out / 'frames'}/")
    assert "The class is missing" in run(*walk).err
    assert run(*walk, "--class=1").code == 0
    first, frame = (Image.open(path).tobytes() for path in (out / "seed0000.png", out / "frames" / "frame0000.png"))
    assert first == frame
    assert "is taken to stand behind z" in run("info", labelled).out


def test_info_says_what_it_refuses_and_what_it_would_need(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "xl.pkl"
    path.write_bytes(pickle.dumps({"G": torch.nn.Embedding(3, 4)}, 4))
    outcome = run("info", str(path))
    assert outcome.code == 1
    assert "xl.pkl: The file holds a StyleGAN-XL generator" in outcome.err
    assert "Drawing it would need" in outcome.err
    assert "wplus.wrap(module" in outcome.err
