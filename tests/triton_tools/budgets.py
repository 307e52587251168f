"""What each kernel may take of each chip: the committed table, and how it is made.

`python -m triton_tools.budgets` in tests/ (or `make kernels-full`, which compares) compiles every configuration that
the networks launch, for every chip, and writes `kernels/triton/budgets.csv`. The table is stamped with a digest of the
kernels' sources, so that it cannot go stale unnoticed.
"""

import csv
import hashlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from unittest import mock

import torch
from torch import Tensor

import wplus.kernels
from triton_tools.chips import ARCHITECTURES, chip
from triton_tools.compiled import resources
from triton_tools.launches import NETWORKS, launch_network, launch_paths
from triton_tools.recording import Launch, recording_driver
from wplus.kernels import dispatch
from wplus.kernels.gpu import tuning

TABLE = Path(__file__).parents[1] / "kernels" / "triton" / "budgets.csv"
_DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
_EVERYWHERE = "fp16"  # the type that is compiled for all chips; the others for two of them
_TWO = (80, 90)
_MULTIPLYING = ("_convolution_kernel", "_filtered_lrelu_fwd_kernel", "_filtered_lrelu_bwd_kernel")


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What one configuration of one kernel took of one chip."""

    kernel: str
    configuration: str
    arch: int
    registers: int
    spills: int
    shared: int
    tensor_core: str
    async_copies_16: int


def budget(launch: Launch) -> Budget:
    """Of a launch that was compiled."""
    assert launch.compiled is not None
    found = resources(launch.compiled)
    return Budget(
        kernel=launch.kernel,
        configuration=configuration(launch),
        arch=found.arch,
        registers=found.registers,
        spills=found.spill_loads + found.spill_stores,
        shared=found.shared,
        tensor_core=found.tensor_core,
        async_copies_16=found.async_copies_16,
    )


def configuration(launch: Launch) -> str:
    """Types and constants of a launch in a line, the same for launches that share their machine code."""
    types = sorted({kind for kind in launch.types.values() if kind.startswith("*")})
    constants = [f"{name}={value}" for name, value in sorted(launch.constants.items()) if name.isupper()]
    absent = [name.removesuffix("_ptr") for name, value in launch.constants.items() if value is None]
    without = f" without {','.join(sorted(absent))}" if absent else ""
    return f"{' '.join(types)} {' '.join(constants)} warps={launch.num_warps} stages={launch.num_stages}{without}"


@contextmanager
def as_on_a_gpu(*, all_ways: bool = False) -> Iterator[None]:
    """The operators choose Triton for tensors on the CPU, whose launches a recording driver is to record.

    Args:
        all_ways: Every tile of a convolution is launched, and not the first alone.
    """

    def run(what: str, ways: Mapping[str, Callable[[], Tensor]], *, device: torch.device) -> Tensor:  # noqa: ARG001
        own = [way for name, way in ways.items() if name != "library"]
        return [way() for way in (own if all_ways else own[:1])][-1]

    with mock.patch.object(dispatch, "_runs_on", return_value=True), mock.patch.object(tuning, "fastest", run):
        yield


def measured() -> list[Budget]:
    """All of them, compiled anew where Triton's cache does not have them; a process a core."""
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        return sorted(chain.from_iterable(pool.map(_measured_on, ARCHITECTURES)), key=_key)


def _measured_on(arch: int) -> list[Budget]:
    torch.set_num_threads(1)
    torch.backends.cudnn.allow_tf32 = False
    found: dict[tuple[str, str, int], Budget] = {}
    for name, dtype in _DTYPES.items():
        if name != _EVERYWHERE and arch not in _TWO:
            continue
        with as_on_a_gpu(all_ways=True), recording_driver(arch) as recording:
            launch_paths()
            for network in NETWORKS:
                launch_network(network, dtype)
        for launch in recording.launches:
            if (launch.kernel, configuration(launch), arch) not in found:
                one = budget(launch)
                found[_key(one)] = one
    return list(found.values())


def _key(one: Budget) -> tuple[str, str, int]:
    return one.kernel, one.configuration, one.arch


def sources_digest() -> str:
    """Of our own sources that have kernels in them."""
    folder = Path(wplus.kernels.__file__).parent / "gpu"
    digest = hashlib.sha256()
    for source in (path.read_bytes() for path in sorted(folder.glob("*.py"))):
        if b"@triton.jit" in source:
            digest.update(source)
    return digest.hexdigest()


def write(budgets: list[Budget], path: Path = TABLE) -> None:
    """The table, its stamp first."""
    with path.open("w", newline="", encoding="utf-8") as file:
        file.write(f"# kernels {sources_digest()}\n")
        writer = csv.DictWriter(file, [field.name for field in fields(Budget)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(map(asdict, budgets))


def read(path: Path = TABLE) -> tuple[str, list[Budget]]:
    """The stamp and the rows."""
    stamp, *lines = path.read_text(encoding="utf-8").splitlines()
    rows = [
        Budget(
            kernel=row["kernel"],
            configuration=row["configuration"],
            tensor_core=row["tensor_core"],
            **{name: int(row[name]) for name in ("arch", "registers", "spills", "shared", "async_copies_16")},
        )
        for row in csv.DictReader(lines)
    ]
    return stamp.removeprefix("# kernels "), rows


def objections(found: Budget) -> list[str]:
    """What a chip cannot be asked for, in sentences; empty if all is well."""
    where = f"{found.kernel} {found.configuration} on sm_{found.arch}"
    reasons = []
    if found.shared > chip(found.arch).shared_per_block:
        reasons.append(f"{where} takes {found.shared} bytes of shared memory, more than there are.")
    if found.spills:
        reasons.append(f"{where} has {found.spills} instructions that keep registers' values in memory.")
    if found.kernel in _MULTIPLYING and found.configuration.startswith(("*fp16", "*bf16")):
        wanted = {90: "wgmma", 100: "tcgen05"}.get(found.arch, "mma.sync")
        if found.tensor_core != wanted:
            reasons.append(f"{where} multiplies with {found.tensor_core}, not {wanted}.")
    return reasons


if __name__ == "__main__":
    write(measured())
