"""The objects in NVIDIA's pickles, read as data: the source text that a file carries stays text and is never run."""

from collections.abc import Iterator
from typing import Any

from wplus.checkpoints.numpy_stubs import numpy_stubs
from wplus.checkpoints.pickle_machine import Budget, Globals, Inert, Stub, check_key, pairs, refuse, shown
from wplus.checkpoints.relatives import foreign_stubs
from wplus.checkpoints.safe_pickle import Reader, run_pickle
from wplus.checkpoints.torch_stubs import Tensor, torch_stubs

_KNOWN_VERSION = 6  # of torch_utils.persistence, the same in both repositories since their first commits
_MAX_NAME = 80  # characters in the name of a class, module or tensor
_MAX_PARTS = 20_000  # modules and tensors of one network; a 1024 px one has some 300


class Module(Inert):
    """A torch module as `torch_utils.persistence` keeps it: the name of its class and its `__dict__`."""

    __slots__ = ("class_name", "state")

    def __init__(self, meta: Any) -> None:
        if not isinstance(meta, dict) or meta.get("type") != "class" or not isinstance(meta.get("state"), dict):
            refuse("an object of torch_utils.persistence without class and state")
        version = meta.get("version")
        name: Any = meta.get("class_name")
        if not _is_name(name):
            refuse("an object of torch_utils.persistence without a class name")
        if version != _KNOWN_VERSION:
            refuse(f"version {shown(version)} of torch_utils.persistence; version {_KNOWN_VERSION} is known")
        self.class_name: str = name
        self.state: dict[str, Any] = meta["state"]

    def modules(self) -> dict[str, "Module"]:
        """The modules directly inside this one."""
        return {name: module for name, module in self._table("_modules").items() if isinstance(module, Module)}

    def tensors(self) -> dict[str, Tensor]:
        """Every parameter and persistent buffer under its state-dict name."""
        found: dict[str, Tensor] = {}
        waiting, visited = [("", self)], 0
        while waiting:
            prefix, module = waiting.pop()
            found.update((prefix + name, tensor) for name, tensor in module._own_tensors())
            waiting.extend((f"{prefix}{name}.", child) for name, child in module.modules().items())
            visited += 1
            if visited + len(waiting) + len(found) > _MAX_PARTS:
                refuse(f"a network of more than {_MAX_PARTS:,} parts")
        return found

    def _own_tensors(self) -> Iterator[tuple[str, Tensor]]:
        passing = self.state.get("_non_persistent_buffers_set")
        buffers = {
            name: value
            for name, value in self._table("_buffers").items()
            if not (isinstance(passing, set) and name in passing)
        }
        for name, value in (*self._table("_parameters").items(), *buffers.items()):
            if isinstance(value, Tensor):
                yield name, value
            elif value is not None:
                refuse(f"{name} of a {self.class_name} is a {type(value).__name__}, not a tensor")

    def _table(self, name: str) -> dict[str, Any]:
        table = self.state.get(name) or {}
        if not isinstance(table, dict) or len(table) > _MAX_PARTS or not all(map(_is_name, table)):
            refuse(f"the {name} of a {self.class_name} are not a dict of names")
        return table


def _is_name(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _MAX_NAME


class TensorFlowNetwork(Inert):
    """A `dnnlib.tflib` network of the TensorFlow repositories."""

    __slots__ = ("state",)

    def __init__(self, *_: object) -> None:
        self.state: dict[str, Any] = {}

    def build(self, state: object) -> None:
        """Keeps the state."""
        if not isinstance(state, dict):
            refuse("a dnnlib.tflib network without its state")
        self.state = state


def load_pickle(data: memoryview) -> tuple[Any, Budget]:
    """What NVIDIA's `pickle.dump` wrote, as containers, `Module`s and `Tensor`s, and what the file may still cost.

    Raises:
        CheckpointError: the pickle is damaged, hostile, or needs a global that such files never name.
    """
    budget = Budget(len(data))
    return run_pickle(Reader(data), stubs=_stubs(budget), budget=budget), budget


def _stubs(budget: Budget) -> Globals:
    dicts = Stub("dict", _make_dict, is_class=True)
    sets = Stub("set", _make_set, is_class=True)
    return {
        **torch_stubs(budget),
        **numpy_stubs(budget),
        **foreign_stubs(),
        ("torch_utils.persistence", "_reconstruct_persistent_obj"): Stub("persistent object", Module),
        ("dnnlib.tflib.network", "Network"): Stub("TensorFlow network", TensorFlowNetwork, is_class=True),
        ("dnnlib.util", "EasyDict"): dicts,
        ("dnnlib", "EasyDict"): dicts,
        ("collections", "OrderedDict"): dicts,
        ("builtins", "set"): sets,
        ("__builtin__", "set"): sets,
    }


def _make_dict(items: Any = ()) -> dict[Any, Any]:
    if isinstance(items, dict):
        return dict(items)
    flat: list[Any] = []
    for pair in items:
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            refuse("a dict made from something other than pairs")
        flat.extend(pair)
    return pairs(flat)


def _make_set(items: Any = ()) -> set[Any]:
    return {check_key(item) for item in items}
