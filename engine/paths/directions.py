"""Direction files that people have: of InterFaceGAN, e4e, GANSpace, SeFa, per layer or for all, and latents of ours."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wplus.errors import ArtifactError, CheckpointError
from wplus.latents import Latents, check_generator
from wplus.numpy_files import read_arrays

if TYPE_CHECKING:
    from wplus.generator import Generator

_Array = NDArray[np.float32]

_SUFFIXES = (".npz", ".npy", ".pt", ".pth")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Contents:
    """What a file holds: directions as rows `[N, dim]`, or one per layer `[N, num_ws, dim]`."""

    rows: NDArray[Any]
    latents: Latents | None = None  # where it is a latent file of ours


def load_direction(path: Path, G: "Generator", *, index: int = 0, allow_mismatch: bool = False) -> _Array:
    """What one step along a direction adds to a latent: `[num_ws, w_dim]`, or z `[*z_shape]` where there is no w.

    Read are: `.npy`, `.npz` and `.pt` with `[dim]`, `[N, dim]`, `[num_ws, dim]` or `[N, num_ws, dim]`; GANSpace's
    components, each times its standard deviation (keys `comp` and `std`, or `lat_comp` and `lat_stdev`); SeFa's
    `eigvec`, whose columns they are. Lengths stay as they are in the file.

    Args:
        path: The file.
        G: The generator.
        index: Row or component, where there are several.
        allow_mismatch: Take a direction of another generator, where the file says whose it is.

    Raises:
        ArtifactError: the file cannot be read, or holds no such thing.
        ValueError: its directions are of another size, or there are fewer of them.
        LatentMismatchError: it belongs to another generator.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise ArtifactError(f"{path.name} is no direction file by its name; {', '.join(_SUFFIXES)} are read.")
    if not path.is_file():
        raise ArtifactError(f"{path} does not exist, or is no file.")
    try:
        contents = _read_numpy(path) if path.suffix.lower() in (".npz", ".npy") else _read_torch(path)
    except (CheckpointError, ValueError) as exc:
        raise ArtifactError(f"{path} holds no direction that can be read: {exc}") from exc
    if contents.latents is not None:
        check_generator(contents.latents, G, allow_mismatch=allow_mismatch)
    return _chosen(path, np.asarray(contents.rows, np.float32), G, index)


def _chosen(path: Path, values: _Array, G: "Generator", index: int) -> _Array:
    dim, num_ws = (G.w_dim, G.num_ws) if G.has_w else (int(np.prod(G.z_shape)), None)
    if values.ndim == 1:
        values = values[None]
    if values.ndim == 3 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim == 2 and num_ws is not None and values.shape[0] == num_ws and num_ws > 1 and index == 0:
        _log.info("%s is %s: taken as one direction with a part for each layer.", path, list(values.shape))
        values = values[None]
    fits = (values.ndim == 2 or (values.ndim == 3 and values.shape[1] == num_ws)) and values.shape[-1] == dim
    if not fits:
        layers = f", [{num_ws}, {dim}]" if num_ws else ""
        raise ValueError(
            f"{path} has directions of {list(values.shape)}; {G.name} needs [{dim}], [N, {dim}]{layers}. "
            "Is it of another generator?"
        )
    if index >= len(values):
        raise ValueError(f"{path} has the directions 0 to {len(values) - 1}; {index} is asked for.")
    chosen: _Array = values[index]
    if not np.isfinite(chosen).all():
        raise ArtifactError(f"{path} has numbers that are NaN or infinite.")
    if num_ws is None:
        return chosen.reshape(G.z_shape)
    return np.array(np.broadcast_to(chosen, (num_ws, dim)))


def _read_numpy(path: Path) -> _Contents:
    arrays, names = read_arrays(path)
    if "meta" in names:
        latents = Latents.load(path)
        return _Contents(rows=latents.values, latents=latents)
    if "" in names:
        return _Contents(rows=_floats("its array", arrays[""]))
    return _Contents(rows=_of_names(arrays))


def _read_torch(path: Path) -> _Contents:
    from wplus.checkpoints.torch_zip import load_torch_file, to_float32

    content, size = load_torch_file(path), path.stat().st_size
    if not isinstance(content, Mapping):
        return _Contents(rows=to_float32("its content", content, file_bytes=size))
    known = {
        str(name): to_float32(str(name), value, file_bytes=size)
        for name, value in content.items()
        if str(name) in _NAMES
    }
    return _Contents(rows=_of_names(known))


_NAMES = ("comp", "std", "lat_comp", "lat_stdev", "eigvec", "direction", "boundary", "w")


def _of_names(arrays: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    """Directions as rows, out of what a file holds by name."""
    for components, deviations in (("lat_comp", "lat_stdev"), ("comp", "std")):
        if components in arrays and deviations in arrays:
            comp = _floats(components, arrays[components])
            std = _floats(deviations, arrays[deviations]).ravel()
            if comp.ndim < 2 or len(std) != len(comp):
                raise ValueError(f"{components} is {list(comp.shape)} and {deviations} has {len(std)} numbers.")
            scaled: NDArray[Any] = comp.reshape(len(comp), -1) * std[:, None]
            return scaled
    if "eigvec" in arrays:
        return _floats("eigvec", arrays["eigvec"]).T
    for name in ("direction", "boundary", "w"):
        if name in arrays:
            return _floats(name, arrays[name])
    raise ValueError(f"it has {', '.join(arrays)[:200] or 'nothing known'}; directions are named {', '.join(_NAMES)}.")


def _floats(name: str, values: NDArray[Any]) -> NDArray[Any]:
    if not np.issubdtype(values.dtype, np.floating):
        raise ValueError(f"{name} has {values.dtype} where floating-point numbers are needed.")
    return values
