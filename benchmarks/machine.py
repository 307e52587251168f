"""What a measurement was made on and with: the columns that every row repeats."""

import os
import platform
import shutil
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypedDict

from wplus.machine import INSTRUCTIONS, cpu

_PACKAGES = ("wplus", "torch", "triton", "numpy", "onnxruntime", "onnxruntime-gpu", "openvino")


class Circumstances(TypedDict):
    """Columns of `Row` that are the same throughout a run."""

    machine: str
    cpu_flags: str
    versions: str
    commit: str
    date: str


def circumstances() -> Circumstances:
    """Machine, versions, commit and date of now."""
    model, flags = cpu()
    return Circumstances(
        machine=f"{model}, {os.cpu_count()} CPUs, {_memory_gib():.0f} GiB, {platform.system()} {platform.machine()}",
        cpu_flags=" ".join(flag for flag in INSTRUCTIONS if flag in flags),
        versions=" ".join(f"{name}={found}" for name in _PACKAGES if (found := _version(name)))
        + f" python={platform.python_version()}",
        commit=_commit(),
        date=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )


def _memory_gib() -> float:
    if not hasattr(os, "sysconf"):
        return 0.0
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _commit() -> str:
    """Commit of the checkout that this file is tracked in, `-dirty` if its tracked files were changed; else nothing."""
    git, here = shutil.which("git"), Path(__file__).resolve()
    if git is None:
        return ""

    def ask(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [git, "-C", str(here.parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    if ask("ls-files", "--error-unmatch", here.name).returncode:
        return ""
    head = ask("rev-parse", "--short=12", "HEAD").stdout.strip()
    return head + ("-dirty" if ask("diff", "--quiet", "HEAD").returncode else "")
