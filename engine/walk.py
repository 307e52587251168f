"""A walk through latent space: one curve through keyframes per cell of a grid, drawn frame by frame."""

import hashlib
import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from wplus.inputs import Noise, NoiseMode
from wplus.interpolation import Curve, Interp, curve
from wplus.keyframes import Keyframes, MapOptions, Space, map_each, resolve
from wplus.latents import Latents
from wplus.media import Picture, grid
from wplus.pipeline import Stage, ahead
from wplus.recipe import recipe
from wplus.sampling import draw
from wplus.transforms import IN_PLACE, Move
from wplus.video import VideoOptions, frames_to_write, open_sink

if TYPE_CHECKING:
    from wplus.generator import Generator

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkConfig:
    """How a walk goes from keyframe to keyframe."""

    space: Space | None = None  # None: w, or z where the network has no w
    interp: Interp | None = (
        None  # None: spline in w, slerp in z (where it keeps the norm that the network was trained on)
    )
    loop: bool = False  # the last keyframe leads back to the first, without a seam
    w_frames: int = 120  # from one keyframe to the next
    frames: int | None = None  # of the whole walk, in place of w_frames
    fps: Fraction | float = 60
    grid: tuple[int, int] = (1, 1)  # columns, rows: each cell walks through keyframes of its own
    num_keyframes: int | None = None  # per cell, taking the given ones in turn, again and again; None: given / cells
    truncation_psi: float = 1
    truncation_cutoff: int | None = None
    class_index: int | None = None  # of a conditional network
    noise_mode: NoiseMode = "const"  # random: one for each cell, so that nothing flickers
    move: Move = IN_PLACE  # of StyleGAN3's pictures
    anchor: bool = False  # StyleGAN3: every frame stays where the mean picture stands, and does not drift

    def __post_init__(self) -> None:
        if min(self.grid) < 1:
            raise ValueError(f"grid is {self.grid[0]}x{self.grid[1]}; it needs at least one column and one row.")
        if self.w_frames < 1 or (self.frames is not None and self.frames < 1):
            raise ValueError(f"w_frames is {self.w_frames}, frames is {self.frames}; both must be at least 1.")
        if not 0 < self.fps < math.inf:
            raise ValueError(f"fps is {self.fps}; it must be positive.")

    @property
    def map_options(self) -> MapOptions:
        """The part that turns a z into ws."""
        return MapOptions(
            truncation_psi=self.truncation_psi,
            truncation_cutoff=self.truncation_cutoff,
            class_index=self.class_index,
        )


def walk(
    G: "Generator",
    keyframes: Keyframes,
    *,
    output: str | Path,
    config: WalkConfig | None = None,
    video: VideoOptions | None = None,
    metadata: bool = True,
    facts: Mapping[str, Any] | None = None,
    progress: bool = False,
    allow_mismatch: bool = False,
) -> Path:
    """Writes the walk to `output` (a video, a GIF, or a folder of PNGs; see `wplus.video.open_sink`), returns its path.

    Latents, pictures, and the encoder's work are made at once, each in a thread of its own.

    Args:
        keyframes: Seeds, `Latents`, or an array: z `[K, *z_shape]` in a walk through z, `[K, w_dim]` or
            `[K, num_ws, w_dim]` in a walk through w.
        video: Codec, sound, and whether to go on with numbered PNGs that an interrupted walk left.
        metadata: Say in the file how it was made.
        facts: What it is to say besides, such as which files the keyframes are from.
        progress: Show a bar when standard error is a terminal.
        allow_mismatch: Take `Latents` of another generator.

    Raises:
        ValueError: the keyframes do not fit the grid, the space or the network; `output` has an unknown suffix, or cannot follow
            `video`.
        UnsupportedError: the network has no w, or a video is asked for and PyAV or its encoder is not installed.
        LatentMismatchError: the latents belong to another generator.
        ArtifactError: the output cannot be written; nothing of it is left behind, but for frames that can be resumed.
    """
    video = video or VideoOptions()
    plan = _plan(G, keyframes, config or WalkConfig(), allow_mismatch)
    columns, rows = plan.config.grid
    size = (rows * G.img_shape[0], columns * G.img_shape[1])
    said = _facts(plan, keyframes) | _encoding(video) | dict(facts or {}) if metadata else None
    numbers = frames_to_write(output, len(plan.times), said, video)
    plan = replace(plan, times=plan.times[list(numbers)])
    with (
        open_sink(
            output, fps=plan.config.fps, size=size, metadata=said, options=video, numbers=numbers
        ) as sink,
        closing(_frames(plan, depth=2 * G.micro_batch)) as drawn,
    ):
        for frame in tqdm(drawn, total=len(numbers), unit="frame", disable=None if progress else True):
            sink.write(frame)
    return Path(output)


