"""What an inversion leaves behind: pictures, latents, history and video of each target, and a contact sheet."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wplus.files import make_folder, whole_file
from wplus.inversion.run import Inversion
from wplus.latents import Latents
from wplus.media import Picture, encode_image, grid, to_rgb
from wplus.recipe import recipe
from wplus.video import open_sink

if TYPE_CHECKING:
    from wplus.generator import Generator

_VIDEO_FPS = 60
_VIDEO_FRAMES = 600  # at most; longer histories are thinned out


def write_inversion(
    G: "Generator",
    found: Inversion,
    outdir: str | Path,
    *,
    names: Sequence[str],
    targets: Sequence[Picture] | None,
    facts: Sequence[Mapping[str, Any]] | None = None,
    has_metadata: bool = True,
) -> list[Path]:
    """Writes `target.png`, `proj.png`, `projected_w.npz` and `history.json`, and `proj.mp4` where the path was kept.

    One target goes into `outdir` itself, several into a folder each, with `contact.png` beside them: a row for each
    target, what was wanted on the left and what was found on the right.

    Args:
        G: Who drew.
        found: What was found.
        outdir: Made if it is missing.
        names: Of the targets, each once.
        targets: uint8 `[H, W, C]` each; None: measurements, of which there is no picture.
        facts: What each target's `history.json` is to say besides.
        has_metadata: Whether pictures say how to draw them again.

    Returns:
        The folders.

    Raises:
        ArtifactError: a file cannot be written.
    """
    outdir = make_folder(outdir)
    count = len(found.latents)
    folders = [outdir if len(names) == 1 else outdir / name for name in names[:count]]
    for i, folder in enumerate(folders):
        make_folder(folder)
        target = None if targets is None else targets[i]
        own = {} if facts is None else dict(facts[i])
        _write_one(G, found, i, folder, target, own, has_metadata=has_metadata)
    if len(names) > 1:
        _save_picture(outdir / "contact.png", contact_sheet(found.images, targets), None)
    return folders


def contact_sheet(images: NDArray[np.uint8], targets: Sequence[Picture] | None) -> Picture:
    """A row a target: what was wanted, where there is a picture of it, and what was found."""
    cells = list(images) if targets is None else [cell for pair in zip(targets, images, strict=False) for cell in pair]
    columns = 1 if targets is None else 2
    return grid(np.stack([to_rgb(cell) for cell in cells]), columns=columns, rows=len(cells) // columns)


def _write_one(
    G: "Generator",
    found: Inversion,
    i: int,
    folder: Path,
    target: Picture | None,
    facts: dict[str, Any],
    *,
    has_metadata: bool,
) -> None:
    latents = one_of(found.latents, i)
    latents.save(folder / "projected_w.npz")
    how = recipe(G, "sample", {"latents": ["projected_w.npz"]})
    if target is not None:
        _save_picture(folder / "target.png", target, None)
    _save_picture(folder / "proj.png", found.images[i], how if has_metadata else None)
    if len(found.paths[i]):
        _save_video(G, latents, found.paths[i], folder / "proj.mp4", target, how if has_metadata else None)
    config = {name: getattr(found.config, name) for name in type(found.config).__dataclass_fields__}
    history = facts | {
        "generator": G.fingerprint,
        "loss": found.loss,
        "search_loss": found.search_loss,
        "final_loss": float(found.losses[i]),
        "is_interrupted": found.is_interrupted,
        "config": config,
        "steps": found.history[i],
    }
    if "ms_ssim" in found.loss:
        from wplus.inversion.similarity import ms_ssim_scales

        history["ms_ssim_scales"] = ms_ssim_scales(*G.img_shape)
    with whole_file(folder / "history.json") as temporary:
        temporary.write_text(json.dumps(history, indent=1), encoding="utf-8")


def one_of(latents: Latents, i: int) -> Latents:
    """The i-th of some latents, with its own noise and transform."""
    return Latents(
        values=latents.values[i : i + 1],
        space=latents.space,
        generator=latents.generator,
        noise={name: value if len(value) == 1 else value[i : i + 1] for name, value in latents.noise.items()},
        truncation_psi=latents.truncation_psi,
        transform=None if latents.transform is None else latents.transform[i : i + 1],
    )


def _save_picture(path: Path, picture: Picture, metadata: dict[str, Any] | None) -> None:
    with whole_file(path) as temporary:
        temporary.write_bytes(encode_image(picture, "png", metadata))


def _save_video(
    G: "Generator",
    latents: Latents,
    path: NDArray[np.float32],
    file: Path,
    target: Picture | None,
    metadata: dict[str, Any] | None,
) -> None:
    """The pictures of the latents on the way, the target on the left; with the noise that was found in the end."""
    chosen = path[np.linspace(0, len(path) - 1, min(len(path), _VIDEO_FRAMES)).astype(int)]
    height, width = G.img_shape
    size = (height, width * (1 if target is None else 2))
    with open_sink(file, fps=_VIDEO_FPS, size=size, metadata=metadata) as sink:
        for row in chosen:
            drawn = G.map(row[None]) if latents.space == "z" and G.has_w else row[None]
            frame = to_rgb(G.images(drawn, noise=latents.noise or None, transform=latents.transform)[0])
            sink.write(frame if target is None else np.concatenate([to_rgb(target), frame], axis=1))
