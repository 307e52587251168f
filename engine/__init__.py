"""wplus: the engine that runs image generators.

    import wplus

    G = wplus.load("network.pkl")
    for batch in G.sample(range(36), truncation_psi=0.7):
        ...

Importing it imports nothing else: names are loaded when they are first used (PEP 562).
"""

from importlib import import_module, metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wplus import latents
    from wplus.errors import (
        ArtifactError,
        CheckpointError,
        LatentMismatchError,
        ParityError,
        UnsupportedError,
        WplusError,
    )
    from wplus.generator import Generator
    from wplus.inversion.run import Inversion, invert
    from wplus.latents import Latents
    from wplus.loading import load
    from wplus.sampling import Batch
    from wplus.wrapping import wrap

__all__ = [
    "ArtifactError",
    "Batch",
    "CheckpointError",
    "Generator",
    "Inversion",
    "LatentMismatchError",
    "Latents",
    "ParityError",
    "UnsupportedError",
    "WplusError",
    "__version__",
    "invert",
    "latents",
    "load",
    "wrap",
]

_HOMES = {
    "Batch": "wplus.sampling",
    "Generator": "wplus.generator",
    "Inversion": "wplus.inversion.run",
    "invert": "wplus.inversion.run",
    "Latents": "wplus.latents",
    "load": "wplus.loading",
    "wrap": "wplus.wrapping",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return metadata.version("wplus")
    if name == "latents":
        return import_module("wplus.latents")
    if name in __all__:
        return getattr(import_module(_HOMES.get(name, "wplus.errors")), name)
    raise AttributeError(f"module 'wplus' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
