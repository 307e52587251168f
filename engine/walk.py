"""A walk through latent space, drawn frame by frame into a file: one curve through keyframes per cell of a grid."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from wplus.inputs import NoiseMode
from wplus.interpolation import Interp
from wplus.keyframes import Keyframes, Space
from wplus.latents import Latents
from wplus.media import Picture
from wplus.paths.description import Keyframe, NoiseUse, Walk
from wplus.paths.digest import walk_digest
from wplus.paths.drawing import draw_frames
from wplus.paths.path import UNTOUCHED, Path
from wplus.paths.said import walk_facts
from wplus.paths.tracks import constant
from wplus.pipeline import Stage, ahead
from wplus.transforms import IN_PLACE, Move
from wplus.video import VideoOptions, frames_to_write, open_sink

if TYPE_CHECKING:
    from wplus.generator import Generator


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

    def description(self, seeds: Sequence[int] = ()) -> Walk:
        """The walk as files describe it."""
        x, y = self.move.translate
        return Walk(
            keyframes=tuple(Keyframe(seed=seed) for seed in seeds),
            space=self.space,
            interp=self.interp,
            loop=self.loop,
            seconds_per_keyframe=float(self.w_frames / Fraction(self.fps)),
            fps=float(self.fps),
            grid=self.grid,
            num_keyframes=self.num_keyframes,
            class_index=self.class_index,
            truncation_psi=constant(self.truncation_psi),
            truncation_cutoff=self.truncation_cutoff,
            noise=NoiseUse(mode=self.noise_mode),
            translate_x=constant(x),
            translate_y=constant(y),
            rotate=constant(self.move.rotate),
            anchor=self.anchor,
        )


def walk(
    G: "Generator",
    keyframes: Keyframes,
    *,
    output: str | FilePath,
    config: WalkConfig | None = None,
    video: VideoOptions | None = None,
    metadata: bool = True,
    facts: Mapping[str, Any] | None = None,
    progress: bool = False,
    allow_mismatch: bool = False,
) -> FilePath:
    """Writes the walk to `output` (a video, a GIF, a folder of PNGs; see `wplus.video.open_sink`) and returns its path.

    Args:
        keyframes: Seeds, `Latents`, or an array: z `[K, *z_shape]` in a walk through z, `[K, w_dim]` or
            `[K, num_ws, w_dim]` in a walk through w.
        video: Codec, sound, and whether to go on with numbered PNGs that an interrupted walk left.
        metadata: Say in the file how it was made.
        facts: What it is to say besides, such as which files the keyframes are from.
        progress: Show a bar when standard error is a terminal.
        allow_mismatch: Take `Latents` of another generator.

    Raises:
        ValueError: the keyframes do not fit the grid, the space or the network; `output` has an unknown suffix, or
            cannot follow `video`.
        UnsupportedError: the network has no w, or a video is asked for and PyAV or its encoder is not installed.
        LatentMismatchError: the latents belong to another generator.
        ArtifactError: the output cannot be written; nothing of it is left behind, but for frames that can be resumed.
    """
    config = config or WalkConfig()
    path = _path(G, keyframes, config, allow_mismatch)
    said = walk_facts(path, frames=config.frames) | dict(facts or {}) if metadata else None
    return write_walk_video(path, output=output, frames=config.frames, video=video, facts=said, progress=progress)


def frames(
    G: "Generator", keyframes: Keyframes, config: WalkConfig | None = None, *, allow_mismatch: bool = False
) -> Iterator[Picture]:
    """The frames of a walk, uint8 `[rows * H, columns * W, C]`, drawn as they are asked for.

    Arguments and errors are those of `walk`; they are checked before this returns.
    """
    config = config or WalkConfig()
    path = _path(G, keyframes, config, allow_mismatch)
    return path_frames(path, frame_positions(path, frames=config.frames))


def write_walk_video(
    path: Path,
    *,
    output: str | FilePath,
    frames: int | None = None,
    video: VideoOptions | None = None,
    facts: Mapping[str, Any] | None = None,
    progress: bool = False,
) -> FilePath:
    """Writes a path at its own rate to `output`, and returns its name; see `walk`.

    Latents, pictures and the encoded file are made at once: the pictures in the caller's thread, the others in threads
    of their own. (A runtime on the CPU has a team of threads for each that calls it, and slows down where it has two.)

    Args:
        path: A walk on a generator.
        output: A video, a GIF, a folder of PNGs, or "-"; see `wplus.video.open_sink`.
        video: Codec, sound, and whether to go on with numbered PNGs that an interrupted walk left.
        frames: How many in all; None: as many as the walk's seconds have.
        facts: What the file is to say about itself; see `wplus.paths.said`.
        progress: Show a bar when standard error is a terminal.

    Raises:
        ValueError: `output` has an unknown suffix, or cannot follow `video`.
        UnsupportedError: a video is asked for and PyAV or its encoder is not installed.
        ArtifactError: the output cannot be written; nothing of it is left behind, but for frames that can be resumed.
    """
    video = video or VideoOptions()
    columns, rows = path.walk.grid
    size = (rows * path.G.img_shape[0], columns * path.G.img_shape[1])
    positions = frame_positions(path, frames=frames)
    said = None if facts is None else {**facts, **_said_of_file(path, positions, video)}
    numbers = frames_to_write(output, len(positions), said, video)
    drawn = path_frames(path, positions[list(numbers)], depth=2 * path.G.micro_batch)
    with (
        open_sink(output, fps=path.walk.fps, size=size, metadata=said, options=video, numbers=numbers) as sink,
        closing(drawn),
    ):
        for frame in tqdm(drawn, total=len(numbers), unit="frame", disable=None if progress else True):
            sink.write(frame)
    return FilePath(output)


def path_frames(path: Path, positions: Sequence[float] | NDArray[np.float64], *, depth: int = 0) -> Stage[Picture]:
    """The frames of a path at some positions in keyframes, uint8 `[rows * H, columns * W, C]`.

    Args:
        depth: 0: each frame is made when it is asked for. Else latents are made in a thread, those of so many frames
            ahead at most, unless the network has to map them; close the generator where not all frames are taken.
    """
    columns, rows = path.walk.grid
    moments = path.along((float(position), UNTOUCHED) for position in positions)
    maps = path.space == "z" and path.G.has_w
    with closing(ahead(moments, depth=0 if maps else depth)) as latents:
        yield from draw_frames(path.G, latents, columns=columns, rows=rows)


def frame_positions(path: Path, *, frames: int | None = None) -> NDArray[np.float64]:
    """When each frame is, in keyframes; `frames`: how many in all, in place of the rate."""
    walk, spans = path.walk, int(path.length)
    steps = round(path.duration * walk.fps) if frames is None else frames - (not walk.loop)
    return _positions(spans, max(steps, 0 if frames else 1), loop=walk.loop)


def frame_times(keyframes: int, config: WalkConfig) -> NDArray[np.float64]:
    """When each frame is, in keyframes: an open walk ends on its last keyframe, a loop one step before its first."""
    spans = keyframes if config.loop else keyframes - 1
    steps = spans * config.w_frames if config.frames is None else config.frames - (not config.loop)
    return _positions(spans, steps, loop=config.loop)


def _said_of_file(path: Path, positions: NDArray[np.float64], video: VideoOptions) -> dict[str, Any]:
    """What a file says of its encoding; and a frame that may be resumed of what it was drawn from."""
    said = video.encoding | ({} if video.audio is None else {"audio": video.audio.name})
    return said | ({"digest": walk_digest(path, positions.tolist())} if video.resume else {})


def _positions(spans: int, steps: int, *, loop: bool) -> NDArray[np.float64]:
    # Multiplied first: a frame that falls on a keyframe falls on it exactly.
    return np.arange(steps + (not loop), dtype=np.float64) * spans / max(steps, 1)


def _path(G: "Generator", keyframes: Keyframes, config: WalkConfig, allow_mismatch: bool) -> Path:
    if isinstance(keyframes, Latents) or (isinstance(keyframes, np.ndarray) and keyframes.ndim > 1):
        is_w = keyframes.space != "z" if isinstance(keyframes, Latents) else G.has_w and config.space != "z"
        if is_w and (config.truncation_psi, config.truncation_cutoff, config.class_index) != (1, None, None):
            raise ValueError(
                "Truncation and class act on the way from z to w, and the keyframes are w already. "
                "Leave out --trunc, --trunc-cutoff and --class."
            )
        return Path(G, config.description(), keyframes=keyframes, allow_mismatch=allow_mismatch)
    return Path(G, config.description([int(seed) for seed in keyframes]), allow_mismatch=allow_mismatch)
