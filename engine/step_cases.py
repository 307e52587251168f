"""The cases on which a bundle's step of inversion is compared with its network's, and what is kept of its gradients."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wplus.bundle import REFERENCE, Bundle
from wplus.errors import ArtifactError
from wplus.inversion.spaces import NOISE
from wplus.reference import cut
from wplus.trial_cases import Cases
from wplus.trials import noise_of

SEEDS = 3

_LOSS, _GRADIENT = "step_loss", "step_grad/"  # names in reference.npz

_STREAM = 2**32  # apart from the streams that noise maps take
_COARSE = 8  # places a side of a target's soft part
_LARGEST_WHOLE = 256  # pixels a side of a noise map whose gradient is kept whole

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCases:
    """What goes into a step, one sample a row."""

    rows: NDArray[np.int64]  # of the cases of pictures
    latents: dict[str, Floats]  # by key
    target: Floats  # [N, C, H, W]
    weight: Floats  # [N, 1, H, W]
    factors: Floats  # [N, losses of the graph]

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReference:
    """What the network gives for some cases, one sample a row."""

    loss: Floats  # [N]
    gradients: dict[str, Floats]  # by key, as `kept` leaves them

    def arrays(self) -> dict[str, Floats]:
        """As reference.npz keeps them."""
        return {_LOSS: self.loss} | {f"{_GRADIENT}{key}": value for key, value in self.gradients.items()}


def stored_steps(bundle: Bundle, arrays: Mapping[str, NDArray[Any]], cases: StepCases) -> StepReference:
    """The `StepReference` among the arrays of a reference.npz.

    Raises:
        ArtifactError: it is not there, or does not fit the bundle.
    """
    keys = [key for key in cases.latents if key != "c"]
    wanted = {f"{_GRADIENT}{key}": kept(key, cases.latents[key]).shape for key in keys} | {_LOSS: (len(cases),)}
    for name, shape in wanted.items():
        found = arrays.get(name)
        if found is None or found.dtype != np.float32 or found.shape != shape:
            given = "is missing" if found is None else f"is {found.dtype} {list(found.shape)}"
            raise ArtifactError(
                f"{bundle.folder / REFERENCE} does not fit its bundle: {name} {given}; float32 {list(shape)} is "
                "needed. Make the bundle again: wplus export --inversion."
            )
    return StepReference(loss=arrays[_LOSS], gradients={key: arrays[f"{_GRADIENT}{key}"] for key in keys})


def step_rows(cases: Cases) -> NDArray[np.int64]:
    """Those of the cases of pictures that a step starts from: the first seeds, not truncated."""
    return np.flatnonzero((cases.seed < SEEDS) & (cases.truncation_psi == 1))


def make_step_cases(bundle: Bundle, cases: Cases, ws: Floats | None) -> StepCases:
    """Steps from some latents of the network toward pictures that it did not draw.

    Args:
        bundle: With the graph of a step.
        cases: Of pictures, from seed 0 on.
        ws: Of each, `[N, num_ws, w_dim]`, where there is a W.
    """
    rows = step_rows(cases)
    some, config = cases[rows], bundle.config
    latents: dict[str, Any] = {"z": some.z, "c": some.c} if ws is None else {"ws": ws[rows]}
    latents["transform"] = some.transform
    constants = bundle.noise_constants()
    maps = noise_of(some, constants) or {
        name: np.tile(value, (len(rows), 1, 1, 1)) for name, value in constants.items()
    }
    latents |= {f"{NOISE}{name}": value for name, value in maps.items()}
    return StepCases(
        rows=rows,
        latents={key: np.asarray(value, np.float32) for key, value in latents.items() if value is not None},
        target=np.stack([_target(seed, config.img_channels, config.img_shape) for seed in some.seed.tolist()]),
        weight=np.stack([_weight(seed, config.img_shape) for seed in some.seed.tolist()]),
        factors=np.stack([_factors(seed, len(bundle.manifest.inversion_losses)) for seed in some.seed.tolist()]),
    )


def kept(key: str, gradient: Floats) -> Floats:
    """What is compared of a gradient `[N, ...]`: all of it; sixteen pieces of a large noise map's."""
    if not key.startswith(NOISE) or max(gradient.shape[2:]) <= _LARGEST_WHOLE:
        return gradient
    return np.stack([cut(one) for one in gradient])


def _target(seed: int, channels: int, shape: tuple[int, int]) -> Floats:
    """A picture of soft spots and some grain, `[channels, H, W]` in [-1, 1]."""
    stream = np.random.Generator(np.random.Philox(key=[seed, _STREAM]))
    coarse = stream.standard_normal((channels, _COARSE, _COARSE), dtype=np.float32)
    for axis, size in enumerate(shape, start=1):
        places = np.linspace(0, _COARSE - 1, size)
        left = np.minimum(places.astype(int), _COARSE - 2)
        part = (places - left).astype(np.float32).reshape(-1, *(1,) * (2 - axis))
        coarse = np.take(coarse, left, axis) * (1 - part) + np.take(coarse, left + 1, axis) * part
    grain = stream.standard_normal((channels, *shape), dtype=np.float32)
    return np.clip(np.float32(0.6) * coarse + np.float32(0.1) * grain, -1, 1)


def _factors(seed: int, count: int) -> Floats:
    """Each loss alone, and then all of them."""
    place = seed % (count + 1)
    return np.ones(count, np.float32) if place == count else np.eye(count, dtype=np.float32)[place]


def _weight(seed: int, shape: tuple[int, int]) -> Floats:
    """1 everywhere; of odd seeds a half of 0.25, with a hole in the middle."""
    weight = np.ones((1, *shape), np.float32)
    if seed % 2:
        height, width = shape
        weight[:, :, width // 2 :] = 0.25
        weight[:, height // 3 : height - height // 3, width // 3 : width - width // 3] = 0
    return weight
