"""`wplus walk`: a walk through latent space as a video, a GIF, PNGs, or raw frames in a pipe."""

import os
from typing import Any

import click

from wplus.cli.options import (
    BitRate,
    FileAmounts,
    FiniteNumber,
    GridShape,
    NumberList,
    Numbers,
    PictureSize,
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
    help="walk.mp4 (.mov, .mkv, .webm), walk.gif, a folder for numbered PNGs, or - for raw RGB on standard output.",
)
@click.option("--walk", type=UserPath(), help="Walk file, .toml or .json; flags that are given stand in for its own.")
@click.option("--take", type=UserPath(), help="Take that wplus live recorded: draws that performance again.")
@click.option("--size", type=PictureSize(), help="Of a take: width and height of the video.  [default: as drawn]")
@click.option("--save-walk", type=UserPath(), help="Write the walk as .toml or .json; without --output nothing else.")
@click.option(
    "--w-frames", type=click.IntRange(min=1), default=120, show_default=True, help="Frames between keyframes."
)
@click.option("--frames", type=click.IntRange(min=1), help="Frames in all, in place of --w-frames.")
@click.option("--fps", type=FiniteNumber(), default=60.0, show_default=True, help="Frames per second.")
@click.option(
    "--interp",
    type=click.Choice(["linear", "slerp", "spline", "catmull-rom"]),
    help="[default: spline in w, slerp in z]",
)
@click.option(
    "--easing",
    type=click.Choice(["none", "smooth", "smoother", "sine", "in", "out"]),
    default="none",
    show_default=True,
    help="How time passes between two keyframes.",
)
@click.option(
    "--constant-speed",
    type=click.Choice(["none", "w", "picture"]),
    default="none",
    show_default=True,
    help="Even speed in w, or in what is seen (small pictures come first). With --easing, keyframes keep their time.",
)
@click.option("--codec", help="h264, hevc, vp9, av1, prores, ffv1 (lossless), or any video encoder of FFmpeg's.")
@click.option("--crf", type=FiniteNumber(), help="Constant quality in the codec's scale: lower is better.")
@click.option("--bitrate", type=BitRate(), help="Bits a second, such as 8M, in place of a constant quality.")
@click.option("--audio", type=UserPath(), help="Sound that goes with the video; it is cut where the video ends.")
@click.option(
    "--resume",
    is_flag=True,
    help="Numbered PNGs: each stays once it is written, and those that say they were made just so are kept.",
)
@click.option("--loop", is_flag=True, help="The last keyframe leads back to the first.")
@click.option("--space", type=click.Choice(["z", "w"]), help="[default: w where the network has one]")
@click.option("--grid", type=GridShape(), default="1x1", show_default=True, help="Cells, columns x rows.")
@click.option("--num-keyframes", type=click.IntRange(min=1), help="Keyframes per cell; seeds are reused in turn.")
@click.option("--anchor", is_flag=True, help="StyleGAN3: keep the picture from drifting while it morphs.")
@click.option(
    "--noise-radius", type=NumberList(), help="The noise goes around circles of these radii, such as 0.5,0.2."
)
@click.option(
    "--direction",
    type=FileAmounts(),
    multiple=True,
    help="Direction file and how far to go along it: smile.npy=1.5, or 0,2,0 at the first keyframes.",
)
@drawing_options(class_type=Numbers(), class_help="Class of a conditional network, or one a keyframe, in turn.")
@latent_options
def command(**options: Any) -> None:
    """Walk through latent space, from keyframe to keyframe.

    The keyframes are --seeds or latent files, or stand in a walk file.

    \b
    wplus walk --network=demo:portraits --seeds=0-7 --loop --output=walk.mp4
    wplus walk --network=demo:portraits --seeds=0-31 --grid=4x2 --w-frames=60 --output=walk.mp4
    wplus walk --network=ffhq.pkl first.npz second.npz --output=walk.mp4
    wplus walk --network=demo:portraits --seeds=0-7 --loop --noise-radius=0.5 --save-walk=walk.toml
    wplus walk --network=demo:portraits --walk=walk.toml --output=walk.mp4
    wplus walk --network=ffhq.pkl --seeds=0-7 --audio=song.mp3 --codec=prores --output=walk.mov
    wplus walk --network=demo:portraits --take=live/take.json --fps=60 --size=1920x1080 --output=show.mp4
    wplus walk --network=ffhq.pkl --seeds=0-7 --w-frames=3600 --resume --output=frames/
    wplus walk --network=ffhq.pkl --seeds=0-7 --fps=30 --output=- |
      ffmpeg -f rawvideo -pixel_format rgb24 -video_size 1024x1024 -framerate 30 -i - walk.mkv

    A walk of PNGs that is interrupted leaves nothing, unless it ran with --resume: then the same command goes on.
    """
    if options["take"] is not None:
        from wplus.cli.taking import draw_take

        draw_take(options)
        return
    _consistent(options)
    from wplus.cli.tasks import load_network
    from wplus.cli.walking import describe_walk, read_base, said_of, save_walk
    from wplus.paths.path import Path
    from wplus.video import VideoOptions
    from wplus.walk import write_walk_video

    base = read_base(options)
    with load_network(options) as G:
        asked = describe_walk(G, options, base)
        path = Path(G, asked.walk, allow_mismatch=options["allow_mismatch"])
        if options["save_walk"] is not None:
            save_walk(path, options["save_walk"], frames=options["frames"])
            click.echo(options["save_walk"], err=options["output"] == "-")
        if options["output"] is None:
            return
        output = write_walk_video(
            path,
            output=os.path.expanduser(options["output"]),  # noqa: PTH111 (a Path drops the slash that means a folder)
            frames=options["frames"],
            video=VideoOptions(**{name: options[name] for name in ("codec", "crf", "bitrate", "audio", "resume")}),
            facts=None if options["no_metadata"] else said_of(path, asked, options),
            progress=True,
        )
    if str(output) != "-":
        click.echo(output)


def _consistent(options: dict[str, Any]) -> None:
    """Seeds, latents or a walk file, something to write, and no option that has no effect."""
    if options["size"] is not None:
        raise click.UsageError("--size belongs to --take; a walk is as large as its network's pictures.")
    has_latents = bool(options["latents"] or options["files"])
    kinds = (options["seeds"] is not None) + has_latents
    if kinds > 1 or (kinds == 0 and options["walk"] is None):
        raise click.UsageError("Give the keyframes either as --seeds or as latent files.")
    if options["output"] is None and options["save_walk"] is None:
        raise click.UsageError("Missing option '--output': walk.mp4, walk.gif, or a folder for numbered PNGs.")
    reasons: dict[str, str] = {}
    if not has_latents and options["walk"] is None:
        reasons |= dict.fromkeys(("latents_as", "allow_mismatch"), "the keyframes are seeds")
    if options["frames"] is not None:
        reasons["w_frames"] = "--frames says how many there are in all"
    drop_idle(options, reasons)