def frames(
    G: "Generator", keyframes: Keyframes, config: WalkConfig | None = None, *, allow_mismatch: bool = False
) -> Iterator[Picture]:
    """The frames of a walk, uint8 `[rows * H, columns * W, C]`, drawn as they are asked for.

    Arguments and errors are those of `walk`; they are checked before this returns.
    """
    return _frames(_plan(G, keyframes, config or WalkConfig(), allow_mismatch))


def frame_times(keyframes: int, config: WalkConfig) -> NDArray[np.float64]:
    """When each frame is, in keyframes: an open walk ends on its last keyframe, a loop one step before its first."""
    spans = keyframes if config.loop else keyframes - 1
    steps = spans * config.w_frames if config.frames is None else config.frames - (not config.loop)
    count = steps + (not config.loop)
    # Multiplied first: a frame that falls on a keyframe falls on it exactly.
    return np.arange(count, dtype=np.float64) * spans / max(steps, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """A walk that has been checked."""

    G: "Generator"
    config: WalkConfig
    space: Space
    interp: Interp
    curves: list[Curve]  # one per cell
    shape: tuple[int, ...]  # of one keyframe
    noise_seeds: list[int]  # one per cell
    noise: Noise | None
    times: NDArray[np.float64]


def _plan(G: "Generator", keyframes: Keyframes, config: WalkConfig, allow_mismatch: bool) -> _Plan:
    waiting = keyframes.truncation_psi if isinstance(keyframes, Latents) and keyframes.space == "z" else None
    if waiting is not None and config.truncation_psi == 1:
        config = replace(config, truncation_psi=waiting)
    space: Space = config.space or ("w" if G.has_w else "z")
    interp: Interp = config.interp or ("spline" if space == "w" else "slerp")
    points = resolve(G, keyframes, space=space, options=config.map_options, allow_mismatch=allow_mismatch)
    cells = _cells(len(points), config)
    # [K, vectors, dim]: an arc turns each w of a W+, and a z as a whole, be it spatial.
    vectors = points if space == "w" else points.reshape(len(points), 1, -1)
    seeds = _seeds(keyframes)
    return _Plan(
        G=G,
        config=config,
        space=space,
        interp=interp,
        curves=[curve(vectors[cell], interp=interp, loop=config.loop) for cell in cells],
        shape=points.shape[1:],
        noise_seeds=[seeds[cell[0]] if seeds else cell[0] for cell in cells],
        noise=_noise(keyframes),
        times=frame_times(len(cells[0]), config),
    )


def _cells(given: int, config: WalkConfig) -> list[list[int]]:
    """Which keyframes each cell goes through."""
    columns, rows = config.grid
    cells = columns * rows
    each = config.num_keyframes
    if each is None:
        if given % cells:
            raise ValueError(
                f"{given} keyframes do not divide into the {cells} cells of a {columns}x{rows} grid. "
                f"Give a multiple of {cells}, or reuse them: --num-keyframes=4."
            )
        each = given // cells
    if each < 2:
        raise ValueError(
            f"{given} keyframes and a {columns}x{rows} grid leave {each} per cell; a walk needs 2 or more in each. "
            "Give more seeds, or reuse them: --num-keyframes=4."
        )
    return [[(cell * each + i) % given for i in range(each)] for cell in range(cells)]


def _seeds(keyframes: Keyframes) -> list[int] | None:
    if isinstance(keyframes, Latents) or (isinstance(keyframes, np.ndarray) and keyframes.ndim > 1):
        return None
    return [int(seed) for seed in keyframes]


def _noise(keyframes: Keyframes) -> Noise | None:
    noise = keyframes.noise if isinstance(keyframes, Latents) else None
    if noise and any(len(values) > 1 for values in noise.values()):
        _log.warning("Each latent brings its own noise, and a walk has one: it uses the network's own.")
        return None
    return noise or None


def _frames(plan: _Plan, *, depth: int = 0) -> Stage[Picture]:
    """The frames; with a depth, latents and pictures are made in threads, as many ahead at most."""
    columns, rows = plan.config.grid
    with closing(ahead(_rows(plan), depth=depth)) as latents:
        drawn = draw(
            plan.G,
            latents,
            noise_mode=plan.config.noise_mode,
            noise=plan.noise,
            transform=plan.config.move.matrix,
            **plan.config.map_options.of_z(plan.G),
        )
        with closing(ahead(drawn, depth=depth)) as pictures:
            for _ in plan.times:
                yield grid(np.stack(list(islice(pictures, columns * rows))), columns=columns, rows=rows)


def _rows(plan: _Plan) -> Iterator[tuple[NDArray[np.float32], int]]:
    """What `draw` draws: frame by frame, and cell by cell within a frame."""
    points = (at([time])[0].reshape(plan.shape) for time in plan.times for at in plan.curves)
    maps = plan.space == "z" and plan.G.has_w
    latents = map_each(plan.G, points, plan.config.map_options) if maps else points
    if plan.config.anchor:
        latents = (_anchored(plan.G, ws) for ws in latents)
    return zip(latents, cycle(plan.noise_seeds))


def _anchored(G: "Generator", ws: NDArray[np.float32]) -> NDArray[np.float32]:
    """The latent with the mean w in its first slot, from which StyleGAN3 learns where the picture stands."""
    ws = np.array(ws)
    ws[0] = G.w_avg
    return ws


def _facts(plan: _Plan, keyframes: Keyframes) -> dict[str, Any]:
    config = plan.config
    fps = Fraction(config.fps)
    facts = {
        "seeds": _seeds(keyframes),
        **_digest(keyframes),
        "space": plan.space,
        "interp": plan.interp,
        "loop": config.loop,
        "w_frames": config.w_frames if config.frames is None else None,
        "frames": config.frames,
        "fps": fps.numerator if fps.denominator == 1 else float(fps),
        "grid": f"{config.grid[0]}x{config.grid[1]}",
        "num_keyframes": config.num_keyframes,
        "truncation_psi": config.truncation_psi,
        "truncation_cutoff": config.truncation_cutoff,
        "class": config.class_index,
        "noise_mode": config.noise_mode,
        **config.move.facts,
        "anchor": config.anchor,
    }
    return recipe(plan.G, "walk", facts)


def _digest(keyframes: Keyframes) -> dict[str, str]:
    """What tells keyframes that are no seeds from others: frames of other latents must not be taken for the walk's."""
    if _seeds(keyframes) is not None:
        return {}
    values, noise = (keyframes.values, keyframes.noise) if isinstance(keyframes, Latents) else (keyframes, {})
    digest = hashlib.sha256()
    for name, value in [("", values), *sorted(noise.items())]:
        digest.update(name.encode() + np.ascontiguousarray(value, np.float32).tobytes())
    return {"keyframes": digest.hexdigest()[:16]}


def _encoding(video: VideoOptions) -> dict[str, Any]:
    """What a video says about how it was encoded."""
    return video.encoding | ({} if video.audio is None else {"audio": video.audio.name})
