"""Host functions that launch kernels, on CPU tensors."""

import pytest
import torch
import triton
import triton.language as tl
from torch import Tensor
from triton.runtime.driver import driver
from triton.runtime.errors import OutOfResources
from triton.tools.tensor_descriptor import TensorDescriptor
from triton_tools.compiled import resources
from triton_tools.recording import DescriptorArgument, TensorArgument, recording_driver

pytestmark = pytest.mark.aot


@triton.heuristics({"IS_EVEN": lambda args: args["length"] % args["BLOCK"] == 0})
@triton.jit
def _scale_kernel(x_ptr, out_ptr, scale, length, step, bias_ptr, BLOCK: tl.constexpr, IS_EVEN: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK * step + tl.arange(0, BLOCK)
    mask = None if IS_EVEN else offsets < length
    x = tl.load(x_ptr + offsets, mask=mask)
    if bias_ptr is not None:
        x += tl.load(bias_ptr)
    tl.store(out_ptr + offsets, x * scale, mask=mask)


@triton.jit
def _square_kernel(descriptor, out_ptr, N: tl.constexpr):
    x = descriptor.load([0, 0])
    offsets = tl.arange(0, N)[:, None] * N + tl.arange(0, N)[None, :]
    tl.store(out_ptr + offsets, tl.dot(x, x))


@triton.jit
def _pipelined_kernel(x_ptr, out_ptr, num_blocks, N: tl.constexpr):
    offsets = tl.arange(0, N)[:, None] * N + tl.arange(0, N)[None, :]
    total = tl.zeros((N, N), tl.float32)
    for block in tl.range(0, num_blocks):
        x = tl.load(x_ptr + block * N * N + offsets)
        total = tl.dot(x, x, total)
    tl.store(out_ptr + offsets, total)


@triton.autotune([triton.Config({"BLOCK": 32}), triton.Config({"BLOCK": 64})], key=["length"])
@triton.jit
def _tuned_kernel(out_ptr, length, BLOCK: tl.constexpr):
    offsets = tl.arange(0, BLOCK)
    tl.store(out_ptr + offsets, 0.0, mask=offsets < length)


def _scale(x: Tensor, scale: float) -> Tensor:
    out = torch.zeros_like(x)
    length = x.numel()
    _scale_kernel[lambda args: (triton.cdiv(length, args["BLOCK"]), 2)](
        x, out, scale, length, 1, None, BLOCK=64, num_warps=2
    )
    return out


@pytest.mark.parametrize("compiles", [False, True], ids=["recorded", "compiled"])
def test_a_launch_is_recorded_and_nothing_runs(compiles: bool) -> None:
    x = torch.ones(4, 200)[:, 1:65].half()
    with recording_driver(80, compiles=compiles) as recording:
        out = _scale(x, 0.5)
    assert not out.any()
    (launch,) = recording.launches
    assert (launch.kernel, launch.grid, launch.num_warps, launch.num_stages) == ("_scale_kernel", (4, 2, 1), 2, 3)
    assert launch.arguments["x_ptr"] == TensorArgument((4, 64), torch.float16, x.stride(), 0, True)
    assert (launch.arguments["scale"], launch.arguments["length"]) == (0.5, 256)
    assert launch.constants == {"step": 1, "bias_ptr": None, "BLOCK": 64, "IS_EVEN": True}
    assert (launch.types["x_ptr"], launch.types["scale"], launch.types["BLOCK"]) == ("*fp16", "fp32", "constexpr")
    assert launch.multiples_of_16 == {"x_ptr", "out_ptr", "length"}
    assert (launch.compiled is not None) == compiles
    if launch.compiled:
        assert resources(launch.compiled).arch == 80


def test_each_chip_compiles_the_same_launcher_for_itself() -> None:
    for arch, tensor_core in ((80, "mma.sync"), (90, "wgmma"), (80, "mma.sync")):
        x, out = torch.ones(64, 64).half(), torch.zeros(64, 64)
        with recording_driver(arch) as recording:
            _square_kernel[(1,)](TensorDescriptor.from_tensor(x, [64, 64]), out, N=64)
        (launch,) = recording.launches
        described = launch.arguments["descriptor"]
        assert isinstance(described, DescriptorArgument)
        assert (described.base.dtype, described.block_shape) == (torch.float16, (64, 64))
        assert launch.compiled
        assert resources(launch.compiled).tensor_core == tensor_core


def test_shared_memory_that_does_not_fit_fails_as_on_the_chip() -> None:
    x, out = torch.ones(4, 128, 128).half(), torch.zeros(128, 128)
    with recording_driver(86) as recording, pytest.raises(OutOfResources, match="Hardware limit: 101376"):
        _pipelined_kernel[(1,)](x, out, 4, N=128, num_warps=8, num_stages=5)
    assert not recording.launches


def test_an_autotuner_takes_its_first_configuration() -> None:
    with recording_driver(90, compiles=False) as recording:
        _tuned_kernel[(1,)](torch.zeros(64), 64)
    assert [launch.constants["BLOCK"] for launch in recording.launches] == [32]


def test_the_driver_is_put_back() -> None:
    before = driver._active
    with pytest.raises(KeyError, match="nonsense"), recording_driver(80, compiles=False):
        _tuned_kernel.fn[(1,)](torch.zeros(64), 64, BLOCK=32, nonsense=1)
    assert driver._active is before
    with pytest.raises(ValueError, match="architecture 75 is unknown"), recording_driver(75):
        pass
