"""Which cases run."""

import pytest

from wplus.benchmarks.cases import CASES, choose_cases, read_network
from wplus.checkpoints import Checkpoint, Provenance
from wplus.config import DCGANConfig
from wplus.errors import UnsupportedError


def test_all_cases_run_unless_some_are_named() -> None:
    assert [case.name for case in choose_cases(None, (), (), quick=False)] == list(CASES)
    assert [case.name for case in choose_cases(None, ("stylegan2-256",), (), quick=False)] == ["stylegan2-256"]
    assert [case.name for case in choose_cases("stylegan2-256", (), (), quick=False)] == ["stylegan2-256"]


def test_a_network_of_the_users_is_a_case_by_its_file_name() -> None:
    (case,) = choose_cases("folder/mine.pkl", (), (3,), quick=False)
    assert (case.name, case.network, case.batches) == ("mine.pkl", "folder/mine.pkl", (3,))
    (case,) = choose_cases("https://host/mine.pkl?token=1", (), (), quick=True)
    assert case.name == "mine.pkl"


def test_quick_leaves_the_large_network_out() -> None:
    assert all("1024" not in case.name for case in choose_cases(None, (), (), quick=True))


def test_unknown_cases_and_batches_are_refused() -> None:
    with pytest.raises(ValueError, match="known: demo:portraits"):
        choose_cases(None, ("stylegan9",), (), quick=False)
    with pytest.raises(ValueError, match="each must be 1 or more"):
        choose_cases(None, (), (1, 0), quick=False)


def test_a_plain_network_is_refused_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    config = DCGANConfig(
        z_dim=4,
        img_resolution=4,
        img_channels=3,
        channels=(),
        strides=(1,),
        paddings=(0,),
        kernels=(4,),
        norms=(False,),
        biases=(False,),
    )
    provenance = Provenance(source="faces.tar", sha256="", format="torch file")
    plain = Checkpoint(config=config, tensors={}, provenance=provenance, why="")
    monkeypatch.setattr("wplus.benchmarks.cases.read_checkpoint", lambda _: plain)
    with pytest.raises(UnsupportedError, match=r"faces.tar is of the family plain.*needs one of stylegan1, stylegan2"):
        read_network("faces.tar")
