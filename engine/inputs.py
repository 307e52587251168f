"""Checks on what a user hands to a `Generator`, and its translation into what a backend takes."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from wplus.backends import Array
from wplus.checkpoints.checkpoint import Checkpoint
from wplus.latents import noise_maps

NoiseMode = Literal["const", "random", "none"]
Noise = Mapping[str, Array]

_NOISE = re.compile(r"synthesis\.(.+\.noise_const|noise\d+)")  # StyleGAN1 numbers its maps


class _Named(Protocol):
    @property
    def family(self) -> str: ...
    @property
    def img_resolution(self) -> int: ...


def like(result: Array, given: Array) -> Array:
    """A backend's result as the kind of array that was given, on its device."""
    if isinstance(given, np.ndarray):
        return result if isinstance(result, np.ndarray) else result.detach().cpu().numpy()
    if isinstance(result, np.ndarray):
        import torch  # which is there: `given` is a tensor

        result = torch.from_numpy(result)
    return result.to(given.device)


def check_shape(name: str, array: Array, expected: tuple[int, ...], *, owner: _Named) -> None:
    """Raises unless `array` is a numpy array or torch tensor `[N, *expected]` of finite size.

    Raises:
        TypeError: it is neither.
        ValueError: its shape is another, or it is not floating point.
    """
    if not hasattr(array, "shape") or not hasattr(array, "dtype"):
        raise TypeError(f"{name} is a {type(array).__name__}; a numpy array or a torch tensor is needed.")
    shape = tuple(array.shape)
    if shape[1:] != expected or len(shape) == 0:
        need = f"[N, {', '.join(map(str, expected))}]"
        hint = ""
        if shape == expected:
            hint = f"\nThis is one latent without a batch axis: pass {name}[None]."
        elif name == "ws" and shape[1:] == expected[1:]:
            hint = f"\nFor one w per image, call latents.broadcast(w, num_ws={expected[0]})."
        raise ValueError(
            f"{name} is {list(shape)}; this generator ({owner.family}, {owner.img_resolution} px) needs {need}.{hint}"
        )
    if "float" not in str(array.dtype):
        raise ValueError(f"{name} is {array.dtype}; floating-point numbers are needed.")


def per_sample(name: str, value: float | Array, count: int, dtype: type[Any], *, least: float = -np.inf) -> Array:
    """One number, or `[N]` of them, as `[N]`.

    Raises:
        ValueError: there are more or fewer than N, or one is not finite or below `least`.
    """
    values: Array = value if hasattr(value, "shape") else np.asarray(value)
    if values.ndim == 0:
        values = np.full(count, float(values))
    if wrong := [number for number in values.tolist() if not (np.isfinite(number) and number >= least)]:
        bound = "finite" if np.isinf(least) else f"at least {least:g}"
        raise ValueError(f"{name} is {wrong[0]:g}; it must be {bound}.")
    if tuple(values.shape) != (count,):
        raise ValueError(f"{name} is {list(values.shape)}; one number, or [{count}] for {count} samples, is needed.")
    return values.astype(dtype) if isinstance(values, np.ndarray) else values


def labels(c: Array | None, count: int, c_dim: int) -> Array | None:
    """c as `[N, c_dim]`, or None in an unconditional network.

    Raises:
        ValueError: a label is missing, not wanted, or of the wrong shape.
    """
    if c_dim == 0:
        if c is not None and np.shape(c)[-1] != 0:
            raise ValueError(f"c is {list(np.shape(c))}; this network is unconditional and takes no label.")
        return None
    if c is None:
        raise ValueError(f"This network is conditional: pass c [N, {c_dim}], one row per sample (--class=N).")
    if not hasattr(c, "shape"):
        c = np.asarray(c, np.float32)
    shape = tuple(c.shape)
    if shape == (c_dim,):
        c, shape = c[None], (1, c_dim)
    if len(shape) != 2 or shape[1] != c_dim or shape[0] not in (1, count):
        raise ValueError(f"c is {list(shape)}; {count} samples need [{count}, {c_dim}] or [1, {c_dim}].")
    if shape[0] == count:
        return c
    return np.repeat(c, count, axis=0) if isinstance(c, np.ndarray) else c.expand(count, c_dim)


def matrices(transform: Array, count: int) -> Array:
    """A transform as `[N, 3, 3]`.

    Raises:
        ValueError: it is neither `[3, 3]` nor `[N, 3, 3]`, or not finite.
    """
    values: Array = transform if hasattr(transform, "shape") else np.asarray(transform, np.float32)
    shape = tuple(values.shape)
    if shape not in ((3, 3), (count, 3, 3)):
        raise ValueError(f"transform is {list(shape)}; [3, 3], or [{count}, 3, 3] for {count} samples, is needed.")
    if isinstance(values, np.ndarray):
        if not np.isfinite(values).all():
            raise ValueError("transform has numbers that are not finite.")
        return np.broadcast_to(values, (count, 3, 3))
    return values.expand(count, 3, 3)


def one_hot(index: int, c_dim: int) -> NDArray[np.float32]:
    """The label of a class, `[1, c_dim]`.

    Raises:
        ValueError: there is no such class.
    """
    if not 0 <= index < c_dim:
        raise ValueError(f"The class is {index}; this network has the classes 0 to {c_dim - 1}.")
    return np.eye(c_dim, dtype=np.float32)[index : index + 1]


def noise_constants(checkpoint: Checkpoint) -> dict[str, NDArray[np.float32]]:
    """The stored noise maps `[H, W]`, in the network's order, under their tensors' names without `synthesis.`."""
    found = {match[1]: checkpoint.tensors[name] for name in checkpoint.tensors if (match := _NOISE.fullmatch(name))}
    return dict(sorted(found.items(), key=lambda item: (item[1].shape[-1], len(item[0]), item[0])))


def merge_noise(
    constants: Noise, mode: NoiseMode, given: Noise | None, seeds: Sequence[int] | None, count: int
) -> Noise | None:
    """Noise by layer as a backend takes it: None for the stored constants, no entry for no noise.

    Raises:
        ValueError: the mode or a name is unknown, `seeds` are missing, or a map has the wrong shape.
    """
    if mode not in get_args(NoiseMode):
        raise ValueError(f"noise_mode is {mode!r}; known: {', '.join(get_args(NoiseMode))}.")
    shapes = {name: (value.shape[-2], value.shape[-1]) for name, value in constants.items()}
    maps: dict[str, Array] = {}
    if mode == "random" and constants:
        if seeds is None or len(seeds) != count:
            given_seeds = "none were given" if seeds is None else f"{len(seeds)} were given"
            raise ValueError(f'noise_mode is "random", which needs {count} seeds, one per sample; {given_seeds}.')
        maps.update(noise_maps(shapes, seeds))
    if given is None:
        return None if mode == "const" else maps
    if mode == "const":
        maps.update({name: value[None, None] for name, value in constants.items()})
    for name, value in given.items():
        if name not in shapes:
            raise ValueError(
                f"noise has {name!r}, which is no layer of this generator; {', '.join(shapes) or 'none'} are."
            )
        wanted = [(count, 1, *shapes[name]), (1, 1, *shapes[name])]
        if tuple(value.shape) not in wanted:
            raise ValueError(
                f"noise[{name!r}] is {list(value.shape)}; {list(wanted[0])} or {list(wanted[1])} is needed."
            )
        maps[name] = value
    return maps
