"""The command line in this process, and files for it to work on."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from cli_support import Outcome, Run, without_hint
from torch import nn

from wplus.checkpoints import Checkpoint, write_checkpoint
from wplus.cli import main


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Iterator[Run]:
    """Runs `wplus` with the arguments."""

    def command(*arguments: str) -> Outcome:
        capsys.readouterr()
        caplog.clear()
        with pytest.raises(SystemExit) as end:
            main(arguments)
        printed = capsys.readouterr()
        assert isinstance(end.value.code, int)
        assert "Traceback" not in printed.err
        return Outcome(end.value.code, printed.out, without_hint(printed.err + caplog.text))

    yield command
    logging.getLogger("wplus").setLevel(logging.NOTSET)


@pytest.fixture(scope="session")
def network(tiny_checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file with a StyleGAN2 of 16 px, unconditional, 6 layers."""
    path = tmp_path_factory.mktemp("network") / "tiny.safetensors"
    write_checkpoint(path, tiny_checkpoint)
    return str(path)


@pytest.fixture(scope="session")
def plain_network(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file with a DCGAN of 8 px."""
    layers = nn.Sequential(nn.ConvTranspose2d(5, 4, 4, 1, 0), nn.ReLU(), nn.ConvTranspose2d(4, 3, 4, 2, 1), nn.Tanh())
    path = tmp_path_factory.mktemp("network") / "plain.pt"
    torch.save({f"main.{name}": value for name, value in layers.state_dict().items()}, path)
    return str(path)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A folder that does not exist yet."""
    return tmp_path / "out"
