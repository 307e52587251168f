"""Contestants: what each one is called, and that none is a weaker one than its name says."""

from typing import Any, cast

import pytest
import torch

from wplus.benchmarks.contestants import Entry, build, entries
from wplus.benchmarks.random_networks import random_checkpoint, stylegan2_config
from wplus.benchmarks.random_stylegan1 import random_stylegan1, stylegan1_config
from wplus.benchmarks.random_stylegan3 import random_stylegan3, stylegan3_config
from wplus.checkpoints import Checkpoint
from wplus.errors import UnsupportedError
from wplus.networks import build_network

TINY = {"latent_dim": 16, "num_mapping_layers": 2}
NETWORKS = {
    "stylegan1": lambda: random_stylegan1(stylegan1_config(16, fmap_base=64, fmap_max=8, **TINY)),
    "stylegan2": lambda: random_checkpoint(stylegan2_config(16, channel_base=128, channel_max=8, **TINY)),
    "stylegan3": lambda: random_stylegan3(stylegan3_config(16, channel_base=128, channel_max=20, latent_dim=8)),
}


def test_every_precision_comes_with_its_baseline() -> None:
    chosen = entries(("torch", "openvino"), ("exact", "fast"), compiled=True)
    assert [(entry.implementation, entry.precision) for entry in chosen] == [
        ("nvidia-formulation eager", "exact"),
        ("nvidia-formulation eager", "fast"),
        ("wplus torch", "exact"),
        ("wplus torch", "fast"),
        ("wplus openvino", "exact"),
        ("wplus openvino", "fast"),
        ("wplus torch.compile", "exact"),
        ("wplus torch.compile", "fast"),
    ]
    assert [entry.precision for entry in entries(("torch",), ("fast",), compiled=False)] == ["exact", "fast", "fast"]


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # PyTorch's tracer does so itself
@pytest.mark.parametrize("family", NETWORKS)
def test_torch_compile_gets_the_whole_network_as_one_graph(family: str) -> None:
    checkpoint = NETWORKS[family]()
    network = cast(Any, build_network(checkpoint))
    network.prepare(torch.float32)
    ws = torch.randn(2, checkpoint.config.num_ws, checkpoint.config.w_dim)
    traced = torch.compile(network.synthesis, fullgraph=True, dynamic=False, backend="eager")
    with torch.inference_mode():
        assert torch.allclose(traced(ws, dtype=torch.float32), network.synthesis(ws, dtype=torch.float32), atol=1e-5)
    torch.compiler.reset()


def test_what_torch_compile_cannot_do_is_told(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("\nC++ compile error\nmore")

    monkeypatch.setattr("torch.compile", lambda *_, **__: fail)
    with pytest.raises(UnsupportedError, match=r"torch.compile fails: RuntimeError: C\+\+ compile error$"):
        build(Entry(kind="compiled"), checkpoint, threads=1).synthesize(torch.zeros(1, 6, 16))
