"""What the runtimes that execute bundles can do here, found out by letting each multiply two small matrices."""

import io
from collections.abc import Iterator
from importlib import import_module, metadata, util
from typing import Any

import numpy as np

from wplus.backends.gpu import find_gpu
from wplus.backends.open_vino import import_openvino
from wplus.backends.tensorrt_build import TENSORRT, TENSORRT_RTX, Flavour, import_flavour
from wplus.errors import UnsupportedError
from wplus.finding import Finding
from wplus.machine import nvidia_gpus, versions

# An ONNX model: y = x · x, both [2, 2] float32.
_GRAPH = (
    b'\x08\x08:@\n\x11\n\x01x\n\x01x\x12\x01y"\x06MatMul\x12\x01gZ\x13\n\x01x\x12\x0e\n\x0c\x08\x01\x12\x08\n\x02\x08'
    b"\x02\n\x02\x08\x02b\x13\n\x01y\x12\x0e\n\x0c\x08\x01\x12\x08\n\x02\x08\x02\n\x02\x08\x02B\x04\n\x00\x10\x11"
)
_BOTH = ("onnxruntime", "onnxruntime-gpu")
_NOT_OURS = {"CoreMLExecutionProvider": "CoreML", "DmlExecutionProvider": "DirectML"}
_SILENT = 4  # onnxruntime's fatal errors alone: the rest is found out here


def examine_runtimes() -> Iterator[Finding]:
    """ONNX Runtime, OpenVINO and TensorRT."""
    yield from _onnxruntime()
    yield _openvino()
    yield from map(_tensorrt, (TENSORRT, TENSORRT_RTX))


def _onnxruntime() -> Iterator[Finding]:
    if all(
        _is_installed(distribution) for distribution in _BOTH
    ):  # they install the same files: the second one breaks the first
        yield Finding(
            subject="onnxruntime",
            verdict="bad",
            text="onnxruntime and onnxruntime-gpu are both installed and overwrite each other's files",
            remedy="pip uninstall -y onnxruntime onnxruntime-gpu && pip install onnxruntime-gpu",
        )
    if util.find_spec("onnxruntime") is None:
        yield Finding(
            subject="onnxruntime",
            verdict="bad",
            text="is not installed: it comes with wplus and runs bundles",
            remedy="pip install --force-reinstall wplus",
        )
        return
    try:
        onnxruntime = import_module("onnxruntime")
        available = onnxruntime.get_available_providers()
        right = _ort_multiplies(onnxruntime, "CPUExecutionProvider")
    except Exception as exc:  # libraries that it needs are missing or of another build; its errors share no base
        yield _broken("onnxruntime", exc, "pip install --force-reinstall wplus")
        return
    text = f"{versions('onnxruntime').get('onnxruntime', '')}; runs bundles on the CPU".lstrip("; ")
    text += "".join(f"; {name} is there, not tried by us" for key, name in _NOT_OURS.items() if key in available)
    yield Finding(subject="onnxruntime", verdict="ok" if right else "bad", text=text)
    if "CUDAExecutionProvider" in available:
        yield _ort_cuda(onnxruntime)


def _ort_cuda(onnxruntime: Any) -> Finding:
    """Whether its CUDA provider starts, which it needs NVIDIA's libraries for."""
    if not nvidia_gpus():
        text = "its CUDA and TensorRT providers are there, and no NVIDIA GPU is"
        return Finding(subject="onnxruntime", verdict="note", text=text)
    try:
        right = _ort_multiplies(onnxruntime, "CUDAExecutionProvider")
    except Exception:  # its errors share no base
        right = False
    if right:
        return Finding(subject="onnxruntime", verdict="ok", text="runs bundles on the GPU by CUDA")
    return Finding(
        subject="onnxruntime",
        verdict="note",
        text="its CUDA provider does not start: CUDA's or cuDNN's libraries are missing or of another version",
        remedy="pip install 'onnxruntime-gpu[cuda,cudnn]'",
    )


def _ort_multiplies(onnxruntime: Any, provider: str) -> bool:
    if hasattr(onnxruntime, "preload_dlls") and provider != "CPUExecutionProvider":
        onnxruntime.preload_dlls()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _SILENT
    session = onnxruntime.InferenceSession(_GRAPH, options, [provider], enable_fallback=0)
    (product,) = session.run(None, {"x": np.ones((2, 2), np.float32)})
    return bool(session.get_providers()[0] == provider and (product == 2).all())


def _openvino() -> Finding:
    if util.find_spec("openvino") is None:
        text = "is not installed; on Intel's and AMD's CPUs it is often the fastest"
        return Finding(subject="openvino", verdict="note", text=text, remedy="pip install 'wplus[openvino]'")
    try:
        core = import_openvino().Core()
        request = core.compile_model(core.read_model(io.BytesIO(_GRAPH)), "CPU").create_infer_request()
        (product,) = request.infer([np.ones((2, 2), np.float32)]).values()
        name = core.get_property("CPU", "FULL_DEVICE_NAME")
        has_bfloat16 = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    except Exception as exc:  # as above
        return _broken("openvino", exc, "pip install --force-reinstall openvino")
    fast = "--precision=fast computes in bfloat16" if has_bfloat16 else "no bfloat16: fast computes in float32"
    text = f"{versions('openvino').get('openvino', '')}; runs bundles on {name}; {fast}"
    return Finding(subject="openvino", verdict="ok" if (product == 2).all() else "bad", text=text)


def _tensorrt(flavour: Flavour) -> Finding:
    """What is installed of NVIDIA's library; whether it draws shows when an engine is built."""
    if util.find_spec(flavour.module) is None:
        text = "is not installed; it is for NVIDIA's GPUs"
        return Finding(subject=flavour.name, verdict="note", text=text, remedy=f"pip install 'wplus[{flavour.extra}]'")
    try:
        version = import_flavour(flavour).__version__
    except UnsupportedError as exc:
        return _broken(flavour.name, exc, f"pip install --force-reinstall 'wplus[{flavour.extra}]'")
    try:
        return Finding(subject=flavour.name, verdict="ok", text=f"{version}, for {find_gpu('auto').name}")
    except UnsupportedError as exc:
        builds = " It builds engines all the same." if flavour is TENSORRT_RTX else ""
        return Finding(subject=flavour.name, verdict="note", text=f"{version}. {exc}{builds}")


def _is_installed(distribution: str) -> bool:
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


def _broken(name: str, exc: Exception, remedy: str) -> Finding:
    reason = next(iter(str(exc).splitlines()), "") or type(exc).__name__
    return Finding(subject=name, verdict="bad", text=f"is installed and fails: {reason[:300]}", remedy=remedy)
