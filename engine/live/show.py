"""A show: a walk that is drawn in time, steered by many hands, and seen by many eyes. All methods are thread-safe."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from wplus.errors import WplusError
from wplus.latents import Latents
from wplus.live.audience import Audience
from wplus.live.clock import Clock, WallClock
from wplus.live.config import LiveConfig
from wplus.live.facts import facts_of, state_json
from wplus.live.file_sink import FileSink
from wplus.live.frames import Frame
from wplus.live.housekeeping import Housekeeping
from wplus.live.journal import Journal
from wplus.live.painting import Painter
from wplus.live.performance import Look, Performance, walk_length
from wplus.live.preset import preset_of, read_preset, read_preset_file, with_whole_names
from wplus.live.renderer import Renderer
from wplus.live.sinks import Sink
from wplus.live.stats import Stats
from wplus.live.still import Thumbnails, snapshot
from wplus.live.supervisor import Open, Supervisor
from wplus.live.take import Take
from wplus.live.tempo import Taps
from wplus.live.timeline import Timeline
from wplus.paths.description import Walk


class Show:
    """A live walk.

    Args:
        open_generator: Opens the generator that can draw at once. Called again after a failure.
        walk: What is walked.
        config: How.
        open_faster: Opens one that may be faster; it is prepared behind the show, and swapped in if it is.
        open_lower: Opens the same in a lower precision, for the budget.
        clock: Tells the time.
    """

    def __init__(
        self,
        open_generator: Open,
        walk: Walk,
        config: LiveConfig | None = None,
        *,
        open_faster: Open | None = None,
        open_lower: Open | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._config = config or LiveConfig()
        saved = _saved(self._config)  # first: nothing is open yet
        self._clock = clock or WallClock()
        self._stats = Stats()
        self._audience = Audience()
        walk = with_whole_names(walk, self._config.folder)  # for takes and presets, which go anywhere
        self._timeline = Timeline(Performance(walk, length=walk_length), self._clock, fps=walk.fps)
        self._journal = Journal(walk)
        self._renderer = Renderer(self._timeline, self._clock, self._stats, self._audience, budget=self._config.budget)
        self._supervisor = Supervisor(
            self._renderer,
            self._config,
            self._clock,
            self._stats,
            self._audience,
            look=self._look,
            begin=self._timeline.begin,
            open_generator=open_generator,
            open_faster=open_faster,
            open_lower=open_lower,
        )
        self._taps = Taps()
        self._thumbnails = Thumbnails()
        self._recording: FileSink | None = None
        self._lock = threading.Lock()  # of the recording
        self.controls: dict[str, Any] = {}  # what OSC and MIDI are mapped to, as JSON: kept in presets and the autosave
        self.is_over = False  # closed, and no thread of it is left in a runtime that cannot be broken off
        self._housekeeping = Housekeeping(self._config, self._autosaved, self._told, self._keep_journal)
        if saved is not None:
            self.load_preset(saved)

    # Life

    def start(self) -> None:
        """Starts drawing, and returns at once; `wait` waits for the first frame."""
        self._housekeeping.start()
        self._supervisor.start()

    def wait(self, timeout: float | None = None) -> bool:
        """Waits for the first frame; returns whether it is there."""
        return self._audience.seen.wait(timeout)

    def close(self) -> None:
        """Ends the show: the state is saved, a recording is finished, all sinks are closed."""
        self.is_over = self._supervisor.close()
        self._housekeeping.close()
        with self._lock:
            recording, self._recording = self._recording, None
        if recording is not None:
            recording.close()
        self._audience.close()
        self._journal.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # Steering

    def change(self, changes: Mapping[str, Any]) -> None:
        """Changes parameters by name, with the next frame; see `wplus.live.parameters`.

        Raises:
            ValueError: a name or a value is wrong; nothing is changed then.
        """
        self._timeline.change(changes)
        self._housekeeping.changed()

    def tap(self) -> float:
        """Notes a tap on the beat, and sets the tempo; returns beats a minute."""
        bpm = self._taps.tap(self._clock.now())
        if bpm is None:
            return float(60 / self._timeline.state().values["seconds_per_keyframe"])
        self.change({"bpm": bpm})
        return bpm

    def preset(self) -> dict[str, Any]:
        """What is shown now as a walk file, with the live parameters and the mapping of controls in it; JSON."""
        return preset_of(self._timeline.state(), self.controls)

    def load_preset(self, preset: Mapping[str, Any]) -> None:
        """Shows a preset, or a plain walk file, from the next frame on.

        Raises:
            ValueError, ArtifactError: it is none; nothing is changed then.
        """
        walk, changes, controls = read_preset(preset)
        self._timeline.change(changes, with_whole_names(walk, self._config.folder))
        if controls is not None:
            self.controls = controls
        self._housekeeping.changed()

    # Seeing

    def state(self) -> dict[str, Any]:
        """All that a control page shows; JSON."""
        painter = self._renderer.painter
        with self._lock:
            recording = None if self._recording is None else str(self._recording.path)
        return state_json(
            self._timeline.state(),
            generator=None if painter is None else facts_of(painter.G),
            level=self._renderer.level,
            recording=recording,
            error=self._supervisor.error or self._renderer.refused,
        )

    def stats(self) -> dict[str, Any]:
        """How it runs; JSON. Times are in milliseconds."""
        return {
            "time": self._timeline.now(),
            "wanted_fps": self._timeline.fps,
            "level": self._renderer.level.words,
            **self._stats.to_json(self._clock.now()),
        }

    def measured(self, stage: str, seconds: float) -> None:
        """Notes how long a sink's "encode" or "send" took for a frame; or "latency", from a change to its sight."""
        self._stats.measured(stage, seconds)

    @property
    def newest(self) -> Frame | None:
        """The frame that is up; None before the first."""
        return self._audience.newest

    def add(self, sink: Sink) -> None:
        """The sink gets all frames from now on, and at once the newest."""
        self._audience.add(sink)

    def remove(self, sink: Sink) -> None:
        """The sink gets no more frames; closing it is its owner's business."""
        self._audience.remove(sink)

    def subscribe(self, callback: Callable[[dict[str, Any]], None]) -> Callable[[], None]:
        """The callback is told all events, from any thread; what comes back ends that.

        `{"state": …}` after changes, at most 20 a second, and `{"event": name, …}`: "drawing", "loop", "beat",
        "budget", "refused", "renderer failed", "renderer restarted", "faster", "not faster", "faster failed",
        "lower failed", "sink failed", "recording failed".
        """
        return self._audience.subscribe(callback)

    # Keeping

    def thumbnail(self, seed: int, width: int) -> bytes:
        """A small picture of a seed, as JPEG."""
        state = self._timeline.state()
        return self._thumbnails.of_seed(self._ready(), state.look.walk, seed, width)

    def thumbnail_of(self, index: int, width: int) -> bytes:
        """A small picture of a keyframe by its place in the walk, as JPEG."""
        state = self._timeline.state()
        return self._thumbnails.of_keyframe(self._ready(), state.look.walk, index, width)

    def snapshot(self) -> tuple[bytes, Latents]:
        """What is shown now: a PNG that says how it was made, and the latents, one a cell of the grid."""
        return snapshot(self._ready(), self._timeline.state(), self._config)

    def start_recording(self, path: Path | None = None, audio: Path | None = None) -> Path:
        """Records what is shown from now on as MP4; returns its path.

        Args:
            path: Its name; relative to `record_dir`. None: one with the date.
            audio: A file with the sound to be heard with it, from its beginning.

        Raises:
            WplusError: a recording is running, or the file cannot be written.
        """
        with self._lock:
            if self._recording is not None and not self._recording.is_closed:
                raise WplusError(f"{self._recording.path} is being recorded already. Stop it first.")
            self._recording = FileSink(
                self._config.record_dir, path, fps=self._timeline.fps, audio=audio, failed=self._recording_failed
            )
            recording = self._recording
        self._audience.add(recording)
        self._housekeeping.changed()
        return recording.path

    def stop_recording(self) -> Path:
        """Ends the recording, and returns its path when it is whole.

        Raises:
            WplusError: nothing is being recorded, or it failed; what was recorded until then plays.
        """
        with self._lock:
            recording, self._recording = self._recording, None
        if recording is None:
            raise WplusError("Nothing is being recorded.")
        self._audience.remove(recording)
        recording.close()
        self._housekeeping.changed()
        if recording.error is not None:
            raise WplusError(recording.error)
        return recording.path

    def take(self) -> Take:
        """The performance until now: all changes with their times."""
        painter = self._renderer.painter
        return Take(
            walk=self._journal.walk,
            generator=None if painter is None else painter.G.fingerprint,
            fps=self._timeline.fps,
            events=(*self._journal.events(), *self._timeline.events()),
            duration=self._timeline.now(),
        )

    # How

    def _ready(self) -> Painter:
        painter = self._renderer.painter
        if painter is None:
            raise WplusError("The generator is being opened. Try again in some seconds.")
        return painter

    def _look(self) -> Look:
        return self._timeline.state().look

    def _told(self) -> None:
        self._audience.tell({"state": self.state()})

    def _autosaved(self) -> dict[str, Any]:
        return self.preset()

    def _keep_journal(self) -> None:
        self._journal.add(self._timeline.forget())

    def _recording_failed(self, error: str) -> None:
        self._audience.tell({"event": "recording failed", "error": error})
        self._housekeeping.changed()


def _saved(config: LiveConfig) -> dict[str, Any] | None:
    """What the autosave says, where the show is to begin with it and there is one."""
    if not config.restore or config.autosave is None or not config.autosave.exists():
        return None
    saved = read_preset_file(config.autosave)
    read_preset(saved)
    return saved
