"""What each pickle opcode does to the stack machine. An opcode that is not in the table is refused."""

from collections.abc import Callable
from typing import Any

from wplus.checkpoints.pickle_machine import Machine, pairs, refuse

_MAX_INTEGER_BITS = 512

Step = Callable[[Machine, Any], None]


def _nothing(_machine: Machine, _: Any) -> None:
    """PROTO, FRAME and STOP say nothing that we need."""


def _push(machine: Machine, value: Any) -> None:
    machine.stack.append(value)


def _push_constant(value: Any) -> Step:
    return lambda machine, _: machine.stack.append(value)


def _push_new(make: Callable[[], Any]) -> Step:
    return lambda machine, _: machine.stack.append(make())


def _push_integer(machine: Machine, value: int) -> None:
    if value.bit_length() > _MAX_INTEGER_BITS:
        refuse(f"an integer of more than {_MAX_INTEGER_BITS // 8} bytes")
    machine.stack.append(value)


def _push_tuple(size: int) -> Step:
    def step(machine: Machine, _: Any) -> None:
        if len(machine.stack) < size:
            refuse("a tuple of more than the stack holds")
        cut = len(machine.stack) - size
        machine.stack[cut:] = [tuple(machine.stack[cut:])]

    return step


def _close(make: Callable[[list[Any]], Any]) -> Step:
    """A step that turns the innermost open list into one object."""

    def step(machine: Machine, _: Any) -> None:
        items = machine.pop_mark()
        machine.stack.append(make(items))

    return step


def _pop(machine: Machine, _: Any) -> None:
    if machine.stack:
        machine.stack.pop()
    else:
        machine.pop_mark()


def _set_item(machine: Machine, _: Any) -> None:
    value, key = machine.stack.pop(), machine.stack.pop()
    machine.set_items([key, value])


def _put(machine: Machine, index: int) -> None:
    machine.memo[index] = machine.stack[-1]


def _get(machine: Machine, index: int) -> None:
    if index not in machine.memo:
        refuse(f"it recalls object {index}, which it never stored")
    machine.stack.append(machine.memo[index])


def _global(machine: Machine, argument: str) -> None:
    module, _, name = argument.partition(" ")
    machine.look_up(module, name)


def _stack_global(machine: Machine, _: Any) -> None:
    name, module = machine.stack.pop(), machine.stack.pop()
    machine.look_up(module, name)


STEPS: dict[str, Step] = {
    **dict.fromkeys(["PROTO", "FRAME", "STOP"], _nothing),
    **dict.fromkeys(["INT", "LONG", "BININT", "BININT1", "BININT2", "LONG1", "LONG4"], _push_integer),
    **dict.fromkeys(["FLOAT", "BINFLOAT", "STRING", "BINSTRING", "SHORT_BINSTRING"], _push),
    **dict.fromkeys(["UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"], _push),
    **dict.fromkeys(["SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"], _push),
    **dict.fromkeys(["PUT", "BINPUT", "LONG_BINPUT"], _put),
    **dict.fromkeys(["GET", "BINGET", "LONG_BINGET"], _get),
    "MEMOIZE": lambda m, _: _put(m, len(m.memo)),
    "NONE": _push_constant(None),
    "NEWTRUE": _push_constant(True),
    "NEWFALSE": _push_constant(False),
    "MARK": lambda m, _: m.mark(),
    "POP": _pop,
    "POP_MARK": lambda m, _: m.pop_mark().clear(),
    "DUP": lambda m, _: m.stack.append(m.stack[-1]),
    "EMPTY_TUPLE": _push_constant(()),
    "TUPLE1": _push_tuple(1),
    "TUPLE2": _push_tuple(2),
    "TUPLE3": _push_tuple(3),
    "TUPLE": _close(tuple),
    "EMPTY_LIST": _push_new(list),
    "LIST": _close(list),
    "APPEND": lambda m, _: m.extend([m.stack.pop()]),
    "APPENDS": lambda m, _: m.extend(m.pop_mark()),
    "EMPTY_DICT": _push_new(dict),
    "DICT": _close(pairs),
    "SETITEM": _set_item,
    "SETITEMS": lambda m, _: m.set_items(m.pop_mark()),
    "EMPTY_SET": _push_new(set),
    "ADDITEMS": lambda m, _: m.add_items(m.pop_mark()),
    "GLOBAL": _global,
    "STACK_GLOBAL": _stack_global,
    "REDUCE": lambda m, _: m.call(m.stack.pop()),
    "NEWOBJ": lambda m, _: m.call(m.stack.pop(), new=True),
    "BUILD": lambda m, _: m.build(),
    "PERSID": lambda m, pid: m.resolve(pid),
    "BINPERSID": lambda m, _: m.resolve(m.stack.pop()),
}
