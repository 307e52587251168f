"""How a show opens its generator: at once in whatever can run, and again in what may be faster or cheaper."""

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any

from wplus.errors import UnsupportedError
from wplus.generator import Generator
from wplus.loading import load

Open = Callable[[], Generator]


def openers(opening: Mapping[str, Any]) -> tuple[Open, Open | None, Open | None]:
    """What opens the generator that draws first, one that may be faster, and one of a lower precision.

    Args:
        opening: What `wplus.load` takes; its first argument is called "network" here.
    """
    opened: list[str] = []

    def first() -> Generator:
        G = _open(opening)
        opened[:] = [G.backend, G.device]
        return G

    def faster() -> Generator:
        backend = _other_runtime(*opened)
        if backend is None:
            raise UnsupportedError(f"{opened[0]} is the fastest runtime that is installed for {opened[1]}.")
        return _open({**opening, "backend": backend})

    def lower() -> Generator:
        return _open({**opening, "precision": "fast"})

    chosen = opening["backend"] == "auto" and opening["tuning"] is None
    return first, faster if chosen else None, lower if opening["precision"] == "exact" else None


def _open(opening: Mapping[str, Any]) -> Generator:
    return load(opening["network"], **{name: value for name, value in opening.items() if name != "network"})


def _other_runtime(backend: str, device: str) -> str | None:
    """The runtime that is usually the fastest on a device, if it is here and draws not already."""
    names = {"cpu": ("openvino", "onnxruntime"), "cuda": ("tensorrt",)}.get(device.split(":")[0], ())
    best = next((name for name in names if find_spec(name) is not None), None)
    return None if best == backend or backend != "torch" else best
