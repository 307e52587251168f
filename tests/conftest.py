"""What all tests share: poisoned memory, data, and small generators."""

import os
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

if (_WORKER := os.environ.get("PYTEST_XDIST_WORKER")) and hasattr(os, "sched_setaffinity"):
    # A CPU for each process of `pytest -n`: teams of threads that share CPUs wait for each other most of the time.
    _cpus = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {_cpus[int(_WORKER.removeprefix("gw")) % len(_cpus)]})

import torch  # it counts the CPUs when it is imported

import wplus
from wplus.benchmarks.random_networks import random_checkpoint
from wplus.checkpoints import Checkpoint
from wplus.config import StyleGAN2Config
from wplus.generator import Generator

_WHEELS = Path(os.environ.get("WPLUS_TEST_WHEELS", Path(__file__).parents[1] / ".cache" / "wheels"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """How long the show of the soak test runs."""
    parser.addoption("--soak-minutes", type=float, default=20.0, help="of the tests marked soak")


@pytest.fixture(autouse=True, scope="session")
def _poisoned_memory() -> Iterator[None]:
    """torch.empty gives NaN, so that reading what nobody wrote shows."""
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = True
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture(autouse=True, scope="session")
def _shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache of the tests' own: the user's is neither read nor filled."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder, not there yet, in which the cache of this test alone is made."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def tiny_config() -> StyleGAN2Config:
    """16 px, 8 channels."""
    return StyleGAN2Config(
        z_dim=16, c_dim=0, w_dim=16, img_resolution=16, img_channels=3, channels=(8, 8, 8), num_mapping_layers=2
    )


@pytest.fixture(scope="session")
def tiny_checkpoint(tiny_config: StyleGAN2Config) -> Checkpoint:
    """Random weights; noise strengths, biases and w_avg are not zero."""
    return random_checkpoint(tiny_config)


@pytest.fixture
def tiny(tiny_checkpoint: Checkpoint) -> Iterator[Generator]:
    """A generator of 16 px."""
    with Generator(tiny_checkpoint, device="cpu", batch=4) as generator:
        yield generator


@pytest.fixture(scope="session")
def conditional_checkpoint(tiny_config: StyleGAN2Config) -> Checkpoint:
    """A network of 16 px and 3 classes."""
    config = replace(tiny_config, c_dim=3)
    checkpoint = random_checkpoint(replace(config, c_dim=0))
    random = np.random.RandomState(1)
    label_layers = {
        "mapping.embed.weight": random.randn(config.w_dim, 3),
        "mapping.embed.bias": random.randn(config.w_dim),
        "mapping.fc0.weight": random.randn(config.w_dim, config.z_dim + config.w_dim) * 100,
    }
    tensors = checkpoint.tensors | {name: value.astype(np.float32) for name, value in label_layers.items()}
    return replace(checkpoint, config=config, tensors=tensors)


@pytest.fixture
def conditional(conditional_checkpoint: Checkpoint) -> Iterator[Generator]:
    """A generator of 16 px and 3 classes."""
    with Generator(conditional_checkpoint, device="cpu", batch=2) as generator:
        yield generator


@pytest.fixture(scope="session")
def demo() -> Iterator[Generator]:
    """demo:portraits."""
    with wplus.load("demo:portraits", device="cpu") as generator:
        yield generator


@pytest.fixture(scope="session")
def dcgan_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The face weights in the wheel of gan-face-generate 1.1.1 (MIT), which `make test` downloads."""
    wheels = sorted(_WHEELS.glob("gan_face_generate-1.1.1-*.whl"))
    if not wheels:
        pytest.skip(f"gan-face-generate's wheel is not in {_WHEELS}: `make test` could not download it")
    with zipfile.ZipFile(wheels[0]) as wheel:
        return Path(wheel.extract("gan_face_generate/weights.tar", tmp_path_factory.mktemp("dcgan")))
