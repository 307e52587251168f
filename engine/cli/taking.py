"""`wplus walk --take`: a performance of `wplus live` drawn again."""

import os
from typing import Any

import click
from click.core import ParameterSource

from wplus.cli.tasks import load_network
from wplus.live.replay import render_take
from wplus.live.take import read_take
from wplus.video import VideoOptions

_TAKEN = (  # options that a take has a use for; all others say what its performer has said
    *("network", "sha256", "tuning", "device", "backend", "precision", "threads", "batch"),
    *("take", "size", "output", "fps", "codec", "crf", "bitrate", "audio", "no_metadata", "allow_mismatch"),
)


def draw_take(options: dict[str, Any]) -> None:
    """Draws the take that the options name."""
    context = click.get_current_context()
    given = {
        param.name: param
        for param in context.command.params
        if param.name and context.get_parameter_source(param.name) == ParameterSource.COMMANDLINE
    }
    if idle := [param for name, param in given.items() if name not in _TAKEN]:
        raise click.UsageError(f"A take says itself what {idle[0].opts[0]} is. Leave it out.")
    if options["output"] is None:
        raise click.UsageError("Missing option '--output': show.mp4, show.gif, or a folder for numbered PNGs.")
    take = read_take(options["take"])
    size: tuple[int, int] | None = options["size"]  # width and height
    facts = {"take": options["take"].name, "size": size and f"{size[0]}x{size[1]}"}
    video = VideoOptions(**{name: options[name] for name in ("codec", "crf", "bitrate", "audio")})
    with load_network(options) as G:
        output = render_take(
            G,
            take,
            os.path.expanduser(options["output"]),  # noqa: PTH111 (a Path drops the slash that means a folder)
            fps=options["fps"] if "fps" in given else None,
            size=size and (size[1], size[0]),
            video=video,
            folder=options["take"].parent,
            facts=None if options["no_metadata"] else facts | video.encoding,
            progress=True,
            allow_mismatch=options["allow_mismatch"],
        )
    if str(output) != "-":
        click.echo(output)
