"""What one streaming multiprocessor has, for each NVIDIA architecture that kernels are compiled for."""

from dataclasses import dataclass

REGISTERS_PER_SM = 65536
TENSOR_MEMORY_COLUMNS = 512  # of architecture 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """Source: the table of compute capabilities in the CUDA C++ Programming Guide. Shared memory is in bytes."""

    arch: int
    shared_per_sm: int
    shared_per_block: int
    warps_per_sm: int
    blocks_per_sm: int
    num_sms: int


def _chip(arch: int, *, shared_kib: int, warps: int, blocks: int, sms: int) -> Chip:
    """A chip whose driver keeps 1 KiB of shared memory per block for itself."""
    return Chip(
        arch=arch,
        shared_per_sm=shared_kib << 10,
        shared_per_block=(shared_kib - 1) << 10,
        warps_per_sm=warps,
        blocks_per_sm=blocks,
        num_sms=sms,
    )


_CHIPS = (
    _chip(80, shared_kib=164, warps=64, blocks=32, sms=108),  # A100
    _chip(86, shared_kib=100, warps=48, blocks=16, sms=82),  # RTX 3090
    _chip(89, shared_kib=100, warps=48, blocks=24, sms=128),  # RTX 4090
    _chip(90, shared_kib=228, warps=64, blocks=32, sms=132),  # H100
    _chip(100, shared_kib=228, warps=64, blocks=32, sms=148),  # B200
    _chip(120, shared_kib=100, warps=48, blocks=24, sms=170),  # RTX 5090
)
ARCHITECTURES = tuple(chip.arch for chip in _CHIPS)


def chip(arch: int) -> Chip:
    """The chip of an architecture, 80 for compute capability 8.0.

    Raises:
        ValueError: if we keep no figures of it.
    """
    for known in _CHIPS:
        if known.arch == arch:
            return known
    raise ValueError(f"architecture {arch} is unknown: choose one of {', '.join(map(str, ARCHITECTURES))}")
