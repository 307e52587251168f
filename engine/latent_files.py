"""Latent files: our `.npz`, and what NVIDIA's, rosinality's and encoders' tools write."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wplus import __version__
from wplus.errors import ArtifactError, CheckpointError, LatentMismatchError
from wplus.files import whole_file
from wplus.latents import Latents, Space
from wplus.numpy_files import read_arrays

FORMAT_VERSION = 2  # with a transform; without one, files are of version 1, which older readers know

_KEYS = ("w", "z", "dlatents")
_SPACES: dict[int, Space] = {2: "w", 3: "w+", 4: "z"}  # by the number of axes, where a file says nothing
_NOISE = "noise/"

_Array = NDArray[np.float32]

_log = logging.getLogger(__name__)


def save_latents(latents: Latents, path: str | Path) -> None:
    """Writes latents as `.npz`.

    Raises:
        ValueError: the name does not end in .npz.
        ArtifactError: the file cannot be written.
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise ValueError(f"Latents are saved as .npz; {path.name} ends otherwise.")
    meta = {
        "format": 1 if latents.transform is None else FORMAT_VERSION,
        "version": __version__,
        "space": latents.space,
        "generator": latents.generator,
        "truncation_psi": latents.truncation_psi,
    }
    arrays: dict[str, Any] = {"z" if latents.space == "z" else "w": np.asarray(latents.values, np.float32)}
    arrays.update({f"{_NOISE}{name}": np.asarray(value, np.float32) for name, value in latents.noise.items()})
    if latents.transform is not None:
        arrays["transform"] = np.asarray(latents.transform, np.float32)
    arrays["meta"] = np.array(json.dumps(meta))
    with whole_file(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **arrays)


def load_latents(path: str | Path, *, num_ws: int | None = None, latents_as: Space | None = None) -> Latents:
    """Reads a latent file.

    Ours, NVIDIA's `projected_w.npz` (key `w`), TensorFlow's `dlatents.npz`, `.npy` and `.pt` with `[1, L, D]`,
    `[L, D]`, `[N, L, D]` or `[N, D]`, and rosinality's projections. Three axes are W+, four are
    spatial z. Two are one W+ where the first is `num_ws` long (and a log line says so), else N w's.

    Args:
        num_ws: Style inputs of the generator that the latents are for.
        latents_as: Decides the space of a file that does not name it.

    Raises:
        ArtifactError: there is no such file, or no latents in it, or they are not finite numbers of such a shape.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in (".npz", ".npy", ".pt", ".pth"):
        raise ArtifactError(f"{path.name} is not a latent file by its name; .npz, .npy, .pt and .pth are read.")
    if not path.is_file():
        raise ArtifactError(f"{path} does not exist, or is no file.")
    try:
        contents = _read_torch(path) if suffix in (".pt", ".pth") else _read_numpy(path)
        if contents.meta is not None:
            return _ours(path, contents, contents.meta, latents_as)
        return _foreign(path, contents, num_ws, latents_as or contents.space)
    except (CheckpointError, ValueError) as exc:
        raise ArtifactError(f"{path} holds no latents that can be read: {exc}") from exc


def load_keyframes(paths: Sequence[Path], *, num_ws: int | None, latents_as: Space | None) -> Latents:
    """The latents of several files, one after the other.

    Raises:
        ArtifactError: a file cannot be read.
        ValueError: they do not share space and shape.
        LatentMismatchError: they belong to different generators.
    """
    parts = [load_latents(path, num_ws=num_ws, latents_as=latents_as) for path in paths]
    first = parts[0]
    for path, part in zip(paths, parts, strict=True):
        if part.space != first.space or part.values.shape[1:] != first.values.shape[1:]:
            raise ValueError(
                f"{path} has {part.space} of {list(part.values.shape[1:])}; {paths[0]} has {first.space} of "
                f"{list(first.values.shape[1:])}. Keyframes of one walk need one space and shape."
            )
    owners = {part.generator for part in parts if part.generator is not None}
    if len(owners) > 1:
        raise LatentMismatchError(f"The keyframes belong to different generators: {', '.join(sorted(owners))}.")
    if len({part.truncation_psi for part in parts}) > 1 and first.space == "z":
        raise ValueError(
            "The z's of these files are to be truncated differently. Walk through those of one truncation."
        )
    if len(parts) > 1 and any(part.noise for part in parts):
        _log.warning("The noise in these files is left out: a walk has one, and it is the network's own.")
    if len(parts) > 1 and any(part.transform is not None for part in parts):
        _log.warning("The transforms in these files are left out: a walk moves its pictures by its own options.")
    return Latents(
        values=np.concatenate([part.values for part in parts]),
        space=first.space,
        generator=next(iter(owners), None),
        noise=first.noise if len(parts) == 1 else {},
        transform=first.transform if len(parts) == 1 else None,
        truncation_psi=first.truncation_psi,
    )


def rosinality_noise_name(index: int) -> str:
    """Our name of rosinality's `noises.noise_<index>`: one map at 4 px, then two a resolution."""
    return f"b{4 << ((index + 1) // 2)}.conv{(index + 1) % 2 if index else 1}.noise_const"


