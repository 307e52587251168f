"""`wplus live`: a walk in real time, steered in a browser, by OSC and by MIDI."""

import os
import sys
from pathlib import Path
from typing import Any

import click

from wplus.cli.options import FiniteNumber, Numbers, UserPath, network_options


@click.command()
@network_options
@click.option("--seeds", type=Numbers(), help="Seeds of the keyframes.  [default: 0-7]")
@click.option("--walk", "walk_file", type=UserPath(), help="Walk file (JSON or TOML) in place of --seeds.")
@click.option("--preset", type=UserPath(), help="Preset that a control page saved, in place of --seeds.")
@click.option("--trunc", "truncation_psi", type=FiniteNumber(), help="Truncation psi.  [default: the walk's, or 1]")
@click.option("--fps", type=FiniteNumber(), help="Frames a second.  [default: the walk's, or 30]")
@click.option("--autostart", is_flag=True, help="Play at once, without a hand.")
@click.option("--restore", is_flag=True, help="Begin where the last show in --outdir was, if it says.")
@click.option("--kiosk", is_flag=True, help="Show the output full screen in a browser here, and keep it there.")
@click.option("--budget", is_flag=True, help="Draw cheaper pictures where whole ones would be late.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to serve at; others need a token.")
@click.option("--port", type=click.IntRange(0, 65535), default=8321, show_default=True, help="0: any free one.")
@click.option("--outdir", type=UserPath(), default="live", show_default=True, help="Recordings, snapshots, presets.")
@click.option("--audio", type=UserPath(), help="Sound of recordings.")
@click.option("--stats", type=UserPath(), help="JSON file with the figures of the show, kept while it runs.")
@click.option("--pipe", type=UserPath(), help="Named pipe for raw RGB frames.")
@click.option("--shared-memory", help="Name of a block of shared memory for frames, for Spout, Syphon or NDI bridges.")
@click.option("--osc", help="HOST:PORT to hear OSC at.")
@click.option(
    "--osc-from", multiple=True, help="Who may send OSC: an address or a network; may be given several times."
)
@click.option("--osc-out", multiple=True, help="HOST:PORT to tell of loops, beats and the rate; may be given often.")
@click.option("--midi", is_flag=False, flag_value="", help="Hear MIDI from the device whose name has this; alone: any.")
@click.option("--midi-clock", is_flag=True, help="Take the tempo from MIDI's clock.")
@click.option("--allow-mismatch", is_flag=True, help="Draw latents of another generator, with a warning.")
def command(**options: Any) -> None:
    """Walk through latent space in real time.

    Opens a control page and an output page for browsers. Ctrl-C ends the show.

    \b
    wplus live --network=demo:portraits --trunc=0.7 --autostart
    wplus live --network=ffhq.pkl --precision=fast --budget --osc=127.0.0.1:9000 --midi
    wplus live --network=ffhq.pkl --preset=live/opening.walk.json --autostart --kiosk
    """
    _check(options)
    try:
        from wplus.live.running import LiveRun, run_live
    except ModuleNotFoundError as exc:
        if (exc.name or "").split(".")[0] in ("starlette", "uvicorn", "websockets", "mido", "pythonosc"):
            raise click.ClickException("wplus live needs some packages. Run: pip install 'wplus[live]'.") from exc
        raise
    known = {name: options[name] for name in LiveRun.__dataclass_fields__ if name in options}
    outcome = run_live(LiveRun(**known, opening=_opening(options)), say=click.echo)
    click.echo(outcome.said)
    if not outcome.is_over:  # Python's end would abort what is inside a runtime, and the process with it
        sys.stdout.flush()
        os._exit(0)


def _check(options: dict[str, Any]) -> None:
    given = [name for name in ("seeds", "walk_file", "preset") if options[name] is not None]
    if len(given) > 1:
        raise click.UsageError("Give one of --seeds, --walk and --preset.")
    for name in ("walk_file", "preset", "audio"):
        if options[name] is not None and not Path(options[name]).is_file():
            raise click.UsageError(f"{options[name]} does not exist, or is no file.")


def _opening(options: dict[str, Any]) -> dict[str, Any]:
    """Arguments of `load`."""
    names = ("network", "sha256", "tuning", "device", "backend", "precision", "threads", "batch")
    return {name: options[name] for name in names}
