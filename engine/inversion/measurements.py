"""Measurements of pictures: made, with noise, and kept in a file that stands alone."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from wplus import __version__
from wplus.errors import ArtifactError
from wplus.files import whole_file
from wplus.latents import check_seed
from wplus.numpy_files import Arrays, read_arrays

if TYPE_CHECKING:
    from torch import Tensor

    from wplus.inversion.operators import Operator

FORMAT_VERSION = 1

_STORED = "operator/"
_STREAM_NOISE = 2**32 + 2  # second word of Philox's key; those below are the operators'


@dataclass(frozen=True, eq=False, kw_only=True)
class Measurements:
    """What was measured of N pictures, by which operator, and how exactly."""

    y: NDArray[np.float32]  # [N, *operator.y_shape]
    operator: "Operator"
    sigma: float = 0.0  # standard deviation of the noise, in the units of y; 0: there is none, or it is not known

    def __post_init__(self) -> None:
        _check_sigma(self.sigma)
        shape = self.operator.y_shape
        if self.y.ndim != len(shape) + 1 or self.y.shape[1:] != shape or len(self.y) == 0:
            raise ValueError(
                f"The measurements are {list(self.y.shape)}; the operator {self.operator.spec} on pictures "
                f"{list(self.operator.img_shape)} gives [N, {', '.join(map(str, shape))}]."
            )
        if self.y.dtype != np.float32 or not np.isfinite(self.y).all():
            raise ValueError("The measurements have numbers that are NaN or infinite, or are not float32.")

    def save(self, path: str | Path) -> None:
        """Writes them as `.npz`, with what the operator read from files.

        Raises:
            ValueError: the name does not end in .npz.
            ArtifactError: the file cannot be written.
        """
        path = Path(path)
        if path.suffix != ".npz":
            raise ValueError(f"Measurements are saved as .npz; {path.name} ends otherwise.")
        meta = {
            "format": FORMAT_VERSION,
            "version": __version__,
            "operator": _without_folder(self.operator),
            "img_shape": self.operator.img_shape,
            "seed": self.operator.seed,
            "sigma": self.sigma,
        }
        arrays: dict[str, Any] = {f"{_STORED}{name}": value for name, value in self.operator.stored.items()}
        with whole_file(path) as temporary, temporary.open("wb") as stream:
            np.savez(stream, y=self.y, meta=np.array(json.dumps(meta)), **arrays)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Reads what `save` wrote; no other file is opened.

        Raises:
            ArtifactError: there is no such file, or it is damaged, or its parts do not fit each other.
        """
        from wplus.inversion.operators import make_operator

        path = Path(path)
        arrays, meta = _read(path, with_stored=True)
        stored = {name.removeprefix(_STORED): value for name, value in arrays.items() if name.startswith(_STORED)}
        try:
            operator = make_operator(meta.operator, img_shape=meta.img_shape, seed=meta.seed, stored=stored)
            return cls(y=_floats(arrays["y"]), operator=operator, sigma=meta.sigma)
        except ValueError as exc:
            raise ArtifactError(f"{path} holds no measurements that can be used: {exc}") from exc


def measure(operator: "Operator", img: "Tensor", *, seeds: Sequence[int], sigma: float = 0.0) -> Measurements:
    """y = A img + sigma n, where n is standard normal: numpy's Philox by the seed of each picture, on the CPU.

    Args:
        operator: A.
        img: `[N, C, H, W]`, float32, about [-1, 1].
        seeds: One per picture.
        sigma: Standard deviation of the noise, in the units of y.

    Raises:
        ValueError: the pictures do not fit the operator, sigma is negative, or there are not N seeds.
    """
    _check_sigma(sigma)
    if len(seeds) != len(img):
        raise ValueError(f"There are {len(seeds)} seeds for {len(img)} pictures; one for each is needed.")
    y = operator(img).detach().cpu().numpy().astype(np.float32)
    if sigma > 0:
        keys = [check_seed(seed) for seed in seeds]
        streams = [np.random.Generator(np.random.Philox(key=[key, _STREAM_NOISE])) for key in keys]
        y = y + np.float32(sigma) * np.stack([s.standard_normal(operator.y_shape, dtype=np.float32) for s in streams])
    return Measurements(y=y, operator=operator, sigma=sigma)


