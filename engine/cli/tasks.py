"""What several verbs do with their options."""

from pathlib import Path
from typing import Any

import click

from wplus.cli.options import drop_idle
from wplus.generator import Generator
from wplus.latent_files import load_keyframes
from wplus.latents import Latents
from wplus.loading import load
from wplus.transforms import Move

_LOAD_OPTIONS = ("device", "backend", "precision", "threads", "batch", "sha256", "tuning")


def load_network(options: dict[str, Any]) -> Generator:
    """The generator that the options name; options that it has no use for are named and set back.

    Raises:
        click.UsageError: the truncation's cutoff is beyond its layers.
    """
    G = load(options["network"], **{name: options[name] for name in _LOAD_OPTIONS})
    reasons = {}
    if not G.has_transform:
        reasons = dict.fromkeys(("translate", "rotate", "anchor"), f"{G.name} is no StyleGAN3")
    if G.c_dim == 0:
        reasons["class_index"] = f"{G.name} is unconditional"
    if not G.has_noise:
        reasons["noise_mode"] = f"{G.name} has no noise"
    if not G.has_truncation:
        reasons |= dict.fromkeys(("truncation_psi", "truncation_cutoff"), f"{G.name} ({G.family}) has no truncation")
    elif options["truncation_psi"] == 1:
        reasons["truncation_cutoff"] = "--trunc is 1, which truncates nothing"
    drop_idle(options, reasons)
    cutoff = options["truncation_cutoff"]
    if cutoff is not None and cutoff > G.num_ws:
        raise click.UsageError(f"--trunc-cutoff is {cutoff}; {G.name} has {G.num_ws} layers to truncate, 0 to all.")
    return G


def move_of(options: dict[str, Any]) -> Move:
    """What --translate and --rotate ask for."""
    return Move(translate=options["translate"] or (0.0, 0.0), rotate=options["rotate"] or 0.0)


def load_latents(G: Generator, paths: list[Path], options: dict[str, Any]) -> tuple[Latents, dict[str, Any]]:
    """The latents in the files, and what pictures say about them; options that w has no use for are set back."""
    latents = load_keyframes(paths, num_ws=G.num_ws if G.has_w else None, latents_as=options["latents_as"])
    if latents.space != "z":
        names = ("truncation_psi", "truncation_cutoff", "class_index")
        drop_idle(options, dict.fromkeys(names, "it acts on the way from z to w, and these latents are w already"))
    how = {name: options[name] for name in ("latents_as", "allow_mismatch") if options[name]}
    return latents, {"latents": [path.name for path in paths]} | how
