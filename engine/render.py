"""Pictures into a folder: seeds, latents and style mixes, drawn by a generator and written in the background."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from wplus.errors import ArtifactError, UnsupportedError
from wplus.files import whole_file
from wplus.generator import Generator
from wplus.inputs import NoiseMode, check_shape, one_hot
from wplus.keyframes import MapOptions, map_each
from wplus.latents import Latents, check_generator, mix, seeds_to_z
from wplus.media import ImageWriter, OutputFormat, Picture, encode_image, grid
from wplus.media_metadata import read_metadata
from wplus.recipe import recipe
from wplus.sampling import draw
from wplus.transforms import IN_PLACE, Move

_log = logging.getLogger(__name__)

_COARSE_STYLES = 7  # layers that a style mix takes from its columns: NVIDIA's default

_Named = tuple[str, Picture, dict[str, Any]]  # file name without suffix, picture, how it was made


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderConfig:
    """How pictures are drawn and written."""

    outdir: Path
    image_format: OutputFormat = "png"
    grid: tuple[int, int] | None = None  # columns, rows of grid.png
    truncation_psi: float = 1.0
    truncation_cutoff: int | None = None
    class_index: int | None = None  # of a conditional network
    noise_mode: NoiseMode = "const"
    move: Move = IN_PLACE  # of StyleGAN3's pictures
    metadata: bool = True  # pictures say how they were made
    resume: bool = False  # keep the pictures that are there and say that they were made just so

    def __post_init__(self) -> None:
        if self.resume and (self.grid or not self.metadata or self.image_format in ("npy", "zip")):
            raise ValueError(
                "--resume goes by what each picture says of how it was made: it needs --format=png, jpg or webp, and "
                "neither --no-metadata nor --grid, which needs all pictures drawn."
            )


def render_seeds(G: Generator, seeds: Sequence[int], config: RenderConfig) -> int:
    """Writes `seed0000.png` and so on, and `grid.png`; returns how many pictures were drawn, the grid apart.

    Raises:
        ValueError: seeds, class or grid do not fit.
        ArtifactError: a file cannot be written.
    """
    _check_grid(config, len(seeds))
    c = _label(G, config)
    wanted = [seed for seed in seeds if not (config.resume and _is_there(G, config, seed))]
    if len(wanted) < len(seeds):
        _log.info("%d of %d pictures are there already.", len(seeds) - len(wanted), len(seeds))
    psi, cutoff, mode = config.truncation_psi, config.truncation_cutoff, config.noise_mode
    batches = G.sample(wanted, c, psi, cutoff, mode, transform=config.move.matrix)
    pictures = (pair for batch in batches for pair in zip(batch.seeds, batch.images, strict=True))
    named = ((_seed_name(seed), picture, _facts(G, config, seed=seed)) for seed, picture in pictures)
    sheet = _write(named, len(wanted), config)
    if config.grid is not None:
        _write_grid(G, sheet, config.grid, config, seeds=list(seeds))
    return len(wanted)


def render_latents(
    G: Generator,
    latents: Latents,
    config: RenderConfig,
    *,
    facts: Mapping[str, Any] | None = None,
    allow_mismatch: bool = False,
) -> int:
    """Writes `proj00.png` and so on, and `grid.png`; returns how many pictures were drawn, the grid apart.

    Noise that came with the latents is used where the noise mode is "const". Truncation and class act on a z alone.

    Args:
        facts: What the pictures are to say besides, such as which file the latents are from.

    Raises:
        LatentMismatchError: the latents belong to another generator.
        ValueError: a shape, a class or the grid does not fit.
        ArtifactError: a file cannot be written.
    """
    check_generator(latents, G, allow_mismatch=allow_mismatch)
    _check_grid(config, len(latents))
    if latents.space == "z" and latents.truncation_psi is not None and config.truncation_psi == 1:
        config = replace(config, truncation_psi=latents.truncation_psi)
    pictures = enumerate(_draw_latents(G, _to_ws(G, latents, config), latents, config))
    origin = dict(facts or {})
    named = ((f"proj{i:02d}", picture, _facts(G, config, latent=i, **origin)) for i, picture in pictures)
    sheet = _write(named, len(latents), config)
    if config.grid is not None:
        _write_grid(G, sheet, config.grid, config, **origin)
    return len(latents)


def render_mix(
    G: Generator,
    rows: Sequence[int],
    columns: Sequence[int],
    config: RenderConfig,
    *,
    styles: Sequence[int] | None = None,
) -> int:
    """Style mixing: writes `<row>-<column>.png`, and `grid.png` with the unmixed pictures along the top and the left.

    Args:
        rows: Seeds.
        columns: Seeds.
        styles: Layers that come from the column; None: the first seven, as far as there are so many.

    Raises:
        UnsupportedError: the family has no W space.
        ValueError: seeds, styles or class do not fit.
        ArtifactError: a file cannot be written.
    """
    if not G.has_w:
        raise UnsupportedError(f"{G.name} (family {G.family}) has no layers with styles, so nothing can be mixed.")
    chosen = list(range(min(_COARSE_STYLES, G.num_ws))) if styles is None else list(styles)
    row_ws, column_ws = (_ws_of_seeds(G, seeds, config) for seeds in (rows, columns))
    mixed = mix(row_ws, column_ws, styles=chosen)
    cells = [(seed, seed, w) for seed, w in zip(columns, column_ws, strict=True)]
    for i, row in enumerate(rows):
        cells += [(row, row, row_ws[i]), *((row, column, mixed[i, j]) for j, column in enumerate(columns))]
    pictures = draw(G, ((w, row) for row, _, w in cells), noise_mode=config.noise_mode, transform=config.move.matrix)
    named = (
        (f"{row}-{column}", picture, _facts(G, config, rows=[row], columns=[column], styles=chosen))
        for (row, column, _), picture in zip(cells, pictures, strict=True)
    )
    shape = (len(columns) + 1, len(rows) + 1)
    corner = np.zeros((*G.img_shape, G.img_channels), np.uint8)
    sheet = [corner, *_write(named, len(cells), replace(config, grid=shape))]
    _write_grid(G, sheet, shape, config, rows=list(rows), columns=list(columns), styles=chosen)
    return len(cells)


def _ws_of_seeds(G: Generator, seeds: Sequence[int], config: RenderConfig) -> NDArray[np.float32]:
    z = (seeds_to_z([seed], G.z_shape)[0] for seed in seeds)
    return np.stack(list(map_each(G, z, _map_options(G, config))))


def _to_ws(G: Generator, latents: Latents, config: RenderConfig) -> NDArray[np.float32]:
    """The latents as ws `[N, num_ws, w_dim]`; as they are in a family without W."""
    if not G.has_w and latents.space != "z":
        raise UnsupportedError(f"{G.name} (family {G.family}) has no space {latents.space}; it draws z alone.")
    expected = {"z": G.z_shape} if not G.has_w else {"z": G.z_shape, "w": (G.w_dim,), "w+": (G.num_ws, G.w_dim)}
    check_shape(latents.space, latents.values, expected[latents.space], owner=G)
    if latents.space == "z" and G.has_w:
        return np.stack(list(map_each(G, latents.values, _map_options(G, config))))
    if latents.space == "w":
        return np.broadcast_to(latents.values[:, None], (len(latents), G.num_ws, G.w_dim))
    return latents.values


def _draw_latents(G: Generator, ws: NDArray[np.float32], latents: Latents, config: RenderConfig) -> Iterator[Picture]:
    """The picture of each latent, in micro-batches of one size as sampling does, with the noise and the transform that
    came with it; a move that was asked for takes the transform's place.
    """
    noise = latents.noise if config.noise_mode == "const" else {}
    moved = latents.transform if config.move == IN_PLACE else None
    options = _map_options(G, config).of_z(G) if not G.has_w else {}
    if wrong := [name for name, maps in noise.items() if len(maps) not in (1, len(ws))]:
        raise ValueError(f"The noise {wrong[0]} has {len(noise[wrong[0]])} maps; 1 or {len(ws)} are needed.")
    for start in range(0, len(ws), G.micro_batch):
        which = np.minimum(np.arange(start, start + G.micro_batch), len(ws) - 1)  # the last one pads
        maps = {name: value if len(value) == 1 else value[which] for name, value in noise.items()}
        transform = config.move.matrix if moved is None else moved[which]
        images = G.images(ws[which], config.noise_mode, maps or None, which.tolist(), transform=transform, **options)
        yield from images[: len(ws) - start]


def _write(named: Iterable[_Named], count: int, config: RenderConfig) -> list[Picture]:
    """Writes the pictures, and returns them where a grid is wanted."""
    sheet: list[Picture] = []
    with ImageWriter(config.outdir, config.image_format) as writer:
        for name, picture, facts in tqdm(named, total=count, unit="img", disable=None):
            writer.write(name, picture, facts if config.metadata else None)
            if config.grid is not None:
                sheet.append(picture)
    return sheet


def _write_grid(G: Generator, sheet: list[Picture], shape: tuple[int, int], config: RenderConfig, **more: Any) -> None:
    facts = _facts(G, config, grid=None if config.grid is None else f"{shape[0]}x{shape[1]}", **more)
    picture = grid(np.stack(sheet), columns=shape[0], rows=shape[1])
    with whole_file(config.outdir / "grid.png") as temporary:
        temporary.write_bytes(encode_image(picture, "png", facts if config.metadata else None))


def _check_grid(config: RenderConfig, count: int) -> None:
    if count == 0:
        raise ValueError("There are 0 pictures to draw; 1 or more are needed.")
    if config.grid is not None and count > config.grid[0] * config.grid[1]:
        columns, rows = config.grid
        raise ValueError(f"{count} pictures do not fit into a grid of {columns}x{rows} (columns x rows).")


def _map_options(G: Generator, config: RenderConfig) -> MapOptions:
    _label(G, config)
    return MapOptions(
        truncation_psi=config.truncation_psi,
        truncation_cutoff=config.truncation_cutoff,
        class_index=config.class_index,
    )


def _label(G: Generator, config: RenderConfig) -> NDArray[np.float32] | None:
    """The class as a label, checked against what the network has."""
    index = config.class_index
    if (index is None) != (G.c_dim == 0) or (index is not None and index >= G.c_dim):
        need = f"a class from 0 to {G.c_dim - 1} (--class)" if G.c_dim else "none"
        raise ValueError(f"The class is {'missing' if index is None else index}; {G.name} needs {need}.")
    return None if index is None else one_hot(index, G.c_dim)


def _seed_name(seed: int) -> str:
    return f"seed{seed:04d}"


def _is_there(G: Generator, config: RenderConfig, seed: int) -> bool:
    """Whether a picture of the seed is there and says that it was made just as it would be now."""
    path = config.outdir / f"{_seed_name(seed)}.{config.image_format}"
    try:
        return path.exists() and read_metadata(path) == _facts(G, config, seed=seed)
    except ArtifactError:  # damaged, or somebody else's
        return False


def _facts(G: Generator, config: RenderConfig, **more: Any) -> dict[str, Any]:
    drawing = {
        "truncation_psi": config.truncation_psi,
        "truncation_cutoff": config.truncation_cutoff,
        "class": config.class_index,
        "noise_mode": config.noise_mode,
        **config.move.facts,
    }
    return recipe(G, "sample", more | drawing)
