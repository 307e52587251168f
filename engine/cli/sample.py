"""`wplus sample`: pictures of seeds, of latents, and style mixes."""

from typing import Any

import click

from wplus.cli.options import (
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
@click.option("--seeds", type=Numbers(), help="Seeds such as 0,1,4-6; ranges are inclusive.")
@click.option("--projected-w", "--projected_w", "projected_w", type=UserPath(), help="Latent file to draw.")
@click.option("--rows", type=Numbers(), help="Style mixing: seeds of the rows.")
@click.option("--cols", "columns", type=Numbers(), help="Style mixing: seeds of the columns.")
@click.option("--styles", type=Numbers(), help="Style mixing: layers of the columns.  [default: 0-6]")
@drawing_options()
@latent_options
@click.option("--outdir", type=UserPath(), required=True, help="Folder to write to.")
@click.option("--grid", type=GridShape(), help="Also write grid.png, columns x rows.")
@click.option(
    "--format",
    "image_format",
    type=click.Choice(["png", "jpg", "webp", "npy", "zip"]),
    default="png",
    show_default=True,
    help="zip: PNGs in one file.",
)
@click.option("--resume", is_flag=True, help="Keep pictures that are there and say they were made just so.")
def command(**options: Any) -> None:
    """Draw pictures: seed0000.png and so on.

    \b
    wplus sample --network=demo:portraits --seeds=0-35 --trunc=0.7 --grid=6x6 --outdir=out
    wplus sample --network=ffhq.pkl --projected-w=projected_w.npz --outdir=out
    wplus sample --network=ffhq.pkl --rows=85,100 --cols=55,821 --styles=0-6 --outdir=out
    """
    _one_task(options)
    from wplus.cli.tasks import load_latents, load_network, move_of
    from wplus.render import RenderConfig, render_latents, render_mix, render_seeds

    with load_network(options) as G:
        if options["projected_w"] is not None:
            latents, facts = load_latents(G, [options["projected_w"]], options)
        config = RenderConfig(
            outdir=options["outdir"],
            image_format=options["image_format"],
            grid=options["grid"],
            truncation_psi=options["truncation_psi"],
            truncation_cutoff=options["truncation_cutoff"],
            class_index=options["class_index"],
            noise_mode=options["noise_mode"],
            move=move_of(options),
            metadata=not options["no_metadata"],
            resume=options["resume"],
        )
        if options["seeds"] is not None:
            count = render_seeds(G, options["seeds"], config)
        elif options["rows"] is not None:
            count = render_mix(G, options["rows"], options["columns"], config, styles=options["styles"])
        else:
            count = render_latents(G, latents, config, facts=facts, allow_mismatch=options["allow_mismatch"])
    click.echo(f"{count} picture{'' if count == 1 else 's'} in {config.outdir}")


def _one_task(options: dict[str, Any]) -> None:
    """Exactly one of seeds, latents and a mix; and no option that the chosen one has no use for."""
    if (options["rows"] is None) != (options["columns"] is None):
        raise click.UsageError("Style mixing needs both --rows and --cols.")
    tasks = [name for name in ("seeds", "projected_w", "rows") if options[name] is not None]
    if len(tasks) != 1:
        raise click.UsageError("Give one of --seeds, --projected-w, or --rows with --cols.")
    idle, why = {
        "seeds": (("styles", "latents_as", "allow_mismatch"), "seeds are drawn"),
        "projected_w": (("styles", "resume"), "latents are drawn"),
        "rows": (("latents_as", "allow_mismatch", "grid", "resume"), "a style mix is drawn, which has its own grid"),
    }[tasks[0]]
    drop_idle(options, dict.fromkeys(idle, why))
