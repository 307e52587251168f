"""CUDA graphs for the torch backend: which recording serves which call; and, on a GPU, that it draws the same."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import wplus
from wplus.backends import cuda_graph
from wplus.backends.cuda_graph import CudaGraphs


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the batches that were recorded, by recordings that need no GPU."""
    sizes: list[int] = []

    class OnCpu(cuda_graph.Recording):
        def __init__(self, function: Any, inputs: Any) -> None:
            self._function, self._inputs = function, {name: tensor.clone() for name, tensor in inputs.items()}
            self._result = function(self._inputs)
            sizes.append(self.size)

        def replay(self, inputs: Any) -> Tensor:
            self._fill(inputs)
            self._result.copy_(self._function(self._inputs))
            return self._result

    monkeypatch.setattr(cuda_graph, "Recording", OnCpu)
    return sizes


def _weighted(inputs: Any) -> Tensor:
    y: Tensor = inputs["x"] * inputs["scale"]
    return y


def _inputs(count: int) -> dict[str, Tensor]:
    return {"x": torch.randn(count, 3), "scale": torch.rand(1, 3)}


def test_a_size_is_recorded_once_and_replayed_with_new_inputs(recorded: list[int]) -> None:
    graphs = CudaGraphs(_weighted)
    for _ in range(3):
        inputs = _inputs(4)
        assert torch.equal(graphs(inputs), _weighted(inputs))
    assert recorded == [4]


def test_results_are_the_callers_own(recorded: list[int]) -> None:  # noqa: ARG001
    graphs = CudaGraphs(_weighted)
    first = _inputs(2)
    kept = graphs(first)
    graphs(_inputs(2))
    assert torch.equal(kept, _weighted(first))


def test_beyond_four_sizes_a_batch_is_padded_or_runs_by_itself(recorded: list[int]) -> None:
    graphs = CudaGraphs(_weighted)
    for count in (8, 2, 5, 3, 4, 1, 9):
        inputs = _inputs(count)
        assert torch.equal(graphs(inputs), _weighted(inputs))
    assert recorded == [8, 2, 5, 3]


def test_other_inputs_are_another_recording(recorded: list[int]) -> None:
    graphs = CudaGraphs(lambda inputs: sum(inputs.values()))  # type: ignore[arg-type, return-value]
    graphs({"x": torch.ones(2, 3)})
    graphs({"x": torch.ones(2, 3), "noise": torch.ones(1, 3)})
    graphs({"x": torch.ones(2, 4)})
    assert recorded == [2, 2, 2]
    graphs.close()
    graphs({"x": torch.ones(2, 3)})
    assert recorded == [2, 2, 2, 2]


@pytest.mark.gpu
def test_a_gpu_draws_what_the_cpu_draws() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no GPU that PyTorch can use is here")
    with (
        wplus.load("demo:portraits", device="cpu", backend="torch") as expected,
        wplus.load("demo:portraits", device="cuda", backend="torch") as exact,
        wplus.load("demo:portraits", device="cuda", backend="torch", precision="fast") as fast,
    ):
        ws = np.asarray(expected.map(wplus.latents.seeds_to_z([1, 2, 3], expected.config.z_dim)))
        reference = torch.as_tensor(expected.synthesize(ws))
        for _ in range(2):  # recorded, then replayed
            assert (torch.as_tensor(exact.synthesize(ws)).cpu() - reference).abs().max() <= 2e-3
        assert (torch.as_tensor(exact.synthesize(ws[:2])).cpu() - reference[:2]).abs().max() <= 2e-3
        difference = torch.as_tensor(fast.synthesize(ws)).cpu().clamp(-1, 1) - reference.clamp(-1, 1)
        assert 10 * torch.log10(4 / difference.square().mean()) >= 40
