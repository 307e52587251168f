"""PyTorch, eager: the reference that every other backend is compared with."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from wplus.backends import Array, Precision
from wplus.backends.cuda_graph import CudaGraphs
from wplus.errors import UnsupportedError
from wplus.kernels import to_uint8
from wplus.networks.mapping import StyleNetwork

_log = logging.getLogger(__name__)

_NOISE = "noise "  # before a map's name


class EagerBackend:
    """A network in PyTorch.

    Args:
        network: On the CPU, frozen; it is moved and prepared in place.
        device: "auto" takes cuda, then mps, then cpu.
        precision: "exact" computes in float32 throughout; "fast" keeps feature maps in bfloat16 on a CPU that has
            instructions for it, in float16 on a GPU, and in float32 where neither is fast.
        threads: Of the CPU.

    Raises:
        UnsupportedError: the device is not there.
    """

    name = "torch"

    def __init__(self, network: nn.Module, *, device: str, precision: Precision, threads: int) -> None:
        self._device = choose_device(device)
        self.device = str(self._device)
        self.precision: Precision = precision
        self.threads = threads
        self._dtype = torch.float32 if precision == "exact" else _fast_dtype(self._device)
        self.dtype = str(self._dtype).removeprefix("torch.")
        self.network = cast(Any, network)
        self.network.to(self._device)
        self.network.prepare(self._dtype)
        is_recorded = self._device.type == "cuda" and isinstance(network, StyleNetwork)  # not somebody's own module
        self._graphs = {
            has_noise: CudaGraphs(partial(self._run, has_noise=has_noise)) for has_noise in (True, False) if is_recorded
        }

    def map(self, z: Array, c: Array | None, psi: Array, cutoff: Array) -> Tensor:
        """See `Backend.map`."""
        with self._ready(z, c):
            label = None if c is None else self._tensor(c)
            ws: Tensor = self.network.map(self._tensor(z), label, self._tensor(psi), self._tensor(cutoff))
            return ws

    def synthesize(
        self,
        latents: Array,
        noise: Mapping[str, Array] | None,
        *,
        c: Array | None = None,
        transform: Array | None = None,
        resolution: int | None = None,
    ) -> Tensor:
        """See `Backend.synthesize`; `resolution` is that of a StyleGAN2's block to stop after."""
        named = {"latents": latents, "c": c, "transform": transform}
        named |= {} if noise is None else {_NOISE + name: value for name, value in noise.items()}
        inputs = {name: self._tensor(value) for name, value in named.items() if value is not None}
        has_noise = noise is not None
        with self._ready(*named.values()):
            if self._graphs and resolution is None and not torch.is_grad_enabled():
                return self._graphs[has_noise](inputs)
            return self._run(inputs, has_noise=has_noise, resolution=resolution)

    def _run(self, inputs: Mapping[str, Tensor], *, has_noise: bool, resolution: int | None = None) -> Tensor:
        maps = {name.removeprefix(_NOISE): value for name, value in inputs.items() if name.startswith(_NOISE)}
        options: dict[str, Any] = {name: value for name, value in inputs.items() if name in ("c", "transform")}
        if resolution is not None:
            options["resolution"] = resolution
        noise = maps if has_noise else None
        img: Tensor = self.network.synthesize(inputs["latents"], noise=noise, dtype=self._dtype, **options)
        return img

    def images(
        self,
        latents: Array,
        noise: Mapping[str, Array] | None,
        *,
        c: Array | None = None,
        transform: Array | None = None,
    ) -> Tensor:
        """See `Backend.images`."""
        return to_uint8(self.synthesize(latents, noise, c=c, transform=transform).detach())

    def close(self) -> None:
        """Frees the weights."""
        for graphs in self._graphs.values():
            graphs.close()
        self.network = None

    def _tensor(self, array: Array) -> Tensor:
        tensor = array if isinstance(array, Tensor) else torch.tensor(array)
        dtype = torch.float32 if tensor.is_floating_point() else tensor.dtype
        return tensor.to(device=self._device, dtype=dtype)

    @contextmanager
    def _ready(self, *inputs: Array | None) -> Iterator[None]:
        """Threads and TF32 as promised; gradients only where an input asks for them."""
        needs_grad = any(isinstance(x, Tensor) and x.requires_grad for x in inputs)
        with ExitStack() as stack:
            stack.enter_context(torch.set_grad_enabled(needs_grad and torch.is_grad_enabled()))
            stack.enter_context(exact_arithmetic(self._device, self.threads))
            yield


@contextmanager
def exact_arithmetic(device: torch.device, threads: int) -> Iterator[None]:
    """That many CPU threads; on CUDA no TF32, and convolutions that give the same bits each time."""
    with ExitStack() as stack:
        if device.type == "cuda":
            stack.enter_context(torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False))
        ambient = torch.get_num_threads()
        if ambient != threads:
            stack.callback(torch.set_num_threads, ambient)
            torch.set_num_threads(threads)
        yield


def choose_device(name: str) -> torch.device:
    """The device of that name; of "auto" cuda, then mps, then cpu.

    Raises:
        UnsupportedError: it is not there.
        ValueError: there is no such device.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, there in available.items() if there))
    try:
        device = torch.device(name)
    except RuntimeError as exc:
        raise ValueError(f"device is {name!r}; known: auto, {', '.join(available)}, cuda:1 ...") from exc
    if not available.get(device.type, False):
        there = ", ".join(kind for kind, is_there in available.items() if is_there)
        raise UnsupportedError(
            f"The device {name} is not available to this PyTorch ({torch.__version__}); it has {there}."
        )
    return device


def _fast_dtype(device: torch.device) -> torch.dtype:
    if device.type != "cpu":
        return torch.float16
    if cpu_has_bfloat16():
        return torch.bfloat16
    _log.info("This CPU has no fast half-precision type: --precision=fast computes in float32, as exact does.")
    return torch.float32


def cpu_has_bfloat16() -> bool:
    """Whether this CPU multiplies in bfloat16; False where an older PyTorch cannot tell."""
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16", False) or capabilities.get("amx_bf16", False))
