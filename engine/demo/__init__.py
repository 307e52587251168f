"""The embedded generators: their weights, and the bundles that draw them without torch."""

from importlib import resources
from pathlib import Path

__all__ = ["bundle_folder"]

_BUNDLES = {"demo:portraits": "portraits"}


def bundle_folder(source: str) -> Path | None:
    """The folder of the bundle that ships for `source`; None where none does."""
    name = _BUNDLES.get(source)
    return None if name is None else Path(str(resources.files("wplus.demo") / name))
