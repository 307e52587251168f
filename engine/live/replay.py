"""A take drawn again: the same states at the same times, to a file of any rate and size."""

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import groupby, islice
from pathlib import Path as FilePath
from typing import Any

from tqdm import tqdm

from wplus.generator import Generator
from wplus.live.painting import faded, scaled
from wplus.live.performance import Look, Performance, State, walk_length
from wplus.live.take import Take
from wplus.media import Picture
from wplus.paths.drawing import draw_frames
from wplus.paths.path import Path
from wplus.recipe import recipe
from wplus.video import open_sink


def render_take(
    G: Generator,
    take: Take,
    output: str | FilePath,
    *,
    fps: Fraction | float | None = None,
    size: tuple[int, int] | None = None,
    audio: FilePath | None = None,
    folder: FilePath | None = None,
    metadata: bool = True,
    progress: bool = False,
    allow_mismatch: bool = False,
) -> FilePath:
    """Writes a take to `output`, and returns its path.

    Args:
        G: The generator.
        take: What was performed.
        output: As for `wplus.walk.walk`.
        fps: Frames a second; None: those of the show.
        size: Height and width of the pictures; None: as they are drawn.
        audio: The sound; None: the take's own, if it has one.
        folder: To which the files that the take names are relative.
        metadata: Say in the file how it was made.
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
    own = None if take.audio is None else (folder or FilePath()) / take.audio
    sound = audio or own
    facts = recipe(G, "walk", {"fps": float(rate), "take": True}) if metadata else None
    options: dict[str, Any] = {}
    if sound is not None:
        from wplus.video_config import VideoOptions

        options["options"] = VideoOptions(audio=sound)
    frames = take_frames(G, take, fps=rate, folder=folder, allow_mismatch=allow_mismatch)
    with open_sink(output, fps=rate, size=wanted, metadata=facts, **options) as sink:
        for frame in tqdm(frames, total=_count(take, rate), unit="frame", disable=None if progress else True):
            sink.write(scaled(frame, wanted))
    return FilePath(output)


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
    folder: FilePath | None = None,
    allow_mismatch: bool = False,
) -> Iterator[Picture]:
    """The frames of a take, uint8 `[rows * H, columns * W, C]`, drawn as they are asked for.

    Raises:
        LatentMismatchError: the take is of another generator, or one of its files.
        ValueError: a walk does not fit this network.
    """
    for walk, run in groupby(take_states(take, fps), key=lambda state: state.look.walk):
        owned = replace(walk, generator=walk.generator or take.generator)
        path = Path(G, owned, folder=folder, allow_mismatch=allow_mismatch)
        columns, rows = walk.grid
        last: tuple[Look, Picture] | None = None
        while states := list(islice(run, max(1, G.micro_batch // path.cells))):
            looks = [look for look, _ in groupby(state.look for state in states)]
            if last is not None and looks[0] == last[0]:
                del looks[0]
            asked = [(look.position, look.controls) for look in looks]
            pictures = draw_frames(G, path.along(asked), columns=columns, rows=rows)
            for state in states:
                if last is None or state.look != last[0]:  # while nothing moves, nothing is drawn
                    last = (state.look, next(pictures))
                yield faded(last[1], state.fade)


def _count(take: Take, fps: Fraction | float) -> int:
    return max(1, round(take.duration * fps))
