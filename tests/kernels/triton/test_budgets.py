"""Kernels compiled for chips that are not here: registers, spills, shared memory, tensor cores."""

from collections.abc import Callable

import pytest
import torch
from triton_tools.budgets import Budget, as_on_a_gpu, budget, measured, objections, read, sources_digest
from triton_tools.chips import ARCHITECTURES
from triton_tools.launches import launch_paths
from triton_tools.recording import recording_driver

from wplus.kernels import filtered_lrelu, modulated_conv2d, to_uint8, torgb

pytestmark = pytest.mark.aot

_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
_CASES = [(arch, name) for arch in (80, 90) for name in _DTYPES]
_CASES += [(arch, "float16") for arch in ARCHITECTURES if arch not in (80, 90)]
_SLACK = 1.1  # another patch release of Triton may take some registers more


def _layer(dtype: torch.dtype) -> None:
    """An up-sampling layer with its gradients: five of the kernels."""
    x = torch.zeros(2, 64, 32, 32, dtype=dtype, requires_grad=True)
    y = modulated_conv2d(
        x,
        torch.zeros(64, 64, 3, 3),
        torch.ones(2, 64, requires_grad=True),
        up=2,
        resample_filter=torch.ones(4, 4),
        noise=torch.zeros(2, 1, 64, 64, requires_grad=True),
        bias=torch.zeros(64),
        act="lrelu",
        clamp=256.0,
    )
    y.sum().backward()
    with torch.no_grad():
        torgb(x, torch.zeros(3, 64, 1, 1), torch.ones(2, 64), torch.zeros(3), clamp=256.0)
        to_uint8(x)


def _activation(dtype: torch.dtype) -> None:
    x = torch.zeros(2, 64, 36, 36, dtype=dtype, requires_grad=True)
    filtered_lrelu(x, torch.ones(12), torch.ones(12), up=2, down=2, padding=(9, 9, 9, 9), clamp=256.0).sum().backward()


@pytest.fixture(params=_CASES, ids=str)
def compiled(request: pytest.FixtureRequest) -> list[Budget]:
    """One configuration of every kernel, for a chip and a type."""
    arch, dtype = request.param
    works: list[Callable[[], None]] = [lambda: _layer(_DTYPES[dtype]), lambda: _activation(_DTYPES[dtype])]
    with as_on_a_gpu(), recording_driver(arch) as recording:
        for work in [*works, *([launch_paths] if dtype == "float32" else [])]:
            work()
    return [budget(launch) for launch in recording.launches]


def test_no_kernel_spills_and_half_precision_uses_tensor_cores(compiled: list[Budget]) -> None:
    assert {one.kernel for one in compiled} >= {
        "_convolution_kernel",
        "_upfirdn2d_kernel",
        "_epilogue_grad_kernel",
        "_scale_grad_kernel",
        "_torgb_kernel",
        "_to_uint8_kernel",
        "_filtered_lrelu_fwd_kernel",
        "_filtered_lrelu_bwd_kernel",
    }
    assert not [reason for one in compiled for reason in objections(one)]
    for one in compiled:
        if one.kernel == "_convolution_kernel":
            assert one.async_copies_16 > 0


def test_the_table_of_budgets_is_of_these_kernels() -> None:
    stamp, rows = read()
    assert stamp == sources_digest(), "kernels/gpu changed: python -m triton_tools.budgets in tests/ makes a new table"
    assert not [reason for row in rows for reason in objections(row)]
    assert {row.arch for row in rows} == set(ARCHITECTURES)


@pytest.mark.aot_full
def test_every_configuration_keeps_to_its_budget() -> None:
    """Compiles for the better part of an hour where Triton's cache is empty."""
    _, rows = read()
    budgets = {(row.kernel, row.configuration, row.arch): row for row in rows}
    for found in measured():
        row = budgets[found.kernel, found.configuration, found.arch]
        assert (found.spills, found.tensor_core) == (row.spills, row.tensor_core)
        assert found.registers <= row.registers * _SLACK
        assert found.shared <= row.shared * _SLACK
