"""A take drawn again: the same states at the same times, to a file of any rate and size."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import Any

from tqdm import tqdm

from wplus.generator import Generator
from wplus.live.painting import Painter, faded, scaled
from wplus.live.performance import Performance, State, walk_length
from wplus.live.preset import with_whole_names
from wplus.live.take import Take
from wplus.media import Picture
from wplus.pyav import CONTAINERS
from wplus.recipe import recipe
from wplus.video import VideoOptions, open_sink


def render_take(
    G: Generator,
    take: Take,
    output: str | Path,
    *,
    fps: Fraction | float | None = None,
    size: tuple[int, int] | None = None,
    video: VideoOptions | None = None,
    folder: Path | None = None,
    facts: Mapping[str, Any] | None = None,
    progress: bool = False,
    allow_mismatch: bool = False,
) -> Path:
    """Writes a take to `output`, and returns its path.

    Args:
        G: The generator.
        take: What was performed.
        output: As for `wplus.walk.walk`.
        fps: Frames a second; None: those of the show.
        size: Height and width of the pictures; None: as they are drawn.
        video: Codec and sound; without a sound it is the take's own, if it has one and the output takes any.
        folder: To which the files that the take names are relative.
        facts: What the file is to say of how it was made; None: nothing.
        progress: Show a bar when standard error is a terminal.
        allow_mismatch: Draw the take of another generator.

    Raises:
        LatentMismatchError: the take is of another generator.
        ValueError: the walk does not fit this network.
        ArtifactError: the output cannot be written.
    """
    rate = Fraction(take.fps if fps is None else fps).limit_denominator(1001)
    columns, rows = take.walk.grid
    wanted = size or (rows * G.img_shape[0], columns * G.img_shape[1])
    video = video or VideoOptions()
    if video.audio is None and take.audio is not None and Path(output).suffix.lower() in CONTAINERS:
        video = replace(video, audio=(folder or Path()) / take.audio)
    said = None if facts is None else recipe(G, "walk", {"fps": float(rate), **facts})
    frames = take_frames(G, take, fps=rate, folder=folder, allow_mismatch=allow_mismatch)
    count = _count(take, rate)
    with open_sink(output, fps=rate, size=wanted, metadata=said, options=video) as sink:
        for frame in tqdm(frames, total=count, unit="frame", disable=None if progress else True):
            sink.write(scaled(frame, wanted))
    return Path(output)


def take_states(take: Take, fps: Fraction | float) -> Iterator[State]:
    """What holds at each frame: frame n is the performance at n / fps seconds."""
    performance = Performance(take.walk, length=walk_length)
    events = deque(take.events)
    for number in range(_count(take, fps)):
        at = float(number / fps)
        while events and events[0].at <= at:
            event = events.popleft()
            performance.change(event.changes, event.at, event.walk)
        performance.forget(at)
        yield performance.state(at)


def take_frames(
    G: Generator,
    take: Take,
    *,
    fps: Fraction | float,
    folder: Path | None = None,
    allow_mismatch: bool = False,
) -> Iterator[Picture]:
    """The frames of a take, uint8 `[rows * H, columns * W, C]`, drawn as they are asked for.

    They are drawn one by one, as the show drew them: in larger batches they would differ by rounding.

    Raises:
        LatentMismatchError: the take is of another generator, or one of its files.
        ValueError: a walk does not fit this network.
    """
    painter = Painter(G, allow_mismatch=allow_mismatch)
    for walk, states in groupby(take_states(take, fps), key=lambda state: state.look.walk):
        named = with_whole_names(replace(walk, generator=walk.generator or take.generator), folder)
        for look, alike in groupby(states, key=lambda state: state.look):  # while nothing moves, nothing is drawn
            picture = painter.paint(replace(look, walk=named))
            yield from (faded(picture, state.fade) for state in alike)


def _count(take: Take, fps: Fraction | float) -> int:
    return max(1, round(take.duration * fps))
