"""Kernels compiled for chips that are not here, and what is read from their machine code."""

import pytest
import triton
import triton.language as tl
from triton_tools.chips import ARCHITECTURES
from triton_tools.compiled import compile_kernel, resources

_TYPES = {"x_ptr": "*fp16", "y_ptr": "*fp16", "out_ptr": "*fp16", "num_blocks": "i32"}


@triton.jit
def _matmul_kernel(x_ptr, y_ptr, out_ptr, num_blocks, N: tl.constexpr):
    offsets = tl.arange(0, N)[:, None] * N + tl.arange(0, N)[None, :]
    total = tl.zeros((N, N), tl.float32)
    for block in tl.range(0, num_blocks):
        x, y = tl.load(x_ptr + block * N * N + offsets), tl.load(y_ptr + block * N * N + offsets)
        total = tl.dot(x, y, total)
    tl.store(out_ptr + offsets, total.to(tl.float16))


@triton.jit
def _copy_kernel(x_ptr, out_ptr, length, N: tl.constexpr):
    offsets = tl.program_id(0) * N + tl.arange(0, N)
    tl.store(out_ptr + offsets, tl.load(x_ptr + offsets, mask=offsets < length), mask=offsets < length)


@triton.jit
def _tile_kernel(descriptor, out_ptr, N: tl.constexpr):
    offsets = tl.arange(0, N)[:, None] * N + tl.arange(0, N)[None, :]
    tl.store(out_ptr + offsets, descriptor.load([0, 0]))


@pytest.mark.parametrize(
    "arch",
    [pytest.param(arch, marks=pytest.mark.aot if arch in (80, 90) else pytest.mark.aot_full) for arch in ARCHITECTURES],
)
def test_a_product_uses_the_chips_tensor_cores_and_asynchronous_copies(arch: int) -> None:
    found = resources(compile_kernel(_matmul_kernel, _TYPES, {"N": 64}, arch=arch))
    assert found.arch == arch
    assert found.tensor_core == {90: "wgmma", 100: "tcgen05"}.get(arch, "mma.sync")
    assert found.tensor_core_instruction.startswith(found.tensor_core)
    assert found.tensor_core_count > 0
    assert found.wgmma_a == ("shared" if arch == 90 else "")
    assert found.async_copies_16 > 0
    assert found.store_widths.keys() == {16}
    assert (found.spill_loads, found.spill_stores, found.stack) == (0, 0, 0)
    assert found.shared_fits
    assert found.blocks_per_sm > 0


@pytest.mark.aot
def test_products_of_mma_sync_are_fed_by_ldmatrix() -> None:
    found = resources(compile_kernel(_matmul_kernel, _TYPES, {"N": 64}, arch=80))
    assert "m16n8k16" in found.tensor_core_instruction
    assert found.ldmatrix > 0


@pytest.mark.aot
def test_spills_are_reported() -> None:
    compiled = compile_kernel(_matmul_kernel, _TYPES, {"N": 128}, arch=80, num_stages=2, max_registers=64)
    found = resources(compiled)
    assert found.registers == 64
    assert found.spill_loads > 100
    assert found.spill_stores > 100
    assert found.stack > 0


@pytest.mark.aot
def test_shared_memory_that_does_not_fit_is_reported() -> None:
    found = resources(compile_kernel(_matmul_kernel, _TYPES, {"N": 128}, arch=86, num_warps=8, num_stages=3))
    assert found.shared == 2 * 2 * 2 * 128 * 128
    assert not found.shared_fits
    assert found.blocks_per_sm == 0


@pytest.mark.aot
def test_widths_of_access_follow_from_what_is_aligned() -> None:
    types, constants = {"x_ptr": "*fp32", "out_ptr": "*fp32", "length": "i32"}, {"N": 1024}
    wide = resources(compile_kernel(_copy_kernel, types, constants, arch=80, aligned=("x_ptr", "out_ptr", "length")))
    narrow = resources(compile_kernel(_copy_kernel, types, constants, arch=80, aligned=()))
    assert (wide.load_widths, wide.store_widths) == ({16: 2}, {16: 2})
    assert (narrow.load_widths, narrow.store_widths) == ({4: 8}, {4: 8})
    assert wide.tensor_core == "none"


@pytest.mark.aot
def test_warps_and_shared_memory_bound_the_blocks_of_a_multiprocessor() -> None:
    types = {"x_ptr": "*fp32", "out_ptr": "*fp32", "length": "i32"}
    few_registers = resources(compile_kernel(_copy_kernel, types, {"N": 1024}, arch=80, num_warps=8))
    assert few_registers.registers <= 32
    assert few_registers.blocks_per_sm == 8  # 64 warps
    much_shared = resources(compile_kernel(_matmul_kernel, _TYPES, {"N": 64}, arch=86))
    assert much_shared.shared == 32768
    assert much_shared.blocks_per_sm == 3  # 100 KiB


@pytest.mark.aot
def test_tiles_are_copied_by_tma() -> None:
    types = {"descriptor": "tensordesc<fp16[64, 64]>", "out_ptr": "*fp16"}
    assert resources(compile_kernel(_tile_kernel, types, {"N": 64}, arch=90)).tma_copies == 1


@pytest.mark.aot
def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="_copy_kernel has arguments without type or value: length, out_ptr"):
        compile_kernel(_copy_kernel, {"x_ptr": "*fp32"}, {"N": 16}, arch=80)
    with pytest.raises(ValueError, match="unknown: y_ptr"):
        compile_kernel(
            _copy_kernel, dict.fromkeys(("x_ptr", "out_ptr", "length", "y_ptr"), "*fp32"), {"N": 16}, arch=80
        )
    with pytest.raises(ValueError, match="architecture 75 is unknown: choose one of 80, 86"):
        compile_kernel(_copy_kernel, {"x_ptr": "*fp32", "out_ptr": "*fp32", "length": "i32"}, {"N": 16}, arch=75)
    with pytest.raises(TypeError, match="needs @triton"):
        compile_kernel(_copy_kernel.fn, {}, {}, arch=80)
