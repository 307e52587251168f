"""Pictures into a folder: seeds, latents and style mixes, drawn by a generator and written in the background."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from wplus import __version__
from wplus.files import whole_file
from wplus.generator import Generator
from wplus.inputs import NoiseMode, one_hot
from wplus.latents import Latents, mix
from wplus.media import ImageWriter, OutputFormat, Picture, encode_image, grid
from wplus.sampling import draw

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderConfig:
    """How pictures are drawn and written."""

    outdir: Path
    image_format: OutputFormat = "png"
    grid: tuple[int, int] | None = None  # columns, rows of grid.png
    truncation_psi: float = 1.0
    truncation_cutoff: int | None = None
    class_index: int | None = None
    noise_mode: NoiseMode = "const"
    metadata: bool = True
    resume: bool = False  # leave out the pictures that are there already


def render_seeds(G: Generator, seeds: Sequence[int], config: RenderConfig) -> None:
    """Writes `seed0000.png` and so on, and `grid.png`.

    Raises:
        ValueError: seeds, class or grid do not fit.
        ArtifactError: a file cannot be written.
    """
    if config.grid is not None and len(seeds) > config.grid[0] * config.grid[1]:
        columns, rows = config.grid
        raise ValueError(f"{len(seeds)} seeds do not fit into a grid of {columns}x{rows} (columns x rows).")
    c = _label(G, config)
    wanted = [seed for seed in seeds if not _is_there(config, _seed_name(seed))]
    if len(wanted) < len(seeds):
        _log.info("%d of %d pictures are there already.", len(seeds) - len(wanted), len(seeds))
    batches = G.sample(wanted, c, config.truncation_psi, config.truncation_cutoff, config.noise_mode)
    pictures = (pair for batch in batches for pair in zip(batch.seeds, batch.images, strict=True))
    named = ((_seed_name(seed), picture, _facts(G, config, seed=seed)) for seed, picture in pictures)
    _write(named, len(wanted), config, seeds=list(seeds), G=G)


def render_latents(G: Generator, latents: Latents, config: RenderConfig, *, allow_mismatch: bool = False) -> None:
    """Writes `proj00.png` and so on: each latent with the noise that came with it.

    Raises:
        LatentMismatchError: the latents belong to another generator.
        ValueError: a shape does not fit.
    """
    named = (
        (f"proj{i:02d}", picture, _facts(G, config, latent=i))
        for i, picture in enumerate(_draw_latents(G, latents, config, allow_mismatch))
    )
    _write(named, len(latents), config, seeds=None, G=G)


def render_mix(
    G: Generator, rows: Sequence[int], columns: Sequence[int], styles: Sequence[int], config: RenderConfig
) -> None:
    """Style mixing: writes `<row>-<column>.png`, and `grid.png` with the unmixed pictures along the top and the left.

    Raises:
        UnsupportedError: the family has no W space.
        ValueError: seeds, styles or class do not fit.
    """
    c = _label(G, config)
    row_ws, column_ws = (_ws_of_seeds(G, seeds, c, config) for seeds in (rows, columns))
    mixed = mix(row_ws, column_ws, styles=styles)
    latents = [*column_ws, *(w for i in range(len(rows)) for w in (row_ws[i], *mixed[i]))]
    names = [f"{seed}-{seed}" for seed in columns]
    seeds = list(columns)
    for row in rows:
        names += [f"{row}-{row}", *(f"{row}-{column}" for column in columns)]
        seeds += [row] * (len(columns) + 1)
    pictures = draw(G, zip(latents, seeds, strict=True), noise_mode=config.noise_mode)
    sheet: list[Picture] = [np.zeros((*G.img_shape, G.img_channels), np.uint8)]
    with ImageWriter(config.outdir, config.image_format) as writer:
        for name, picture in zip(names, tqdm(pictures, total=len(names), unit="img", disable=None), strict=True):
            writer.write(name, picture, _facts(G, config, mix=name, styles=list(styles)))
            sheet.append(picture)
    facts = _facts(G, config, rows=list(rows), columns=list(columns), styles=list(styles))
    _write_grid(sheet, (len(columns) + 1, len(rows) + 1), config, facts)


def _ws_of_seeds(
    G: Generator, seeds: Sequence[int], c: NDArray[np.float32] | None, config: RenderConfig
) -> NDArray[np.float32]:
    batches = G.sample(seeds, c, config.truncation_psi, config.truncation_cutoff)
    return np.concatenate([batch.latents.values for batch in batches])


def _draw_latents(G: Generator, latents: Latents, config: RenderConfig, allow_mismatch: bool) -> Iterator[Picture]:
    """The picture of each latent, alone in its call, since each may bring its own noise."""
    for i in range(len(latents)):
        noise = {name: value[i : i + 1] if len(value) > 1 else value for name, value in latents.noise.items()}
        one = Latents(
            values=latents.values[i : i + 1],
            space=latents.space,
            generator=latents.generator,
            noise=noise,
            truncation_psi=latents.truncation_psi,
        )
        yield G.images(one, config.noise_mode, seeds=[i], allow_mismatch=allow_mismatch)[0]


def _write(
    named: Iterable[tuple[str, Picture, dict[str, Any]]],
    count: int,
    config: RenderConfig,
    *,
    seeds: list[int] | None,
    G: Generator,
) -> None:
    sheet: list[Picture] = []
    with ImageWriter(config.outdir, config.image_format) as writer:
        for name, picture, facts in tqdm(named, total=count, unit="img", disable=None):
            writer.write(name, picture, facts if config.metadata else None)
            if config.grid is not None:
                sheet.append(picture)
    if config.grid is not None and sheet:
        _write_grid(sheet, config.grid, config, _facts(G, config, seeds=seeds, grid=list(config.grid)))


def _write_grid(sheet: list[Picture], shape: tuple[int, int], config: RenderConfig, facts: dict[str, Any]) -> None:
    picture = grid(np.stack(sheet), columns=shape[0], rows=shape[1])
    with whole_file(config.outdir / "grid.png") as temporary:
        temporary.write_bytes(encode_image(picture, "png", facts if config.metadata else None))


def _label(G: Generator, config: RenderConfig) -> NDArray[np.float32] | None:
    if config.class_index is None:
        return None
    if G.c_dim == 0:
        _log.warning("--class=%d has no effect: %s is unconditional.", config.class_index, G.name)
        return None
    return one_hot(config.class_index, G.c_dim)


def _seed_name(seed: int) -> str:
    return f"seed{seed:04d}"


def _is_there(config: RenderConfig, name: str) -> bool:
    return config.resume and (config.outdir / f"{name}.{config.image_format}").exists()


def _facts(G: Generator, config: RenderConfig, **more: Any) -> dict[str, Any]:
    """What a picture says about how it was made."""
    return {
        "verb": "sample",
        "network": G.name,
        "fingerprint": G.fingerprint,
        "version": __version__,
        **more,
        "truncation_psi": config.truncation_psi,
        "truncation_cutoff": config.truncation_cutoff,
        "class": config.class_index,
        "noise_mode": config.noise_mode,
        "batch": G.micro_batch,
        "backend": G.backend,
        "precision": G.precision,
    }