class _Contents(NamedTuple):
    values: NDArray[Any]
    noise: Mapping[str, _Array] = {}
    space: Space | None = None  # where the kind of file says it
    meta: str | None = None  # what a file of ours says of itself
    transform: _Array | None = None  # in a file of ours


def _read_numpy(path: Path) -> _Contents:
    """The arrays in a `.npy` or `.npz`, which are told apart by content.

    Raises:
        ValueError: the file is damaged, hostile, or lacks the arrays that are needed.
    """
    known = ("", "meta", "transform", *_KEYS)
    arrays, names = read_arrays(path, wanted=lambda name: name in known or name.startswith(_NOISE))
    if "" in names:
        return _Contents(arrays[""])
    key = next((key for key in _KEYS if key in names), None)
    if key is None:
        raise ValueError(f"it has the arrays {', '.join(names)[:200] or 'none'}; latents are named {', '.join(_KEYS)}.")
    noise = {name.removeprefix(_NOISE): _floats(value) for name, value in arrays.items() if name.startswith(_NOISE)}
    meta = str(arrays["meta"]) if "meta" in arrays else None
    transform = _floats(arrays["transform"]) if "transform" in arrays and meta is not None else None
    return _Contents(arrays[key], noise, "z" if key == "z" else None, meta, transform)


def _read_torch(path: Path) -> _Contents:
    """A tensor, or what rosinality's projector writes: {picture: {"latent": w or W+, "noise": [maps], "img"}}.

    Raises:
        CheckpointError, ValueError: the file is damaged, hostile, or holds something else.
    """
    from wplus.checkpoints.torch_zip import load_torch_file, to_float32

    content, size = load_torch_file(path), path.stat().st_size
    if not isinstance(content, Mapping):
        return _Contents(to_float32("its content", content, file_bytes=size))
    found = [content] if "latent" in content else list(content.values())
    if not found or not all(isinstance(item, Mapping) and "latent" in item for item in found):
        raise ValueError("a tensor, or what rosinality's projector writes, is needed.")
    values = np.stack([to_float32("latent", item["latent"], file_bytes=size) for item in found])
    noise = {}
    for i, layer in enumerate(zip(*(_listed(item.get("noise", ())) for item in found), strict=True)):
        maps = [to_float32("noise", value, file_bytes=size) for value in layer]
        noise[rosinality_noise_name(i)] = _floats(np.concatenate(maps))
    return _Contents(values, noise, "w" if values.ndim == 2 else "w+")


def _listed(value: Any) -> Sequence[Any]:
    if not isinstance(value, list | tuple):
        raise ValueError(f"its noise is a {type(value).__name__}; a list of tensors is needed.")
    return value


def _ours(path: Path, contents: _Contents, text: str, latents_as: Space | None) -> Latents:
    """Latents of a file that we wrote, by what it says of them."""
    try:
        meta = json.loads(text)
        version, space, generator, psi = (meta[key] for key in ("format", "space", "generator", "truncation_psi"))
    except (ValueError, KeyError, TypeError, RecursionError) as exc:
        raise ValueError("what it says of itself cannot be read.") from exc
    if not isinstance(version, int) or not isinstance(generator, str | None) or not isinstance(psi, float | int | None):
        raise ValueError("what it says of itself makes no sense.")
    if version > FORMAT_VERSION:
        raise ValueError(f"it has format {version}; this version of wplus reads up to {FORMAT_VERSION}.")
    if latents_as not in (None, space):
        _log.warning("%s says that it holds %s, so it is not read as %s.", path, space, latents_as)
    return Latents(
        values=_floats(contents.values),
        space=space,
        generator=generator,
        noise=contents.noise,
        truncation_psi=psi,
        transform=contents.transform,
    )


def _foreign(path: Path, contents: _Contents, num_ws: int | None, space: Space | None) -> Latents:
    """Latents of a file that does not name their space."""
    values = _floats(contents.values)
    if values.ndim == 1:
        values = values[None]
    if space is None and values.ndim == 2 and values.shape[0] == num_ws:
        _log.info("%s is %s: taken as one W+ latent; --latents-as=w reads it as that many w.", path, list(values.shape))
        space = "w+"
    space = space or _SPACES.get(values.ndim, "w")
    if space == "w+" and values.ndim == 2:
        values = values[None]
    return Latents(values=values, space=space, noise=contents.noise)


def _floats(values: NDArray[Any]) -> _Array:
    if not np.issubdtype(values.dtype, np.floating):
        raise ValueError(f"it has {values.dtype} where floating-point numbers are needed.")
    with np.errstate(over="ignore"):
        array = np.ascontiguousarray(values, np.float32)
    if not np.isfinite(array).all():
        raise ValueError("some of its numbers are NaN or infinite.")
    return array
