"""What `wplus invert --tune` does after the inversion."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from wplus.checkpoints.tuning import Tuning
from wplus.files import whole_file
from wplus.inputs import one_hot
from wplus.inversion.run import Inversion, draw_found
from wplus.inversion.tuner import TuneReport
from wplus.inversion.tuning import tune
from wplus.loading import load
from wplus.media import encode_image
from wplus.recipe import recipe

if TYPE_CHECKING:
    from wplus.generator import Generator

_FILE = "tuning.safetensors"
_STEPS = 350
_LOAD_OPTIONS = ("device", "precision", "threads", "sha256")


def tune_found(
    found: Inversion,
    targets: Any,
    options: Mapping[str, Any],
    names: list[str],
    *,
    given: Mapping[str, Any],
    truth: NDArray[np.float32] | None,
    checkpoint: Path,
) -> Iterator[str]:
    """Tunes the network around what was found; writes tuning.safetensors, and tuned.png beside each proj.png.

    Args:
        found: Of the targets.
        targets: As `invert` took them.
        options: The verb's.
        names: Of the targets.
        given: What `invert` took besides: weights, or operator and sigma.
        truth: The pictures `[N, C, H, W]`, to report PSNR; None: nobody knows them.
        checkpoint: Where the state is kept, and gone on from.

    Yields:
        What is to be said.

    Raises:
        click.exceptions.Exit: it was interrupted; the best so far is written.
    """
    steps = options["tune_steps"] or _STEPS
    with _bar(steps) as on_step:
        tuning = tune(
            options["network"],
            found.latents,
            targets,
            class_index=options["class_index"],
            steps=steps,
            loss=options["loss"],
            seed=found.config.seed,
            device=options["device"],
            threads=options["threads"],
            sha256=options["sha256"],
            checkpoint=checkpoint,
            on_step=on_step,
            **given,
        )
    notes = tuning.notes
    if tuning.differences:
        yield from _write(tuning, found, options, names, truth)
    else:
        yield "Not tuned: no step made the pictures better."
    if notes["is_interrupted"]:
        yield (
            f"Tuning was interrupted after {notes['steps']} steps: the best so far is kept. "
            "The same command with --resume goes on."
        )
        raise click.exceptions.Exit(1)


def _write(
    tuning: Tuning,
    found: Inversion,
    options: Mapping[str, Any],
    names: list[str],
    truth: NDArray[np.float32] | None,
) -> Iterator[str]:
    """The tuning, and what it draws of the latents that were found."""
    outdir, index = Path(options["outdir"]), options["class_index"]
    tuning.save(outdir / _FILE)
    chosen = {name: options[name] for name in _LOAD_OPTIONS}
    with load(options["network"], backend="torch", tuning=outdir / _FILE, **chosen) as G:
        label = one_hot(index, G.c_dim) if G.c_dim and index is not None else None
        drawn = draw_found(G, found.latents, label)
        for name, picture in zip(names, drawn, strict=True):
            file = (outdir if len(names) == 1 else outdir / name) / "tuned.png"
            how = None if options["no_metadata"] else _recipe(G)
            with whole_file(file) as temporary:
                temporary.write_bytes(encode_image(picture, "png", how))
    notes = tuning.notes
    change = f"{notes['loss']} {notes['first_loss']:.4g} -> {notes['best_loss']:.4g}"
    yield f"{outdir / _FILE}: {tuning.fingerprint}; {change}"
    if truth is not None:
        yield from _report(found.images, drawn, truth, names)


def _recipe(G: "Generator") -> dict[str, Any]:
    return recipe(G, "sample", {"latents": ["projected_w.npz"]})


def _report(
    before: NDArray[np.uint8], after: NDArray[np.uint8], truth: NDArray[np.float32], names: list[str]
) -> Iterator[str]:
    """PSNR of what was found and of what came of tuning, a line a picture."""
    import torch

    from wplus.inversion.similarity import psnr

    wanted = torch.from_numpy(truth)
    levels = [
        psnr((torch.from_numpy(images).permute(0, 3, 1, 2).float() - 127.5) / 127.5, wanted).tolist()
        for images in (before, after)
    ]
    for name, was, now in zip(names, *levels, strict=True):
        yield f"{name}: PSNR {was:.1f} dB before tuning, {now:.1f} dB after"


@contextmanager
def _bar(steps: int) -> Iterator[Callable[[TuneReport], None]]:
    """A progress bar on a terminal, none in a pipe."""
    with tqdm(total=steps, unit="step", desc="tuning", disable=None) as bar:

        def on_step(report: TuneReport) -> None:
            bar.set_postfix(loss=f"{report.loss:.4g}", refresh=False)
            bar.update(report.step - bar.n)  # not 1 where it goes on

        yield on_step
