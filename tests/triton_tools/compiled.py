"""Compile a Triton kernel for a chip that is not here, and read from the machine code what it takes of it.

No driver is needed: Triton's wheel holds ptxas and cuobjdump. For triton 3.7.1 (`ASTSource`'s arguments are private).
"""

import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, CompiledKernel
from triton.runtime.jit import JITFunction

from triton_tools.chips import REGISTERS_PER_SM, TENSOR_MEMORY_COLUMNS, Chip, chip

Constant: TypeAlias = bool | int | float | str | tl.dtype | JITFunction | None
_TENSOR_CORE = re.compile(r"\b(wgmma\.mma_async|tcgen05\.mma|mma\.sync)\b\S*")
_WGMMA_A = re.compile(r"\bwgmma\.mma_async\S*\s*\{[^}]*\},\s*(\{|%)")
_ASYNC_COPY_16 = re.compile(r"\bcp\.async\.c[ag]\.shared\S*[^;]*\],\s*(?:0x10|16)\b")
_INSTRUCTION = re.compile(r"/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9_]*(?:\.\w+)*)")
_REGISTERS = re.compile(r"REG:(\d+) STACK:(\d+)")
_REGISTER_GRANULE = 8  # registers of a thread are allotted in eights
_PARTITIONS = 4  # of a multiprocessor, each with a quarter of the registers
_DRIVERS_SHARED = 1024  # bytes of each block


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What a compiled kernel takes of its chip. Sizes are in bytes.

    spill_loads, spill_stores: LDL and STL. Not always spills: `tl.sin` keeps a table in local memory.
    shared_fits: whether a launch would not fail for want of shared memory.
    blocks_per_sm: Blocks that run at once on a multiprocessor, 0 if none can.
    tensor_core: "mma.sync", "wgmma", "tcgen05" or "none"; its whole instruction is in tensor_core_instruction.
    wgmma_a: Where wgmma finds its left operand, "registers" or "shared"; "" without wgmma.
    async_copies_16: cp.async of 16 bytes. ldmatrix, tma_copies: such instructions, as tensor_core_count is, in PTX.
    load_widths, store_widths: Instructions to and from global memory by the bytes that a thread moves, in machine code;
        asynchronous copies are not among them.
    """

    arch: int
    num_warps: int
    registers: int
    stack: int
    spill_loads: int
    spill_stores: int
    shared: int
    shared_fits: bool
    blocks_per_sm: int
    tensor_core: str
    tensor_core_instruction: str
    tensor_core_count: int
    wgmma_a: str
    async_copies_16: int
    tma_copies: int
    ldmatrix: int
    load_widths: Mapping[int, int]
    store_widths: Mapping[int, int]


def compile_kernel(
    fn: JITFunction,
    types: Mapping[str, str],
    constants: Mapping[str, Constant],
    *,
    arch: int,
    num_warps: int = 4,
    num_stages: int = 3,
    max_registers: int | None = None,
    aligned: Collection[str] | None = None,
) -> CompiledKernel:
    """The kernel in machine code; between processes, Triton's cache on disk keeps it.

    Args:
        fn: A function under @triton.jit alone.
        types: Of each run-time argument: "*fp16", "i32", "i64", "fp32", "tensordesc<fp16[1,8,32]>".
        constants: Values of the constexpr arguments, and of those that are None or specialised to 1.
        aligned: Arguments that are multiples of 16 (pointers: in bytes). Every pointer and no integer unless given: a
            launch specialises on what its integers happen to be.
        max_registers: Of a thread: ptxas spills the others.

    Raises:
        ValueError: if an argument has neither or both, or the chip is unknown.
        TypeError: if fn is not a compilable kernel.
    """
    if not isinstance(fn, JITFunction):
        raise TypeError(f"{fn} cannot be compiled: it needs @triton.jit alone, in a process without TRITON_INTERPRET")
    _check_arguments(fn, types, constants)
    aligned = [name for name, kind in types.items() if kind.startswith("*")] if aligned is None else aligned
    source = ASTSource(
        fn,
        {name: types.get(name, "constexpr") for name in fn.arg_names},
        {(fn.arg_names.index(name),): value for name, value in constants.items()},
        {(fn.arg_names.index(name),): [["tt.divisibility", 16]] for name in aligned},
    )
    options = {"num_warps": num_warps, "num_stages": num_stages, "maxnreg": max_registers}
    return triton.compile(source, target=GPUTarget("cuda", chip(arch).arch, 32), options=options)


def _check_arguments(fn: JITFunction, types: Mapping[str, str], constants: Mapping[str, Constant]) -> None:
    needed, twice = set(fn.arg_names), types.keys() & constants.keys()
    missing, unknown = needed - types.keys() - constants.keys(), (types.keys() | constants.keys()) - needed
    for names, what in ((missing, "without type or value"), (unknown, "unknown"), (twice, "with type and value")):
        if names:
            raise ValueError(f"{fn.__name__} has arguments {what}: {', '.join(sorted(names))}")


def resources(compiled: CompiledKernel) -> Resources:
    """What the kernel takes of the chip it was compiled for."""
    metadata, ptx, listing = compiled.metadata, compiled.asm["ptx"], _listing(compiled.asm["cubin"])
    usage = _REGISTERS.search(listing)
    assert usage, listing[:500]
    registers, stack = map(int, usage.groups())
    instructions = _INSTRUCTION.findall(listing)
    opcodes = Counter(instruction.split(".")[0] for instruction in instructions)
    device = chip(metadata.target.arch)
    tensor_core = _TENSOR_CORE.search(ptx)
    return Resources(
        arch=device.arch,
        num_warps=metadata.num_warps,
        registers=registers,
        stack=stack,
        spill_loads=opcodes["LDL"],
        spill_stores=opcodes["STL"],
        shared=metadata.shared,
        shared_fits=metadata.shared <= device.shared_per_block,
        blocks_per_sm=_blocks_per_sm(
            device, metadata.num_warps, registers, metadata.shared, getattr(metadata, "tmem_size", None) or 0
        ),
        tensor_core=tensor_core[1].removesuffix(".mma_async").replace("tcgen05.mma", "tcgen05")
        if tensor_core
        else "none",
        tensor_core_instruction=tensor_core[0] if tensor_core else "",
        tensor_core_count=len(_TENSOR_CORE.findall(ptx)),
        wgmma_a=_wgmma_a(ptx),
        async_copies_16=len(_ASYNC_COPY_16.findall(ptx)),
        tma_copies=len(re.findall(r"\bcp\.async\.bulk\.tensor", ptx)),
        ldmatrix=len(re.findall(r"\bldmatrix\b", ptx)),
        load_widths=_widths(instructions, "LDG"),
        store_widths=_widths(instructions, "STG"),
    )


def _listing(cubin: bytes) -> str:
    """cuobjdump's lines on the use of registers, and the machine code."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        command = [triton.knobs.nvidia.cuobjdump.path, "-sass", "-res-usage", file.name]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _blocks_per_sm(device: Chip, num_warps: int, registers: int, shared: int, tensor_memory: int) -> int:
    """The scarcest of warps, registers, shared memory, tensor memory and block slots says."""
    if shared > device.shared_per_block:
        return 0
    allotted = -(-max(registers, 1) // _REGISTER_GRANULE) * _REGISTER_GRANULE * 32  # of a warp
    limits = [
        device.blocks_per_sm,
        device.warps_per_sm // num_warps,
        REGISTERS_PER_SM // _PARTITIONS // allotted * _PARTITIONS // num_warps,
        device.shared_per_sm // (shared + _DRIVERS_SHARED),
    ]
    if tensor_memory:
        limits.append(TENSOR_MEMORY_COLUMNS // tensor_memory)
    return min(limits)


def _wgmma_a(ptx: str) -> str:
    """Operand A is a list of registers, or the descriptor of a tile."""
    found = _WGMMA_A.search(ptx)
    if not found:
        return ""
    return "registers" if found[1] == "{" else "shared"


def _widths(instructions: list[str], opcode: str) -> dict[int, int]:
    """Number of instructions by the bytes a thread moves with one: LDG.E.128 moves 16, and LDG.E 4."""
    suffixes = {"256": 32, "ENL2": 32, "128": 16, "64": 8, "U16": 2, "S16": 2, "U8": 1, "S8": 1}
    widths: Counter[int] = Counter()
    for instruction in instructions:
        name, *modifiers = instruction.split(".")
        if name == opcode:
            widths[next((suffixes[modifier] for modifier in modifiers if modifier in suffixes), 4)] += 1
    return dict(sorted(widths.items()))
