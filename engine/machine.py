"""What a measurement holds for: this machine's processors and the versions of what runs on them."""

import ctypes
import os
import platform
import sys
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from wplus.threads import usable_cpus

INSTRUCTIONS = (
    "avx2",
    "fma",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "avx512_fp16",
    "amx_bf16",
    "amx_int8",
    "asimd",
    "bf16",
)
PACKAGES = {  # distributions of each runtime
    "torch": ("torch",),
    "onnxruntime": ("onnxruntime-gpu", "onnxruntime"),
    "openvino": ("openvino",),
    "tensorrt": ("tensorrt", "tensorrt-cu13", "tensorrt-cu12", "tensorrt-rtx-cu13-bindings", "tensorrt-rtx"),
}

_CPU_FILE = Path("/proc/cpuinfo")
_TEXT = 96  # bytes that NVIDIA's library fills at most


def machine() -> dict[str, str]:
    """Facts that must be the same where a measurement is to hold."""
    model, instructions = cpu()
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "CPU": model,
        "instructions": " ".join(name for name in INSTRUCTIONS if name in instructions),
        "CPUs": f"{usable_cpus()} of {os.cpu_count()}",
        "GPUs": "; ".join(nvidia_gpus()) or "none",
    }


def cpu() -> tuple[str, set[str]]:
    """Model and instruction sets, as far as the system tells."""
    model, flags = platform.processor() or platform.machine(), ""
    if _CPU_FILE.exists():
        for line in _CPU_FILE.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                model = value.strip()
            elif name.strip() in ("flags", "Features"):
                flags = value
    return model, set(flags.split())


def nvidia_gpus() -> list[str]:
    """Name, compute capability and driver of each GPU, asked of NVIDIA's management library: no context starts."""
    try:
        nvml = ctypes.CDLL("nvml.dll" if sys.platform == "win32" else "libnvidia-ml.so.1")
    except OSError:
        return []
    if nvml.nvmlInit_v2() != 0:
        return []
    try:
        driver, count = ctypes.create_string_buffer(_TEXT), ctypes.c_uint()
        nvml.nvmlSystemGetDriverVersion(driver, _TEXT)
        nvml.nvmlDeviceGetCount_v2(ctypes.byref(count))
        return [f"{_gpu(nvml, index)}, driver {driver.value.decode()}" for index in range(count.value)]
    finally:
        nvml.nvmlShutdown()


def _gpu(nvml: ctypes.CDLL, index: int) -> str:
    handle, name = ctypes.c_void_p(), ctypes.create_string_buffer(_TEXT)
    major, minor = ctypes.c_int(), ctypes.c_int()
    nvml.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(handle))
    nvml.nvmlDeviceGetName(handle, name, _TEXT)
    nvml.nvmlDeviceGetCudaComputeCapability(handle, ctypes.byref(major), ctypes.byref(minor))
    return f"{name.value.decode()} (compute capability {major.value}.{minor.value})"


def versions(*packages: str) -> dict[str, str]:
    """Versions of those of the packages, or of the runtimes in `PACKAGES`, that are installed."""
    found = {}
    for package in packages:
        for distribution in PACKAGES.get(package, (package,)):
            with suppress(metadata.PackageNotFoundError):
                found[package] = metadata.version(distribution)
                break
    return found
