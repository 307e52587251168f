"""`wplus live` as one call: a show, its server, its controls and its kiosk, from start to Ctrl-C."""

import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from wplus.errors import UnsupportedError
from wplus.files import make_folder
from wplus.live.changes import Changes
from wplus.live.commands import Commands
from wplus.live.config import LiveConfig
from wplus.live.controls import Controls
from wplus.live.kiosk import Kiosk, find_browser
from wplus.live.mapping_json import bindings_of_json
from wplus.live.memory_sink import SharedMemorySink
from wplus.live.midi import MidiIn
from wplus.live.opening import openers
from wplus.live.osc import OscIn, endpoint
from wplus.live.osc_out import OscOut
from wplus.live.pipe_sink import PipeSink
from wplus.live.preset import read_preset, read_preset_file
from wplus.live.security import Security, is_loopback, new_token
from wplus.live.server import listen, make_app, make_server, serve
from wplus.live.show import Show
from wplus.live.sinks import Sink
from wplus.live.stats_file import StatsFile
from wplus.paths.description import Keyframe, Walk
from wplus.paths.tracks import constant
from wplus.paths.walk_files import read_walk

_FPS: Final = 30.0  # of a show that was given no walk
_LARGEST: Final = 4096 * 4096 * 4  # bytes of a picture in shared memory, which takes room only when it is used
_EVERYWHERE: Final = ("0.0.0.0", "::")


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRun:
    """What `wplus live` was asked for."""

    opening: Mapping[str, Any]  # what `wplus.load` takes, the network with it
    seeds: list[int] | None = None
    walk_file: Path | None = None
    preset: Path | None = None
    truncation_psi: float | None = None
    fps: float | None = None
    autostart: bool = False
    restore: bool = False
    kiosk: bool = False
    budget: bool = False
    host: str = "127.0.0.1"
    port: int = 8321
    outdir: Path = field(default_factory=lambda: Path("live"))
    audio: Path | None = None
    stats: Path | None = None
    pipe: Path | None = None
    shared_memory: str | None = None  # its name
    osc: str | None = None
    osc_from: tuple[str, ...] = ()
    osc_out: tuple[str, ...] = ()
    midi: str | None = None  # part of a device's name; empty: any
    midi_clock: bool = False
    allow_mismatch: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a show went."""

    said: str
    is_over: bool  # see `Show.is_over`


def run_live(run: LiveRun, *, say: Callable[[str], None]) -> Outcome:
    """Runs a show until Ctrl-C.

    Raises:
        UnsupportedError: the port is in use, or a browser for the kiosk is missing.
        ValueError, ArtifactError: the walk or the preset cannot be used.
    """
    browser = find_browser() if run.kiosk else None
    security = Security(token=None if is_loopback(run.host) else new_token())
    with ExitStack() as stack:
        listening = stack.enter_context(listen(run.host, run.port))
        make_folder(run.outdir)
        preset = None if run.preset is None else read_preset_file(run.preset)
        show = _show(run, preset)
        stack.callback(show.close)
        _begin_as_asked(show, run, preset)
        controls = stack.enter_context(_controls(show, run))
        commands = Commands(show, run.outdir, controls=controls, audio=run.audio)
        server = make_server(make_app(show, commands, security))
        for sink in _sinks(run):
            stack.callback(sink.close)
            show.add(sink)
        show.start()
        if run.stats is not None:
            stack.enter_context(StatsFile(show, run.stats))
        control, output = (address(listening, page, security.token) for page in ("", "output"))
        if security.token is not None:
            say(f"Warning: whoever reaches {run.host} and has the token below can steer this show.")
        say(f"Control: {control}\nOutput:  {output}\nCtrl-C ends the show.")
        if browser is not None:
            stack.enter_context(Kiosk(output, browser))
        serve(server, listening)
    figures = show.stats()
    minutes, seconds = divmod(round(figures["time"]), 60)
    said = f"Live for {minutes}:{seconds:02}: {figures['frames']} frames, {figures['dropped']} dropped."
    return Outcome(said, show.is_over)


def address(listening: socket.socket, page: str, token: str | None) -> str:
    """Where a browser finds a page of the server."""
    host, port = listening.getsockname()[:2]
    if host in _EVERYWHERE:
        host = socket.gethostname()
    query = "" if token is None else f"?token={token}"
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/{page}{query}"


def _show(run: LiveRun, preset: Mapping[str, Any] | None) -> Show:
    """The show, not started yet."""
    named = run.preset or run.walk_file
    config = LiveConfig(
        folder=None if named is None else named.parent,
        budget=run.budget,
        autosave=_autosave(run),
        restore=run.restore and _autosave(run).is_file(),
        record_dir=run.outdir,
        allow_mismatch=run.allow_mismatch,
    )
    first, faster, lower = openers(run.opening)
    return Show(first, _walk(run, preset), config, open_faster=faster, open_lower=lower)


def _begin_as_asked(show: Show, run: LiveRun, preset: Mapping[str, Any] | None) -> None:
    """The preset's parameters, unless the show goes on from an autosave; then what options say."""
    if preset is not None and not (run.restore and _autosave(run).is_file()):
        show.load_preset(preset)
    asked = {name: getattr(run, name) for name in ("truncation_psi", "fps") if getattr(run, name) is not None}
    show.change(asked | {"playing": run.autostart})


def _autosave(run: LiveRun) -> Path:
    return run.outdir / "autosave.json"


def _walk(run: LiveRun, preset: Mapping[str, Any] | None) -> Walk:
    if preset is not None:
        walk = read_preset(preset)[0]
    elif run.walk_file is not None:
        walk = read_walk(run.walk_file)
    else:
        seeds = list(range(8)) if run.seeds is None else run.seeds
        walk = Walk(keyframes=tuple(Keyframe(seed=seed) for seed in seeds), loop=True, fps=_FPS)
    if run.truncation_psi is not None:
        walk = replace(walk, truncation_psi=constant(run.truncation_psi))
    return walk if run.fps is None else replace(walk, fps=run.fps)


def _sinks(run: LiveRun) -> Iterator[Sink]:
    """Where frames go besides browsers."""
    if run.pipe is not None:
        yield PipeSink(run.pipe)
    if run.shared_memory is not None:
        yield SharedMemorySink(run.shared_memory, size=_LARGEST)


@contextmanager
def _controls(show: Show, run: LiveRun) -> Iterator[Controls | None]:
    """OSC and MIDI, as far as they are asked for."""
    with ExitStack() as stack:
        if run.osc_out:
            targets = [endpoint(text) for text in run.osc_out]
            stack.enter_context(OscOut(show, targets, fps=lambda: float(show.stats()["fps"])))
        if run.osc is None and run.midi is None:
            if run.osc_from or run.midi_clock:
                raise UnsupportedError("--osc-from needs --osc, and --midi-clock needs --midi.")
            yield None
            return
        controls: Controls

        def learned(_: object) -> None:
            show.controls = controls.json()
            show.change({})  # nothing, and pages are told

        changes = stack.enter_context(Changes(show))
        controls = Controls(changes, bindings_of_json(show.controls), on_learned=learned)
        if run.osc is not None:
            host, port = endpoint(run.osc)
            stack.enter_context(OscIn(controls, host, port, senders=run.osc_from))
        if run.midi is not None:
            stack.enter_context(MidiIn(controls, run.midi, clock=run.midi_clock))
        yield controls
