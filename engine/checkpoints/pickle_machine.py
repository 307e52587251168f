"""A stack machine for pickles that can build containers and our own inert stubs, and nothing else.

Python's unpickler calls whatever a file names. This one looks every global up in a table of stubs, calls only those,
knows no other object, and counts what it does: opcodes, nesting, bytes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from wplus.checkpoints.pickle_shape import MAX_DEPTH
from wplus.errors import CheckpointError

MAX_OPCODES = 1_000_000  # a full training snapshot of a 1024 px network takes some 70,000


@dataclass(frozen=True, slots=True, eq=False)
class Stub:
    """What stands for a global: `make` is called in its place; `is_class` allows NEWOBJ."""

    name: str
    make: Callable[..., Any]
    is_class: bool = False


Globals = Mapping[tuple[str, str], Stub]


class Inert:
    """An object that a pickle may create. `build` receives its state; the default refuses one."""

    __slots__ = ()

    def build(self, state: object) -> None:  # noqa: ARG002 - the signature that overriding classes share
        """Takes the state that BUILD carries."""
        refuse(f"state for a {type(self).__name__}, which takes none")


class Budget:
    """What one file may cost in all, its nested pickles included."""

    def __init__(self, file_bytes: int) -> None:
        self.opcodes = MAX_OPCODES
        self.bytes = 2 * file_bytes + 65536  # twice: half precision grows to float32

    def spend(self, *, opcodes: int = 0, size: int = 0) -> None:
        """Raises `CheckpointError` when the file has used up what its size entitles it to."""
        self.opcodes -= opcodes
        self.bytes -= size
        if self.opcodes < 0:
            refuse(f"it takes more than {MAX_OPCODES:,} steps to read, and no real checkpoint does")
        if self.bytes < 0:
            refuse("its objects are larger than the file itself")


def refuse(what: str) -> NoReturn:
    """Raises the `CheckpointError` of a pickle that is damaged or hostile."""
    raise CheckpointError(f"The pickle was refused: {what}.")


def shown(value: object) -> str:
    """A value for a message. Containers are named, not written out: a few bytes can hold a text of gigabytes."""
    if isinstance(value, tuple) and len(value) <= 8:
        return f"({', '.join(_shown_flat(item) for item in value)})"
    return _shown_flat(value)


def _shown_flat(value: object) -> str:
    if isinstance(value, (str, bytes)):
        return repr(value[:80])
    return repr(value) if value is None or isinstance(value, (int, float)) else f"a {type(value).__name__}"


class Machine:
    """The state of one run: stack, the stacks below open marks, memo."""

    def __init__(self, stubs: Globals, persistent: Callable[[Any], Any] | None, budget: Budget) -> None:
        self.stubs = stubs
        self.persistent = persistent
        self.budget = budget
        self.stack: list[Any] = []
        self.outer: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def mark(self) -> None:
        """Opens a list."""
        if len(self.outer) >= MAX_DEPTH:
            refuse(f"lists are nested more than {MAX_DEPTH} deep")
        self.outer.append(self.stack)
        self.stack = []

    def pop_mark(self) -> list[Any]:
        """Closes the innermost open list and returns what is in it."""
        items = self.stack
        self.stack = self.outer.pop()
        return items

    def look_up(self, module: object, name: object) -> None:
        """Pushes the stub of a global."""
        if not isinstance(module, str) or not isinstance(name, str):
            refuse("a global is named by something other than text")
        stub = self.stubs.get((module, name))
        if stub is None:
            refuse(
                f"it asks for {module[:80]}.{name[:80]}, which is not on the list of what a checkpoint needs. "
                "Nothing of the file was run. If you trust it, load it with the code that wrote it "
                "and save the generator's state dict"
            )
        self.stack.append(stub)

    def call(self, arguments: object, *, new: bool = False) -> None:
        """Replaces the stub on top of the stack by what it makes."""
        stub = self.stack.pop()
        if not isinstance(stub, Stub) or (new and not stub.is_class):
            refuse(f"it calls a {type(stub).__name__}")
        if not isinstance(arguments, tuple):
            refuse("it calls something without a tuple of arguments")
        self.budget.spend(opcodes=sum(len(a) for a in arguments if isinstance(a, (list, tuple, dict, set))))
        self.stack.append(stub.make(*arguments))

    def build(self) -> None:
        """Gives an inert object its state."""
        state = self.stack.pop()
        target = self.stack[-1]
        if isinstance(target, Inert):
            target.build(state)
        elif not (isinstance(target, dict) and isinstance(state, dict)):
            refuse(f"it gives state to a {type(target).__name__}")
        # A dict's own attributes (OrderedDict._metadata of a state dict) mean nothing to us.

    def extend(self, items: list[Any]) -> None:
        """Appends to the list on top of the stack."""
        target = self.stack[-1]
        if type(target) is not list:
            refuse(f"it appends to a {type(target).__name__}")
        target.extend(items)

    def set_items(self, items: list[Any]) -> None:
        """Fills the dict on top of the stack from alternating keys and values."""
        target = self.stack[-1]
        if not isinstance(target, dict):
            refuse(f"it puts items into a {type(target).__name__}")
        target.update(pairs(items))

    def add_items(self, items: list[Any]) -> None:
        """Fills the set on top of the stack."""
        target = self.stack[-1]
        if type(target) is not set:
            refuse(f"it adds to a {type(target).__name__}")
        target.update(check_key(item) for item in items)

    def resolve(self, pid: object) -> None:
        """Pushes what a persistent id stands for."""
        if self.persistent is None:
            refuse("it refers to objects outside itself")
        self.stack.append(self.persistent(pid))


def check_key(key: object) -> Any:
    """A key whose hash is cheap and cannot be aimed at collisions."""
    if key is None or isinstance(key, (str, bytes)) or (isinstance(key, int) and abs(key) < 2**31):
        return key
    return refuse(f"a {type(key).__name__} as the key of a dict")


def pairs(items: list[Any]) -> dict[Any, Any]:
    """The dict of alternating keys and values."""
    if len(items) % 2:
        refuse("a dict with a key and no value")
    return {check_key(key): value for key, value in zip(items[::2], items[1::2], strict=True)}
