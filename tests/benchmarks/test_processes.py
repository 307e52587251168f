"""Measurements in processes of their own."""

import pytest
import torch

from wplus.benchmarks.contestants import BASELINE
from wplus.benchmarks.processes import LoadTask, SamplingTask, SynthesisTask, first_picture_seconds, peak_mib
from wplus.errors import WplusError


@pytest.mark.slow
def test_peaks_are_of_processes_of_their_own(network: str) -> None:
    big = torch.ones(300 * 2**20 // 4)  # what this process holds must not show
    drawing = peak_mib(SynthesisTask(network=network, entry=BASELINE, batch=1, threads=1))
    sampling = peak_mib(SamplingTask(network=network, count=3, threads=1))
    assert 50 < drawing < 600
    assert 50 < sampling < 600
    assert big.sum() > 0


@pytest.mark.slow
def test_the_first_picture_comes_before_the_end(network: str) -> None:
    task = LoadTask(source=network, backend="torch", precision="exact", batch=1, threads=1, method="images")
    assert 0.1 < first_picture_seconds(task) < 60


@pytest.mark.slow
def test_a_failing_process_is_told_with_its_last_words() -> None:
    with pytest.raises(WplusError, match=r"that was to be measured failed: .*missing.pkl"):
        peak_mib(SamplingTask(network="missing.pkl", count=1, threads=1))
