"""Reads a pickle as data: nothing in it is ever executed. `pickletools` decodes the opcodes; it only parses."""

import pickletools
from collections.abc import Callable
from typing import Any

from wplus.checkpoints.pickle_machine import Budget, Globals, Inert, Machine, refuse
from wplus.checkpoints.pickle_opcodes import STEPS
from wplus.checkpoints.pickle_shape import ShapeError, check_shape
from wplus.errors import CheckpointError

_SMALL_READ = 4096


class Reader:
    """Bytes whose reads never exceed what is left of them; long reads are views, not copies."""

    def __init__(self, data: memoryview) -> None:
        self.data = data
        self.position = 0

    def tell(self) -> int:
        """The offset of the next byte."""
        return self.position

    def read(self, size: int) -> bytes | memoryview:
        """The next `size` bytes, or what is left."""
        part = self.data[self.position : self.position + size]
        self.position += len(part)
        return part if len(part) > _SMALL_READ else bytes(part)

    def readline(self) -> bytes:
        """The bytes up to and with the next newline, or none of them when there is no newline near."""
        near = bytes(self.data[self.position : self.position + _SMALL_READ])
        line = near[: near.find(b"\n") + 1]
        self.position += len(line)
        return line


def run_pickle(
    reader: Reader, *, stubs: Globals, budget: Budget, persistent: Callable[[Any], Any] | None = None
) -> Any:
    """The object that a pickle describes, made of containers, numbers, strings and what the stubs return.

    Args:
        reader: The pickle. It is left behind the STOP opcode, so that what follows can be read.
        stubs: (module, name) to the stand-in for that global. Anything else is refused.
        budget: What the whole file may still cost.
        persistent: Resolves persistent ids (torch's storages); without it they are refused.

    Raises:
        CheckpointError: the pickle is damaged, needs a global outside `stubs`, or costs too much.
    """
    machine = Machine(stubs, persistent, budget)
    try:
        for opcode, argument, position in pickletools.genops(reader):  # type: ignore[arg-type]
            budget.spend(opcodes=1)
            step = STEPS.get(opcode.name)
            if step is None:
                refuse(f"opcode {opcode.name} at byte {position} has no place in a checkpoint")
            step(machine, argument)
        result = machine.stack.pop()
        check_shape(result, (dict, list, tuple, Inert))
    except ShapeError as exc:
        refuse(str(exc))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, MemoryError) as exc:
        raise CheckpointError(f"The pickle is damaged or cut short: {exc or type(exc).__name__}.") from exc
    if machine.outer:
        refuse("it ends inside an open list")
    return result
