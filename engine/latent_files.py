"""Latent files: our `.npz`, and what NVIDIA's, rosinality's and encoders' tools write."""

import json
import logging
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wplus.errors import ArtifactError, LatentMismatchError, WplusError
from wplus.files import whole_file
from wplus.latents import Latents, Space

FORMAT_VERSION = 1
LATENT_SUFFIXES = (".npz", ".npy", ".pt", ".pth")

_log = logging.getLogger(__name__)


def save_latents(latents: Latents, path: str | Path) -> None:
    """Writes latents as `.npz`.

    Raises:
        ArtifactError: the file cannot be written.
    """
    meta = {
        "format": FORMAT_VERSION,
        "space": latents.space,
        "generator": latents.generator,
        "truncation_psi": latents.truncation_psi,
    }
    arrays: dict[str, Any] = {"z" if latents.space == "z" else "w": np.asarray(latents.values, np.float32)}
    arrays.update({f"noise/{name}": np.asarray(value, np.float32) for name, value in latents.noise.items()})
    arrays["meta"] = np.array(json.dumps(meta))
    path = Path(path)
    if path.suffix != ".npz":
        raise ValueError(f"Latents are saved as .npz; {path.name} ends otherwise.")
    with whole_file(path) as temporary:
        np.savez(temporary, **arrays)


def load_latents(path: str | Path, *, num_ws: int | None = None, latents_as: Space | None = None) -> Latents:
    """Reads a latent file.

    Ours, NVIDIA's `projected_w.npz` (key `w`), TensorFlow's `dlatents.npz`, `.npy` and `.pt` with `[1, L, D]`,
    `[L, D]`, `[N, L, D]` or `[N, D]`, and rosinality's projections. Three axes are W+. Two are one W+
    where the first is `num_ws` long (and a log line says so), else N w's.

    Args:
        num_ws: Style inputs of the generator that the latents are for.
        latents_as: Decides the space of a file that does not name it.

    Raises:
        ArtifactError: there is no such file, or no latents in it, or they are not finite numbers of such a shape.
    """
    path = Path(path)
    try:
        if path.suffix == ".npz":
            return _from_npz(path, num_ws, latents_as)
        if path.suffix == ".npy":
            return _foreign(np.load(path, allow_pickle=False), path, num_ws, latents_as)
        if path.suffix in (".pt", ".pth"):
            return _from_torch(path, num_ws, latents_as)
    except OSError as exc:
        raise ArtifactError(f"{path} could not be read: {exc.strerror or exc}.") from exc
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as exc:
        raise ArtifactError(f"{path} holds no latents that we can read: {exc}") from exc
    raise ArtifactError(f"{path.name} is not a latent file by its name; .npz, .npy, .pt and .pth are read.")


def load_keyframes(paths: Sequence[Path], *, num_ws: int | None, latents_as: Space | None) -> Latents:
    """The latents of several files, one after the other.

    Raises:
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
    return Latents(
        values=np.concatenate([part.values for part in parts]),
        space=first.space,
        generator=next(iter(owners), None),
        noise=first.noise if len(parts) == 1 else {},
        truncation_psi=first.truncation_psi,
    )


def is_latent_file(path: Path) -> bool:
    """Whether a file of such a suffix holds latents, and not a network."""
    if path.suffix in (".npz", ".npy"):
        return True
    try:
        load_latents(path)
    except WplusError:
        return False
    return True


def _from_npz(path: Path, num_ws: int | None, latents_as: Space | None) -> Latents:
    with np.load(path, allow_pickle=False) as file:
        key = next((key for key in ("w", "z", "dlatents") if key in file.files), None)
        if key is None:
            raise ArtifactError(f"{path} has the arrays {', '.join(file.files)}; latents are named w, z or dlatents.")
        noise = {name.removeprefix("noise/"): _floats(file[name]) for name in file.files if name.startswith("noise/")}
        if "meta" not in file.files:
            return _foreign(file[key], path, num_ws, latents_as or ("z" if key == "z" else None), noise)
        meta = json.loads(str(file["meta"]))
        if meta["format"] > FORMAT_VERSION:
            raise ArtifactError(f"{path} is of format {meta['format']}; this version reads up to {FORMAT_VERSION}.")
        return Latents(
            values=_floats(file[key]),
            space=meta["space"],
            generator=meta["generator"],
            noise=noise,
            truncation_psi=meta["truncation_psi"],
        )


def _from_torch(path: Path, num_ws: int | None, latents_as: Space | None) -> Latents:
    from wplus.checkpoints.torch_zip import load_torch_file

    content = load_torch_file(path)
    noise: dict[str, NDArray[np.float32]] = {}
    if isinstance(content, Mapping) and "latent" not in content:  # rosinality's {picture name: {"latent", "noise"}}
        content = next(iter(content.values()), None)
    if isinstance(content, Mapping):
        for i, value in enumerate(content.get("noise", ())):
            noise[rosinality_noise_name(i)] = _floats(value.detach().float().numpy())
        content = content.get("latent")
    if not hasattr(content, "detach"):
        raise ArtifactError(f"{path} holds a {type(content).__name__} where a tensor of latents is needed.")
    return _foreign(content.detach().float().numpy(), path, num_ws, latents_as, noise)


def rosinality_noise_name(index: int) -> str:
    """Our name of rosinality's `noises.noise_<index>`: one map at 4 px, then two a resolution."""
    return f"b{4 << ((index + 1) // 2)}.conv{(index + 1) % 2 if index else 1}.noise_const"


def _foreign(
    values: NDArray[Any],
    path: Path,
    num_ws: int | None,
    latents_as: Space | None,
    noise: Mapping[str, NDArray[np.float32]] | None = None,
) -> Latents:
    """Latents of a file that does not name their space."""
    values = _floats(values)
    if values.ndim == 1:
        values = values[None]
    if latents_as is None and values.ndim == 2 and values.shape[0] == num_ws:
        _log.info("%s is %s: taken as one W+ latent; --latents-as=w reads it as that many w.", path, list(values.shape))
        latents_as = "w+"
    space: Space = latents_as or ("w+" if values.ndim == 3 else "w")
    if space == "w+" and values.ndim == 2:
        values = values[None]
    return Latents(values=values, space=space, noise=noise or {})


def _floats(values: NDArray[Any]) -> NDArray[np.float32]:
    if not np.issubdtype(values.dtype, np.floating):
        raise ValueError(f"they are {values.dtype}, not floating-point numbers.")
    if not np.isfinite(values).all():
        raise ValueError("some of them are NaN or infinite.")
    return np.ascontiguousarray(values, np.float32)
