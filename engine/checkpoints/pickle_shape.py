"""Refuses nested containers that a walk could not finish: cycles, great depth, lists that share lists."""

from collections.abc import Iterator, Sized
from typing import Any

MAX_DEPTH = 200
MAX_EXPANDED = 2_000_000  # items of the result if every shared container were written out


class ShapeError(ValueError):
    """The containers are nested in a way that no checkpoint needs."""


def check_shape(root: object, containers: tuple[type, ...]) -> None:
    """Walks every container once, by identity, without recursion.

    Args:
        root: Where the walk begins.
        containers: The types to look into: dicts (their values), sequences, and objects with `__slots__`.

    Raises:
        ShapeError: a container contains itself, nesting is deeper than `MAX_DEPTH`, or shared containers would fill
            the memory if they were written out.
    """
    done: dict[int, int] = {}  # id -> items when written out
    path = [_Node(root, containers)]
    active = {id(root)}
    while path:
        node = path[-1]
        child = next(node.children, None)
        if child is None:
            path.pop()
            active.discard(id(node.value))
            done[id(node.value)] = node.size
            child = node.value
            if not path:
                return
            node = path[-1]
        if id(child) in active:
            raise ShapeError("a container contains itself")
        if id(child) in done:
            node.size += done[id(child)]
            if node.size > MAX_EXPANDED:
                raise ShapeError("its containers share each other so often that they would fill the memory")
        elif len(path) >= MAX_DEPTH:
            raise ShapeError(f"containers are nested more than {MAX_DEPTH} deep")
        else:
            path.append(_Node(child, containers))
            active.add(id(child))


class _Node:
    """A container on the way down: what is left of its children, and how many items it holds so far."""

    __slots__ = ("children", "size", "value")

    def __init__(self, value: object, containers: tuple[type, ...]) -> None:
        self.value = value
        self.size = 1 + (len(value) if isinstance(value, Sized) and isinstance(value, containers) else 0)
        self.children = _children(value, containers)


def _children(node: object, containers: tuple[type, ...]) -> Iterator[object]:
    inside: Any = ()
    if isinstance(node, dict):
        inside = node.values()
    elif isinstance(node, (list, tuple)):
        inside = node
    elif isinstance(node, containers):
        inside = (getattr(node, name, None) for name in type(node).__slots__)  # type: ignore[attr-defined]
    return (item for item in inside if isinstance(item, containers))
