"""What `wplus invert` does with its options."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import numpy as np
from tqdm import tqdm

from wplus.files import whole_file
from wplus.generator import Generator
from wplus.inversion.alignment import paste_back
from wplus.inversion.measurements import Measurements, measure
from wplus.inversion.operators import Operator, make_operator
from wplus.inversion.output import write_inversion
from wplus.inversion.run import Inversion, invert
from wplus.inversion.search import StepReport
from wplus.inversion.similarity import psnr, ssim
from wplus.inversion.targets import Target, open_picture, read_picture, read_targets
from wplus.kernels import to_uint8
from wplus.loading import load
from wplus.media import Picture

_log = logging.getLogger(__name__)

_LOAD_OPTIONS = ("device", "backend", "precision", "threads", "sha256", "tuning")
_INVERT_OPTIONS = (
    *("space", "preset", "loss", "optimizes_noise", "optimizes_transform", "anchors_transform"),
    *("prior_weight", "starts", "class_index"),
    *("seed", "batch"),
)
_CHECKPOINT = ".inversion.npz"
_TUNING_CHECKPOINT = ".tuning.npz"


def invert_pictures(options: dict[str, Any]) -> Iterator[str]:
    """Inverts --target, seen through --operator where there is one; yields what is to be said."""
    G = _load(options)
    found = _targets(G, options)
    pictures = np.stack([target.img for target in found])
    weights = None
    if any(target.weight is not None for target in found):
        whole = np.ones((1, *G.img_shape), np.float32)
        weights = np.stack([whole if target.weight is None else target.weight for target in found])
    facts: dict[str, Any] = {}
    targets: Any = pictures
    given: dict[str, Any] = {"weights": weights}
    if options["operator"] is not None:
        shape = (G.img_channels, *G.img_shape)
        operator = make_operator(options["operator"], img_shape=shape, seed=options["seed"] or 0)
        if weights is not None:
            _log.warning("Measurements are compared, and not pixels: those that are transparent count like the others.")
        made = _measure(operator, pictures, options)
        targets, given = made.y, {"operator": operator, "sigma": made.sigma}
        facts |= _said_of(operator)
    result = _run(G, targets, options, len(found), given)
    names = [target.name for target in found]
    said = [facts | {"alignment": target.alignment.to_json()} for target in found]
    yield from _write(G, result, options, names, [_bytes(target.img) for target in found], said)
    if options["landmarks"] is not None:
        yield from _paste_back(found[: len(result.images)], result, options)
    yield from _report(result, pictures, names, given.get("operator"))
    _fail_if_interrupted(result)
    yield from _finish(result, targets, options, names, given, pictures)


def _targets(G: Generator, options: dict[str, Any]) -> list[Target]:
    """The pictures that --target, --landmarks and --weight name."""
    marks = None
    if options["landmarks"] is not None:
        from wplus.inversion.landmarks import read_landmarks

        marks = read_landmarks(options["landmarks"])
    found = read_targets(
        options["target"], channels=G.img_channels, size=G.img_shape, landmarks=marks, weight=options["weight"]
    )
    if marks is None and any(target.alignment.source_size != G.img_shape for target in found):
        _log.info("The middle of each picture is taken. Models of faces expect FFHQ's alignment: --landmarks gives it.")
    return found


def _paste_back(found: Sequence[Target], result: Inversion, options: dict[str, Any]) -> Iterator[str]:
    """Writes `pasted.png`: the photograph, with what was found where the face was."""
    outdir = Path(options["outdir"])
    for target, image in zip(found, result.images, strict=True):
        assert target.path is not None
        folder = outdir if len(found) == 1 else outdir / target.name
        whole = paste_back(open_picture(target.path), image, target.alignment)
        with whole_file(folder / "pasted.png") as temporary:
            whole.save(temporary, "PNG")
        yield str(folder / "pasted.png")


def invert_measurements(options: dict[str, Any]) -> Iterator[str]:
    """Reconstructs from --measurements; yields what is to be said."""
    G = _load(options)
    made = Measurements.load(options["measurements"])
    expected = (G.img_channels, *G.img_shape)
    operator = made.operator
    if options["operator"] is not None:
        operator = make_operator(options["operator"], img_shape=expected, seed=options["seed"] or 0)
    if operator.img_shape != expected:
        raise ValueError(
            f"{options['measurements']} are of pictures {list(operator.img_shape)}; {G.name} draws {list(expected)}."
        )
    truth = None
    if options["truth"] is not None:
        truth = read_picture(options["truth"], channels=G.img_channels, size=G.img_shape).img[None]
    count = len(made.y)
    result = _run(G, made.y, options, count, {"operator": operator, "sigma": made.sigma})
    names = [f"{i:04d}" for i in range(count)]
    shown = None if truth is None else [_bytes(truth[0])] * count
    yield from _write(G, result, options, names, shown, [_said_of(operator)] * count)
    yield _said(operator, result)
    if truth is not None:
        yield from _report(result, np.repeat(truth, count, axis=0), names, operator)
    _fail_if_interrupted(result)
    whole = None if truth is None else np.repeat(truth, count, axis=0)
    yield from _finish(result, made.y, options, names, {"operator": operator, "sigma": made.sigma}, whole)


def _finish(
    result: Inversion, targets: Any, options: dict[str, Any], names: list[str], given: dict[str, Any], truth: Any
) -> Iterator[str]:
    """Tunes, if that was asked for; then removes what --resume would go on from."""
    outdir = Path(options["outdir"])
    if options["tune"]:
        from wplus.cli.tuning import tune_found

        kept = outdir / _TUNING_CHECKPOINT
        yield from tune_found(result, targets, options, names, given=given, truth=truth, checkpoint=kept)
    _remove_checkpoints(outdir)


def _remove_checkpoints(outdir: Path) -> None:
    for name in (_CHECKPOINT, _TUNING_CHECKPOINT):
        for file in outdir.glob(f"{Path(name).stem}*.npz"):
            file.unlink()


def _load(options: dict[str, Any]) -> Generator:
    G = load(options["network"], **{name: options[name] for name in _LOAD_OPTIONS})
    if not G.c_dim and options["class_index"] is not None:
        raise ValueError(f"--class is {options['class_index']}; {G.name} is unconditional.")
    return G


def _run(G: Generator, targets: Any, options: dict[str, Any], count: int, given: dict[str, Any]) -> Inversion:
    """The inversion, with a progress bar, and a checkpoint beside its results."""
    outdir = Path(options["outdir"])
    checkpoint = outdir / _CHECKPOINT
    if not options["resume"]:
        _remove_checkpoints(outdir)
    init = None
    if options["init"] is not None:
        from wplus.latents import Latents

        init = Latents.load(options["init"], num_ws=G.num_ws if G.has_w else None)
    outdir.mkdir(parents=True, exist_ok=True)
    chosen: dict[str, Any] = {
        name: options[name] or None if isinstance(options[name], bool) else options[name] for name in _INVERT_OPTIONS
    }
    with _bar(count) as on_step:
        return invert(
            G,
            targets,
            steps=options["num_steps"],
            init=init,
            checkpoint=checkpoint,
            keeps_path=options["save_video"],
            on_step=on_step,
            **chosen,
            **given,
        )


@contextmanager
def _bar(count: int) -> Iterator[Any]:
    """A progress bar on a terminal, none in a pipe: steps, loss and the time that is left."""
    with tqdm(unit="step", disable=None) as bar:
        begun: set[int] = set()

        def on_step(report: StepReport) -> None:
            begun.update(report.targets)
            if bar.total is None:
                bar.total = report.num_steps * -(-count // len(set(report.targets)))
            bar.set_postfix(picture=f"{len(begun)}/{count}", loss=f"{report.loss:.4g}", refresh=False)
            bar.update()

        yield on_step


def _measure(operator: Operator, pictures: Any, options: dict[str, Any]) -> Measurements:
    import torch

    seeds = [options["seed"] or 0] * len(pictures)
    return measure(operator, torch.from_numpy(pictures), seeds=seeds, sigma=options["sigma"] or 0.0)


def _write(
    G: Generator,
    result: Inversion,
    options: dict[str, Any],
    names: list[str],
    targets: list[Picture] | None,
    facts: list[dict[str, Any]],
) -> Iterator[str]:
    folders = write_inversion(
        G,
        result,
        options["outdir"],
        names=names,
        targets=targets,
        facts=facts,
        has_metadata=not options["no_metadata"],
    )
    if result.is_interrupted:
        yield (
            f"Interrupted: the best so far of {len(folders)} of {len(names)} is written. "
            "The same command with --resume goes on."
        )
    yield from (str(folder / "proj.png") for folder in folders)


def _fail_if_interrupted(result: Inversion) -> None:
    """Ends with the code of a failure, so that a script does not take the best so far for the best."""
    if result.is_interrupted:
        raise click.exceptions.Exit(1)


def _report(result: Inversion, truth: Any, names: list[str], operator: Operator | None) -> Iterator[str]:
    """PSNR and SSIM against the truth, a line a picture; where no colours were measured, also the grey PSNR."""
    import torch

    found = (torch.from_numpy(result.images).permute(0, 3, 1, 2).float() - 127.5) / 127.5
    wanted = torch.from_numpy(truth[: len(found)])
    grey = None if operator is None else operator.grey
    seen = [""] * len(found)
    if grey is not None:
        greys = psnr(grey.forward(found), grey.forward(wanted)).tolist()
        seen = [f" ({value:.1f} in grey, which is what was measured)" for value in greys]
    values = (psnr(found, wanted).tolist(), seen, ssim(found, wanted).tolist(), result.losses.tolist())
    for name, quality, part, likeness, loss in zip(names, *values, strict=False):
        yield f"{name}: PSNR {quality:.1f} dB{part}, SSIM {likeness:.3f}, {result.loss} {loss:.3g}"


def _said_of(operator: Operator) -> dict[str, Any]:
    return {"operator": operator.spec, "measurements": operator.num_measurements, "compression": _compression(operator)}


def _said(operator: Operator, result: Inversion) -> str:
    worst = float(result.losses.max())
    return (
        f"{operator.num_measurements} measurements a picture by {operator.spec}, compression "
        f"{_compression(operator):.1f}:1; data term {worst:.3g} at most."
    )


def _compression(operator: Operator) -> float:
    return float(np.prod(operator.img_shape)) / operator.num_measurements


def _bytes(img: Any) -> Picture:
    import torch

    picture: Picture = to_uint8(torch.from_numpy(img[None]))[0].numpy()
    return picture
