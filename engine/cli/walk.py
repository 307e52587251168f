"""`wplus walk`: a walk through latent space as MP4, GIF or PNGs."""

from pathlib import Path
from typing import Any

import click

from wplus.cli.options import GridShape, Numbers, drawing_options, latent_options, network_options


@click.command()
@network_options
@click.option("--seeds", type=Numbers(), help="Seeds of the keyframes, such as 0-7.")
@click.option(
    "--latents",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Latent file with keyframes; may be given several times.",
)
@click.option("--output", required=True, help="walk.mp4, walk.gif, or a folder.")
@click.option(
    "--w-frames", type=click.IntRange(min=1), default=120, show_default=True, help="Frames between keyframes."
)
@click.option("--frames", type=click.IntRange(min=1), help="Frames in all, in place of --w-frames.")
@click.option("--fps", type=float, default=60, show_default=True, help="Frames per second.")
@click.option(
    "--interp",
    type=click.Choice(["linear", "slerp", "spline"]),
    help="[default: spline in w, slerp in z]",
)
@click.option("--loop", is_flag=True, help="The last keyframe leads back to the first.")
@click.option("--space", type=click.Choice(["z", "w"]), help="[default: w where the network has one]")
@click.option("--grid", type=GridShape(), default="1x1", show_default=True, help="Cells, columns x rows.")
@click.option("--num-keyframes", type=click.IntRange(min=1), help="Keyframes per cell; seeds are reused in turn.")
@drawing_options
@latent_options
def command(**options: Any) -> None:
    """Walk through latent space from keyframe to keyframe.

    \b
    wplus walk --network=demo:portraits --seeds=0-7 --loop --output=walk.mp4
    wplus walk --network=demo:portraits --seeds=0-31 --grid=4x2 --w-frames=60 --output=walk.mp4
    """
    if bool(options["seeds"]) == bool(options["latents"]):
        raise click.UsageError("Give the keyframes either as --seeds or as --latents.")
    from wplus.cli.tasks import load_network
    from wplus.walk import WalkConfig, walk

    config = WalkConfig(
        space=options["space"],
        interp=options["interp"],
        loop=options["loop"],
        w_frames=options["w_frames"],
        frames=options["frames"],
        fps=options["fps"],
        grid=options["grid"],
        num_keyframes=options["num_keyframes"],
        truncation_psi=options["truncation_psi"],
        truncation_cutoff=options["truncation_cutoff"],
        class_index=options["class_index"],
        noise_mode=options["noise_mode"],
    )
    with load_network(options) as G:
        keyframes = options["seeds"]
        if options["latents"]:
            from wplus.latent_files import load_keyframes

            num_ws = G.num_ws if G.has_w else None
            keyframes = load_keyframes(options["latents"], num_ws=num_ws, latents_as=options["latents_as"])
        output = walk(
            G,
            keyframes,
            output=options["output"],
            config=config,
            metadata=not options["no_metadata"],
            progress=True,
            allow_mismatch=options["allow_mismatch"],
        )
    click.echo(output)
