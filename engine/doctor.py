"""An examination of this machine and installation."""

import os
import platform
import sys
import warnings
from collections.abc import Iterator
from importlib import metadata, util
from typing import Any

from wplus import __version__
from wplus.cache import cache_folder, entries
from wplus.doctor_runtimes import examine_runtimes
from wplus.finding import Finding
from wplus.machine import cpu
from wplus.threads import usable_cpus

__all__ = ["Finding", "examine"]

_EXTRAS = {
    "torch": "torch",
    "safetensors": "torch",
    "onnx": "torch",
    "onnxscript": "torch",
    "torchmetrics": "torch",
    "triton": "torch",
    "av": "video",
}


def examine() -> list[Finding]:
    """Everything that can be found out without a network."""
    return [
        Finding(
            subject="wplus", verdict="ok", text=f"{__version__} in Python {platform.python_version()}, {sys.prefix}"
        ),
        *_packages(),
        *_torch(),
        *examine_runtimes(),
        _cpu(),
        *_threads(),
        _cache(),
    ]


def _packages() -> Iterator[Finding]:
    for package, extra in _EXTRAS.items():
        version = _version(package)
        if version is not None:
            yield Finding(subject=package, verdict="ok", text=version)
        elif package == "triton" and (sys.platform, platform.machine()) != ("linux", "x86_64"):
            yield Finding(subject=package, verdict="note", text="has no wheels for this platform, and is not needed")
        else:
            yield Finding(
                subject=package, verdict="note", text="is not installed", remedy=f"pip install 'wplus[{extra}]'"
            )


def _torch() -> Iterator[Finding]:
    """What torch can do here, found out by trying."""
    if util.find_spec("torch") is None:
        yield Finding(
            subject="backend",
            verdict="note",
            text="torch is missing: bundles are drawn without it; checkpoints, export and gradients need it",
            remedy="pip install 'wplus[torch]'",
        )
        return
    try:
        import torch

        product = torch.ones(8, 8) @ torch.ones(8, 8)
    except (ImportError, OSError, RuntimeError) as exc:  # libraries that it needs are missing or of another build
        remedy = "pip install --force-reinstall torch"
        yield Finding(subject="backend", verdict="bad", text=f"torch is installed and fails: {exc}", remedy=remedy)
        return
    yield Finding(subject="backend", verdict="ok" if product.sum() == 512 else "bad", text="torch multiplies matrices")
    yield _gpu(torch)


def _gpu(torch: Any) -> Finding:
    with warnings.catch_warnings(action="ignore"):  # torch warns of a driver that is too old; we say it below
        has_cuda = torch.cuda.is_available()
    if has_cuda:
        names = ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
        return Finding(subject="GPU", verdict="ok", text=names)
    if torch.version.cuda:
        text = f"this torch is made for CUDA {torch.version.cuda} and finds no GPU that it can use"
        remedy = "Install or update NVIDIA's driver, or use the CPU build of torch, which is smaller."
        return Finding(subject="GPU", verdict="note", text=text, remedy=remedy)
    if torch.backends.mps.is_available():
        return Finding(subject="GPU", verdict="ok", text="Apple's, through mps; not tried by us")
    return Finding(subject="GPU", verdict="note", text="none that this torch could use; pictures are drawn on the CPU")


def _threads() -> Iterator[Finding]:
    usable, present = usable_cpus(), os.cpu_count() or 1
    yield Finding(subject="threads", verdict="ok", text=f"{usable} of {present} CPUs may be used")
    limit = os.environ.get("OMP_NUM_THREADS")
    if limit is not None and limit != str(usable):
        yield Finding(
            subject="threads",
            verdict="note",
            text=f"OMP_NUM_THREADS is {limit}; wplus.load sets {usable} threads all the same",
            remedy="Pass threads= (--threads) to choose another number.",
        )


def _cpu() -> Finding:
    """The instructions that decide how fast a CPU draws."""
    model, instructions = cpu()
    widest = next((name for name in ("avx512f", "avx2", "asimd") if name in instructions), None)
    if widest is None:
        return Finding(subject="CPU", verdict="note", text=f"{model}; no vector instructions that are known")
    has_bfloat16 = not instructions.isdisjoint(("avx512_bf16", "amx_bf16"))
    found = "are there: --precision=fast uses them" if has_bfloat16 else "are missing"
    return Finding(subject="CPU", verdict="ok", text=f"{model}; {widest}; bfloat16 instructions {found}")


def _cache() -> Finding:
    folder = cache_folder("bundles").parent
    nearest = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not os.access(nearest, os.W_OK):
        remedy = f"Make {folder} writable; networks from URLs and exported bundles are kept there."
        return Finding(subject="cache", verdict="bad", text=f"{folder} cannot be written to", remedy=remedy)
    found = entries()
    size = sum(entry.size for entry in found) / 2**20
    text = f"{folder}, {size:.0f} MiB in {len(found)} entries; wplus cache lists them"
    return Finding(subject="cache", verdict="ok", text=text)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
