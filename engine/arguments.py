"""What `Generator` is called with, checked against what it is, and as its backend takes it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from wplus.backends import Array
from wplus.config import StyleGAN2Config
from wplus.errors import UnsupportedError
from wplus.inputs import Noise, NoiseMode, check_shape, labels, matrices, per_sample
from wplus.latents import Latents, broadcast, check_generator
from wplus.manifest import NoiseVariant

if TYPE_CHECKING:
    from wplus.generator import Generator


def drawable(
    G: "Generator", given: Array | Latents, on_the_way: Mapping[str, Any], *, allow_mismatch: bool
) -> tuple[Array, dict[str, Any]]:
    """Checked latents of the space that the backend draws, and by name what it takes besides.

    Args:
        G: Who is to draw.
        given: What the user gave.
        on_the_way: "c", "truncation_psi" and "truncation_cutoff", which act between z and w; None: not given.
        allow_mismatch: Take latents of another generator.

    Raises:
        LatentMismatchError: the latents belong to another generator.
        UnsupportedError: they are of a space that this generator does not draw, or it has no truncation.
        ValueError: something does not fit.
    """
    is_z = given.space == "z" if isinstance(given, Latents) else not G.has_w
    if not is_z and (idle := [name for name, value in on_the_way.items() if value is not None]):
        what = "is a label, which acts" if idle[0] == "c" else "acts"
        raise ValueError(f"{idle[0]} {what} on the way from z to w; these latents are w already. Omit it.")
    c, psi, cutoff = (on_the_way[name] for name in ("c", "truncation_psi", "truncation_cutoff"))
    values = given
    if isinstance(given, Latents):
        check_generator(given, G, allow_mismatch=allow_mismatch)
        psi = given.truncation_psi if psi is None else psi
        values = given.values
        if G.has_w and is_z:
            values = G.map(values, c, 1.0 if psi is None else psi, cutoff)
        elif not is_z:
            values = _as_ws(G, given)
    check_shape("ws" if G.has_w else "z", values, (G.num_ws, G.w_dim) if G.has_w else G.z_shape, owner=G)
    return values, {} if G.has_w else _of_z(G, c, psi, cutoff, len(values))


def truncation(G: "Generator", psi: float | Array | None, cutoff: int | Array | None, count: int) -> dict[str, Array]:
    """psi and cutoff as a backend takes them, one of each a sample; None: what the family does."""
    own = G.default_cutoff if cutoff is None else cutoff
    return {
        "psi": per_sample("truncation_psi", 1.0 if psi is None else psi, count, np.float32),
        "cutoff": per_sample("truncation_cutoff", own, count, np.int64, least=0),
    }


def own_transform(given: Array | Latents) -> Array | None:
    """The transform that latents were found with."""
    return given.transform if isinstance(given, Latents) else None


def user_transform(G: "Generator", transform: Array | None, count: int) -> Array | None:
    """StyleGAN3's user transform, one a sample.

    Raises:
        UnsupportedError: the family has none.
        ValueError: it is no matrix, or there is another number of them.
    """
    if transform is None:
        return None
    if not G.has_transform:
        raise UnsupportedError(
            f"transform moves and turns the picture inside StyleGAN3; {G.name} ({G.family}) cannot. Omit it."
        )
    return matrices(transform, count)


def is_whole(G: "Generator", resolution: int | None) -> bool:
    """Whether `resolution` asks for the network's own pictures.

    Raises:
        UnsupportedError: this network, or its runtime, cannot stop earlier.
        ValueError: it has no block of that resolution.
    """
    if resolution is None or resolution == G.img_resolution:
        return True
    if not isinstance(G.config, StyleGAN2Config) or G.config.architecture != "skip" or G.backend != "torch":
        raise UnsupportedError(
            f"resolution={resolution} stops a StyleGAN2 of the architecture skip, in PyTorch, before its last block; "
            f"{G.name} is {G.family}, run by {G.backend}. Omit it, or load the checkpoint with backend='torch'."
        )
    if resolution not in G.config.resolutions:
        known = ", ".join(map(str, G.config.resolutions))
        raise ValueError(f"resolution is {resolution}; {G.name} has blocks of {known}.")
    return False


def check_noise(G: "Generator", variant: NoiseVariant, mode: NoiseMode, given: Noise | None) -> None:
    """Raises `UnsupportedError` where a bundle's graphs have other noise in them than is asked for."""
    if variant == "input" or not G.has_noise or (given is None and mode == variant):
        return
    asked = f"noise_mode={mode!r}" if given is None else "noise"
    raise UnsupportedError(
        f"{asked} is asked for, and {G.name} was exported with --noise={variant}, which serves noise_mode={variant!r} "
        f"(--noise-mode={variant}) alone. For every mode, make another bundle: "
        "wplus export NETWORK OUTDIR --noise=input."
    )


def _as_ws(G: "Generator", latents: Latents) -> Array:
    """The values of latents of the space w or w+ as ws."""
    num_ws = G.style_config(f"A latent of the space {latents.space}").num_ws
    if not G.has_w:
        raise UnsupportedError(
            f"{G.name} is a bundle of one graph (--single), which draws z and takes no {latents.space}. Make one of "
            "two graphs: wplus export NETWORK OUTDIR."
        )
    return broadcast(latents.values, num_ws=num_ws) if latents.space == "w" else latents.values


def _of_z(G: "Generator", c: Array | None, psi: Any, cutoff: Any, count: int) -> dict[str, Array]:
    """What a backend takes with z."""
    label = {"c": labels(c, count, G.c_dim)}
    if G.has_truncation:
        return label | truncation(G, psi, cutoff, count)
    if cutoff is not None or not (psi is None or np.all(np.asarray(psi) == 1)):
        raise UnsupportedError(f"Truncation needs a W space, which the family {G.family} ({G.name}) lacks. Omit it.")
    return label
