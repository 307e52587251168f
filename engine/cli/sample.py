"""`wplus sample`: pictures of seeds, of latents, and style mixes."""

from pathlib import Path
from typing import Any

import click

from wplus.cli.options import GridShape, Numbers, drawing_options, latent_options, network_options


@click.command()
@network_options
@click.option("--seeds", type=Numbers(), help="Seeds such as 0,1,4-6; ranges are inclusive.")
@click.option(
    "--projected-w", "--projected_w", "projected_w", type=click.Path(path_type=Path), help="Latent file to draw."
)
@click.option("--rows", type=Numbers(), help="Style mixing: seeds of the rows.")
@click.option("--cols", type=Numbers(), help="Style mixing: seeds of the columns.")
@click.option("--styles", type=Numbers(), default="0-6", show_default=True, help="Style mixing: slots of the columns.")
@drawing_options
@latent_options
@click.option("--outdir", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder to write to.")
@click.option("--grid", type=GridShape(), help="Also write grid.png, columns x rows.")
@click.option(
    "--format",
    "image_format",
    type=click.Choice(["png", "jpg", "webp", "npy", "zip"]),
    default="png",
    show_default=True,
)
@click.option("--resume", is_flag=True, help="Draw only the pictures that are not there yet.")
def command(**options: Any) -> None:
    """Draw pictures: seed0000.png and so on.

    \b
    wplus sample --network=demo:portraits --seeds=0-35 --trunc=0.7 --grid=6x6 --outdir=out
    wplus sample --network=ffhq.pkl --projected-w=projected_w.npz --outdir=out
    wplus sample --network=ffhq.pkl --rows=85,100 --cols=55,821 --styles=0-6 --outdir=out
    """
    _one_task(options)
    from wplus.cli.tasks import load_network
    from wplus.latents import Latents
    from wplus.render import RenderConfig, render_latents, render_mix, render_seeds

    config = RenderConfig(
        outdir=options["outdir"],
        image_format=options["image_format"],
        grid=options["grid"],
        truncation_psi=options["truncation_psi"],
        truncation_cutoff=options["truncation_cutoff"],
        class_index=options["class_index"],
        noise_mode=options["noise_mode"],
        metadata=not options["no_metadata"],
        resume=options["resume"],
    )
    with load_network(options) as G:
        if options["projected_w"] is not None:
            num_ws = G.num_ws if G.has_w else None
            latents = Latents.load(options["projected_w"], num_ws=num_ws, latents_as=options["latents_as"])
            render_latents(G, latents, config, allow_mismatch=options["allow_mismatch"])
        elif options["rows"] is not None:
            render_mix(G, options["rows"], options["cols"], options["styles"], config)
        else:
            render_seeds(G, options["seeds"], config)


def _one_task(options: dict[str, Any]) -> None:
    """Exactly one of seeds, latents and a mix; and no option that the chosen one has no use for."""
    if (options["rows"] is None) != (options["cols"] is None):
        raise click.UsageError("Style mixing needs both --rows and --cols.")
    tasks = [name for name in ("seeds", "projected_w", "rows") if options[name] is not None]
    if len(tasks) != 1:
        raise click.UsageError("Give one of --seeds, --projected-w, or --rows with --cols.")
    given = click.get_current_context().get_parameter_source
    unused = {
        "seeds": ("styles", "latents_as", "allow_mismatch"),
        "projected_w": ("styles", "truncation_psi", "truncation_cutoff", "class_index", "resume"),
        "rows": ("latents_as", "allow_mismatch", "grid", "resume"),
    }[tasks[0]]
    for name in unused:
        if given(name) is not click.core.ParameterSource.DEFAULT:
            flag = {"truncation_psi": "trunc", "truncation_cutoff": "trunc-cutoff", "class_index": "class"}.get(
                name, name
            )
            task = tasks[0].replace("_", "-")
            click.echo(f"Note: --{flag.replace('_', '-')} has no effect together with --{task}.", err=True)
