"""Triton's CPU interpreter, repaired and with a sanitiser: `install()` once, then launch kernels on CPU tensors.

Replaces private classes of triton.runtime.interpreter, for triton 3.7.1. `repairs` has the arithmetic, `sanitizer` the
memory and the counts.
"""

from dataclasses import replace

import triton
from triton.runtime import interpreter

from triton_tools.repairs import RepairedReduce
from triton_tools.sanitizer import CheckedExecutor, Counts, SanitizedBuilder, counting

__all__ = ["Counts", "counting", "install"]


def install() -> None:
    """Repair the interpreter of this process, for good.

    Raises:
        RuntimeError: if kernels are compiled in this process.
    """
    if not triton.knobs.runtime.interpret:
        raise RuntimeError("kernels are compiled in this process: set TRITON_INTERPRET=1 before triton is imported")
    builder = interpreter.interpreter_builder
    builder.__class__ = SanitizedBuilder
    builder.options = replace(builder.options, debug=True)
    interpreter.ReduceOps = RepairedReduce
    interpreter.GridExecutor = CheckedExecutor
