"""Fixtures: a network small enough to benchmark in a blink, and rows to judge."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from wplus.benchmarks.random_networks import random_checkpoint, stylegan2_config
from wplus.benchmarks.rows import Row
from wplus.checkpoints import Checkpoint, write_checkpoint


@pytest.fixture(autouse=True, scope="package")
def _short() -> Iterator[None]:
    """Timings that take no time: nobody looks at them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wplus.benchmarks.cases._QUICK_SECONDS", 0.01)
        patch.setattr("wplus.benchmarks.ceilings._PRODUCT", (64, 64, 256))
        patch.setattr("wplus.benchmarks.ceilings._SIDE", 16)
        patch.setattr("wplus.benchmarks.ceilings._CHANNELS", 16)
        yield


@pytest.fixture(scope="session")
def checkpoint() -> Checkpoint:
    """A StyleGAN2 of 16 px with 8 channels, by the fixed recipe."""
    config = stylegan2_config(16, channel_base=128, channel_max=8, latent_dim=16, num_mapping_layers=2)
    return random_checkpoint(config)


@pytest.fixture(scope="session")
def network(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> str:
    """That network as a file."""
    path: Path = tmp_path_factory.mktemp("network") / "tiny.safetensors"
    write_checkpoint(path, checkpoint)
    return str(path)


@pytest.fixture
def make_row() -> Callable[..., Row]:
    """Makes rows that differ in the given columns from one measurement of speed."""
    row = Row(
        case="tiny",
        implementation="wplus torch",
        dtype="float32",
        batch=1,
        resolution=16,
        threads=2,
        metric="rate",
        unit="images/s",
        p20=9.5,
        median=10,
        p80=10.25,
        ratio=1.5,
        spread=0.02,
        psnr_db=120.0,
        machine="a machine",
        cpu_flags="avx2",
        versions="torch=2",
        commit="",
        date="2026-01-01T00:00:00Z",
    )
    return lambda **changes: replace(row, **changes)
