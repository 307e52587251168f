"""Plain products."""

import pytest
import torch

from wplus.benchmarks import ceilings
from wplus.benchmarks.ceilings import plain_products

IN_TORCH = {"torch.mm", "1x1 convolution", "3x3 convolution"}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_they_are_rates_by_what_computes_them(dtype: torch.dtype) -> None:
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    rates = plain_products(dtype, repeats=1)
    assert set(rates) == IN_TORCH | {"openvino MatMul"}
    assert min(rates.values()) > 0


def test_without_openvino_those_of_torch_are_the_ceiling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ceilings.util, "find_spec", lambda _: None)
    assert set(plain_products(torch.float32, repeats=1)) == IN_TORCH