def is_measurements(path: Path) -> bool:
    """Whether a `.npz` holds measurements, whole or not; no torch is needed."""
    try:
        return "y" in read_arrays(path, wanted=lambda _: False)[1]
    except ValueError:
        return False


def measurement_facts(path: Path) -> dict[str, Any]:
    """What a file of measurements says of itself; no torch is needed.

    Raises:
        ArtifactError: it is damaged.
    """
    arrays, meta = _read(path, with_stored=False)
    shape = arrays["y"].shape
    channels, height, width = meta.img_shape
    count = math.prod(shape[1:])
    return {
        "format": "measurements",
        "operator": meta.operator,
        "pictures": shape[0] if shape else 0,
        "shape": list(shape),
        "picture_size": f"{width}x{height}, {channels} channels",
        "compression": f"{math.prod(meta.img_shape) / max(count, 1):.4g}",
        "sigma": meta.sigma,
        "seed": meta.seed,
    }


class _Meta(NamedTuple):
    operator: str
    img_shape: tuple[int, int, int]
    seed: int
    sigma: float


def _read(path: Path, *, with_stored: bool) -> tuple[Arrays, _Meta]:
    """The arrays of a file, and what it says of itself.

    Raises:
        ArtifactError: there is no such file, or it holds something else.
    """
    if not path.is_file():
        raise ArtifactError(f"{path} does not exist, or is no file.")
    try:
        wanted = ("y", "meta")
        arrays, names = read_arrays(path, wanted=lambda name: name in wanted or (with_stored and "/" in name))
        if not set(wanted) <= set(arrays):
            raise ValueError(f"it has the arrays {', '.join(names)[:200] or 'none'}; y and meta are needed.")
        return arrays, _parsed(str(arrays["meta"]))
    except ValueError as exc:
        raise ArtifactError(f"{path} holds no measurements that can be read: {exc}") from exc


def _parsed(text: str) -> _Meta:
    try:
        content = json.loads(text)
        version, *values = (content[key] for key in ("format", "operator", "img_shape", "seed", "sigma"))
    except (ValueError, KeyError, TypeError, RecursionError) as exc:
        raise ValueError("what it says of itself cannot be read.") from exc
    operator, shape, seed, sigma = values
    sound = (
        isinstance(shape, list) and len(shape) == 3 and all(type(side) is int and 0 < side < 2**15 for side in shape)
    )
    if not sound or type(version) is not int or type(seed) is not int or type(sigma) not in (int, float):
        raise ValueError("what it says of itself makes no sense.")
    if not isinstance(operator, str) or not operator.isprintable() or not 0 <= seed < 2**32:
        raise ValueError("what it says of itself makes no sense.")
    if version > FORMAT_VERSION:
        raise ValueError(f"it has format {version}; this version of wplus reads up to {FORMAT_VERSION}.")
    return _Meta(operator, (shape[0], shape[1], shape[2]), seed, float(sigma))


def _floats(values: NDArray[Any]) -> NDArray[np.float32]:
    if values.dtype.kind != "f":
        raise ValueError(f"y is {values.dtype}; floating-point numbers are needed.")
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(values, np.float32)


def _without_folder(operator: "Operator") -> str:
    name, colon, argument = operator.spec.partition(":")
    return f"{name}{colon}{Path(argument).name}" if operator.stored else operator.spec


def _check_sigma(sigma: float) -> None:
    if not 0 <= sigma < math.inf:
        raise ValueError(f"sigma is {sigma:g}; a standard deviation of at least 0, in the units of y, is needed.")
