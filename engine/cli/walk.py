"""`wplus walk`: a walk through latent space as a video, a GIF, PNGs, or raw frames in a pipe."""

import os
from typing import Any

import click

from wplus.cli.options import (
    BitRate,
    FiniteNumber,
    GridShape,
    Numbers,
    UserPath,
    drawing_options,
    drop_idle,
    latent_options,
    network_options,
)


@click.command()
@network_options
@click.option("--seeds", type=Numbers(), help="Seeds of the keyframes, such as 0-7.")
@click.option(
    "--latents",
    "--projected-w",
    "latents",
    type=UserPath(),
    multiple=True,
    help="Latent file with keyframes; may be given several times.",
)
@click.argument("files", metavar="[LATENTS]...", type=UserPath(), nargs=-1)
@click.option(
    "--output",
    required=True,
    help="walk.mp4 (.mov, .mkv, .webm), walk.gif, a folder for numbered PNGs, or - for raw RGB on standard output.",
)
@click.option(
    "--w-frames", type=click.IntRange(min=1), default=120, show_default=True, help="Frames between keyframes."
)
@click.option("--frames", type=click.IntRange(min=1), help="Frames in all, in place of --w-frames.")
@click.option("--fps", type=FiniteNumber(), default=60.0, show_default=True, help="Frames per second.")
@click.option(
    "--interp",
    type=click.Choice(["linear", "slerp", "spline"]),
    help="[default: spline in w, slerp in z]",
)
@click.option("--loop", is_flag=True, help="The last keyframe leads back to the first.")
@click.option("--space", type=click.Choice(["z", "w"]), help="[default: w where the network has one]")
@click.option("--grid", type=GridShape(), default="1x1", show_default=True, help="Cells, columns x rows.")
@click.option("--num-keyframes", type=click.IntRange(min=1), help="Keyframes per cell; seeds are reused in turn.")
@click.option("--codec", help="h264, hevc, vp9, av1, prores, ffv1 (lossless), or any video encoder of FFmpeg's.")
@click.option("--crf", type=FiniteNumber(), help="Constant quality in the codec's scale: lower is better.")
@click.option("--bitrate", type=BitRate(), help="Bits a second, such as 8M, in place of a constant quality.")
@click.option("--audio", type=UserPath(), help="Sound that goes with the video; it is cut where the video ends.")
@click.option(
    "--resume",
    is_flag=True,
    help="Numbered PNGs: each stays once it is written, and those that say they were made just so are kept.",
)
@click.option("--anchor", is_flag=True, help="StyleGAN3: keep the picture from drifting while it morphs.")
@drawing_options
@latent_options
def command(**options: Any) -> None:
    """Walk through latent space, from keyframe to keyframe.

    The keyframes are --seeds or latent files.

    \b
    wplus walk --network=demo:portraits --seeds=0-7 --loop --output=walk.mp4
    wplus walk --network=demo:portraits --seeds=0-31 --grid=4x2 --w-frames=60 --output=walk.mp4
    wplus walk --network=ffhq.pkl first.npz second.npz --output=walk.mp4
    wplus walk --network=ffhq.pkl --seeds=0-7 --audio=song.mp3 --codec=prores --output=walk.mov
    wplus walk --network=ffhq.pkl --seeds=0-7 --w-frames=3600 --resume --output=frames/
    wplus walk --network=ffhq.pkl --seeds=0-7 --fps=30 --output=- |
      ffmpeg -f rawvideo -pixel_format rgb24 -video_size 1024x1024 -framerate 30 -i - walk.mkv

    A walk of PNGs that is interrupted leaves nothing, unless it ran with --resume: then the same command goes on.
    """
    paths = [*options["latents"], *options["files"]]
    _one_kind(options, bool(paths))
    from wplus.cli.tasks import load_latents, load_network, move_of
    from wplus.video import VideoOptions
    from wplus.walk import WalkConfig, walk

    with load_network(options) as G:
        keyframes, facts = load_latents(G, paths, options) if paths else (options["seeds"], {})
        names = ("space", "interp", "loop", "w_frames", "frames", "fps", "grid", "num_keyframes")
        drawing = ("truncation_psi", "truncation_cutoff", "class_index", "noise_mode", "anchor")
        output = walk(
            G,
            keyframes,
            output=os.path.expanduser(options["output"]),  # noqa: PTH111 (a Path drops the slash that means a folder)
            config=WalkConfig(**{name: options[name] for name in (*names, *drawing)}, move=move_of(options)),
            video=VideoOptions(**{name: options[name] for name in ("codec", "crf", "bitrate", "audio", "resume")}),
            metadata=not options["no_metadata"],
            facts=facts,
            progress=True,
            allow_mismatch=options["allow_mismatch"],
        )
    if str(output) != "-":
        click.echo(output)


def _one_kind(options: dict[str, Any], has_latents: bool) -> None:
    """Either seeds or latents, and no option that has no effect."""
    if (options["seeds"] is None) != has_latents:
        raise click.UsageError("Give the keyframes either as --seeds or as latent files.")
    reasons: dict[str, str] = {}
    if not has_latents:
        reasons |= dict.fromkeys(("latents_as", "allow_mismatch"), "the keyframes are seeds")
    if options["frames"] is not None:
        reasons["w_frames"] = "--frames says how many there are in all"
    drop_idle(options, reasons)
