"""An examination of this machine and installation."""

import os
import platform
import sys
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata, util
from pathlib import Path
from typing import Any, Literal

from wplus import __version__
from wplus.threads import usable_cpus

_EXTRAS = {"torch": "torch", "safetensors": "torch", "onnx": "torch", "triton": "torch", "av": "video"}
_RUNTIMES = ("onnxruntime", "onnxruntime-gpu")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    verdict: Literal["ok", "note", "bad"]
    text: str
    remedy: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)


def examine() -> list[Finding]:
    """Everything that can be found out without a network."""
    return [
        Finding(
            subject="wplus", verdict="ok", text=f"{__version__} in Python {platform.python_version()}, {sys.prefix}"
        ),
        *_packages(),
        *_runtimes(),
        *_torch(),
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


def _runtimes() -> Iterator[Finding]:
    """ONNX Runtime's two packages install the same files: the second one breaks the first."""
    found = {package: version for package in _RUNTIMES if (version := _version(package)) is not None}
    if len(found) > 1:
        yield Finding(
            subject="onnxruntime",
            verdict="bad",
            text="onnxruntime and onnxruntime-gpu are both installed and overwrite each other's files",
            remedy="pip uninstall -y onnxruntime onnxruntime-gpu && pip install onnxruntime-gpu",
        )
    for package, version in found.items():
        yield Finding(subject=package, verdict="ok", text=f"{version}; runs graphs given to wplus.wrap, on the CPU")


def _torch() -> Iterator[Finding]:
    """What torch can do here, found out by trying."""
    if util.find_spec("torch") is None:
        remedy = "pip install 'wplus[torch]'"
        yield Finding(subject="backend", verdict="bad", text="no backend: torch draws, and is missing", remedy=remedy)
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
    capability = torch.backends.cpu.get_cpu_capability()
    from wplus.backends.eager import cpu_has_bfloat16

    found = "are there: --precision=fast uses them" if cpu_has_bfloat16() else "are missing"
    text = f"{capability}; bfloat16 instructions {found}"
    yield Finding(subject="CPU", verdict="ok" if "AVX" in capability else "note", text=text)


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


def _cache() -> Finding:
    from wplus.checkpoints.download import cache_folder

    folder = cache_folder()
    nearest = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not os.access(nearest, os.W_OK):
        remedy = f"Make {folder} writable; networks from URLs are kept there."
        return Finding(subject="cache", verdict="bad", text=f"{folder} cannot be written to", remedy=remedy)
    size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file()) if folder.exists() else 0
    return Finding(subject="cache", verdict="ok", text=f"{folder}, {size / 2**20:.0f} MiB")


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
