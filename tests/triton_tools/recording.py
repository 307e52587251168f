"""Launches that a host function would make on a chip, from CPU tensors: recorded, compiled if asked, never executed.

Stands in for Triton's CUDA driver and replaces `JITFunction._do_compile` while it is open: private interfaces, for
triton 3.7.1.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol
from unittest import mock

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, CompiledKernel
from triton.runtime.driver import driver
from triton.runtime.errors import OutOfResources
from triton.runtime.jit import JITFunction
from triton.tools.tensor_descriptor import TensorDescriptor

from triton_tools.chips import chip


@dataclass(frozen=True, slots=True)
class TensorArgument:
    """A tensor. Strides, and the offset from the storage's start, are in elements.

    aligned: Whether its address is a multiple of 16 bytes.
    """

    shape: tuple[int, ...]
    dtype: torch.dtype
    strides: tuple[int, ...]
    offset: int
    aligned: bool


@dataclass(frozen=True, slots=True)
class DescriptorArgument:
    """A tensor seen through a tensor descriptor, which has its own shape and strides."""

    base: TensorArgument
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    block_shape: tuple[int, ...]


Argument = TensorArgument | DescriptorArgument | bool | int | float | str | None | tuple["Argument", ...]


class _Options(Protocol):
    """Of Triton's CUDAOptions, what a launch is known by."""

    num_warps: int
    num_stages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One launch.

    arguments: By name, the constants too.
    constants: Those that were compiled in: constexprs, None, and integers equal to 1.
    types: By name, as Triton writes them ("*fp16", "i32", "constexpr"). multiples_of_16: names found to be.
    compiled: None if nothing was compiled.
    """

    kernel: str
    grid: tuple[int, int, int]
    arguments: Mapping[str, Argument]
    constants: Mapping[str, object]
    types: Mapping[str, str]
    multiples_of_16: frozenset[str]
    num_warps: int
    num_stages: int
    compiled: CompiledKernel | None


@dataclass(slots=True)
class Recording:
    """Launches in their order."""

    arch: int
    compiles: bool
    launches: list[Launch] = field(default_factory=list)
    _compiled: dict[tuple[JITFunction, str], CompiledKernel] = field(default_factory=dict)

    def specialise(
        self,
        fn: JITFunction,
        key: str,
        signature: dict[str, str],
        constants: dict[tuple[int, ...], object],
        options: _Options,
        attrs: dict[tuple[int, ...], list[list[object]]],
    ) -> "_Specialised":
        """Stands in for a kernel that the driver has loaded."""
        names = fn.arg_names
        source = ASTSource(fn, signature, constants, attrs)
        return _Specialised(
            recording=self,
            fn=fn,
            constants={names[path[0]]: value for path, value in constants.items() if len(path) == 1},
            types=signature,
            multiples_of_16=frozenset(
                names[path[0]] for path, found in attrs.items() if ["tt.divisibility", 16] in found and len(path) == 1
            ),
            options=options,
            compiled=self._compile(source, key, options) if self.compiles else None,
        )

    def _compile(self, source: ASTSource, key: str, options: _Options) -> CompiledKernel:
        known = (source.fn, key)
        if known not in self._compiled:
            target = GPUTarget("cuda", self.arch, 32)
            self._compiled[known] = triton.compile(source, target=target, options=vars(options))
        compiled, limit = self._compiled[known], chip(self.arch).shared_per_block
        if compiled.metadata.shared > limit:
            raise OutOfResources(compiled.metadata.shared, limit, "shared memory")
        return compiled


@dataclass(slots=True, kw_only=True)
class _Specialised:
    """What `JITFunction.run` asks of a compiled kernel."""

    recording: Recording
    fn: JITFunction
    constants: Mapping[str, object]
    types: Mapping[str, str]
    multiples_of_16: frozenset[str]
    options: _Options
    compiled: CompiledKernel | None
    function: None = None
    packed_metadata: None = None

    def launch_metadata(self, grid: Sequence[int], stream: int, *args: object) -> None:  # noqa: ARG002
        return None

    def run(
        self,
        grid_x: int,
        grid_y: int,
        grid_z: int,
        stream: int,  # noqa: ARG002 - Triton's order, here and below
        function: None,  # noqa: ARG002
        packed_metadata: None,  # noqa: ARG002
        launch_metadata: None,  # noqa: ARG002
        enter_hook: object,  # noqa: ARG002
        exit_hook: object,  # noqa: ARG002
        *args: object,
    ) -> None:
        self.recording.launches.append(
            Launch(
                kernel=self.fn.__name__,
                grid=(int(grid_x), int(grid_y), int(grid_z)),
                arguments={name: _described(arg) for name, arg in zip(self.fn.arg_names, args, strict=True)},
                constants=self.constants,
                types=self.types,
                multiples_of_16=self.multiples_of_16,
                num_warps=self.options.num_warps,
                num_stages=self.options.num_stages,
                compiled=self.compiled,
            )
        )


def _described_tensor(tensor: torch.Tensor) -> TensorArgument:
    return TensorArgument(
        shape=tuple(tensor.shape),
        dtype=tensor.dtype,
        strides=tensor.stride(),
        offset=int(tensor.storage_offset()),
        aligned=tensor.data_ptr() % 16 == 0,
    )


def _described(argument: object) -> Argument:
    if isinstance(argument, torch.Tensor):
        return _described_tensor(argument)
    if isinstance(argument, TensorDescriptor):
        shape, strides, block_shape = map(tuple, (argument.shape, argument.strides, argument.block_shape))
        return DescriptorArgument(_described_tensor(argument.base), shape, strides, block_shape)
    if isinstance(argument, tuple):
        return tuple(_described(part) for part in argument)
    return argument if isinstance(argument, bool | int | float | str | None) else str(argument)


class _Driver:
    """What `JITFunction.run` and the autotuner ask of the active driver. A chip is the device of its own number."""

    def __init__(self, arch: int) -> None:
        self._arch = arch

    def get_current_device(self) -> int:
        return self._arch

    def get_current_stream(self, device: int) -> int:  # noqa: ARG002
        return 0

    def get_current_target(self) -> GPUTarget:
        return GPUTarget("cuda", self._arch, 32)

    def get_active_torch_device(self) -> torch.device:
        return torch.device("cpu")

    def get_benchmarker(self) -> Callable[..., list[float]]:
        """All configurations take no time: the autotuner takes the first, and launches no other."""
        return lambda *args, **kwargs: [0.0, 0.0, 0.0]  # noqa: ARG005


@contextmanager
def recording_driver(arch: int, *, compiles: bool = True) -> Iterator[Recording]:
    """Record what is launched inside, specialised as for this architecture, and with `compiles` also compiled for it.

    Outputs keep what they held: nothing runs. Of an autotuner's configurations the first is taken.

    Raises:
        ValueError: if the chip is unknown.
        OutOfResources: from the launch, as on the chip, if a compiled kernel's shared memory does not fit.
        RuntimeError: if kernels are interpreted in this process.
    """
    if triton.knobs.runtime.interpret:
        raise RuntimeError("kernels are interpreted in this process: record launches without TRITON_INTERPRET")
    recording = Recording(chip(arch).arch, compiles)

    def do_compile(
        self: JITFunction,
        key: str,
        signature: dict[str, str],
        device: int,  # noqa: ARG001
        constexprs: dict[tuple[int, ...], object],
        options: _Options,
        attrs: dict[tuple[int, ...], list[list[object]]],
        warmup: bool,  # noqa: ARG001
    ) -> _Specialised:
        return recording.specialise(self, key, signature, constexprs, options, attrs)

    with mock.patch.object(driver, "_active", _Driver(arch)), mock.patch.object(JITFunction, "_do_compile", do_compile):
        yield recording
