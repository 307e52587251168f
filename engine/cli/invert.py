"""`wplus invert`: latents of pictures, or of measurements of pictures."""

from typing import Any

import click

from wplus.cli.options import FiniteNumber, UserPath, drop_idle, network_options

_SWITCHES = ("optimizes_noise", "optimizes_transform", "anchors_transform")


@click.command()
@network_options
@click.option("--target", type=UserPath(), help="Picture, or a folder of pictures.")
@click.option("--measurements", type=UserPath(), help="File of measurements, as `wplus measure` writes it.")
@click.option("--operator", help="What is kept of --target, such as mask:0.1; see `wplus measure --help`.")
@click.option("--sigma", type=FiniteNumber(), help="With --operator: standard deviation of the measurements' noise.")
@click.option("--truth", type=UserPath(), help="With --measurements: the picture, to report PSNR and SSIM.")
@click.option("--space", type=click.Choice(["z", "w", "w+"]), help="[default: w+; z in a network without W]")
@click.option("--num-steps", type=click.IntRange(min=1), help="Steps of a picture.  [default: by --preset]")
@click.option("--preset", type=click.Choice(["default", "fast", "nvidia"]), default="default", show_default=True)
@click.option(
    "--loss", help="Such as pixel, or squared+0.1*ms_ssim+lpips.  [default: pixel to search, squared at the end]"
)
@click.option("--weight", type=UserPath(), help="Grey picture: how much each pixel counts.")
@click.option("--landmarks", type=UserPath(), help="JSON of eyes and mouth: align faces as FFHQ's are.")
@click.option("--optimize-noise", "optimizes_noise", is_flag=True, help="The noise maps too.")
@click.option("--optimize-transform", "optimizes_transform", is_flag=True, help="StyleGAN3: how the picture lies, too.")
@click.option("--anchor", "anchors_transform", is_flag=True, help="StyleGAN3: the picture lies where w_avg's does.")
@click.option("--prior-weight", type=FiniteNumber(), help="Of the distance to w_avg.")
@click.option("--starts", type=click.IntRange(min=1), help="Latents that are optimised side by side at first.")
@click.option("--init", type=UserPath(), help="Latent file to start from.")
@click.option("--class", "class_index", type=click.IntRange(min=0), help="Class of a conditional network.")
@click.option("--seed", type=click.IntRange(min=0, max=2**32 - 1), help="Of the starts.  [default: 303]")
@click.option("--tune", is_flag=True, help="Then train the weights until what was found draws the targets better.")
@click.option("--tune-steps", type=click.IntRange(min=1), help="Steps of --tune.  [default: 350]")
@click.option("--outdir", type=UserPath(), required=True, help="Folder to write to.")
@click.option("--save-video", is_flag=True, help="Also write proj.mp4: the way there.")
@click.option("--resume", is_flag=True, help="Go on where the same command was interrupted.")
@click.option("--no-metadata", is_flag=True, help="Do not say in the pictures how they were made.")
def command(**options: Any) -> None:
    """Find the latents whose pictures are like --target, or measure as --measurements.

    Writes target.png, proj.png, projected_w.npz and history.json; of a folder of pictures, a folder each. With --tune
    also tuning.safetensors, for --tuning of this and other verbs, and tuned.png.

    \b
    wplus invert --network=demo:portraits --target=photo.png --outdir=out
    wplus invert --network=ffhq.pkl --target=photos/ --landmarks=points.json --outdir=out
    wplus invert --network=demo:portraits --target=photo.png --operator=mask:0.1 --outdir=out
    wplus invert --network=demo:portraits --measurements=y.npz --outdir=out
    """
    _one_kind(options)
    from wplus.cli.inverting import invert_measurements, invert_pictures

    run = invert_pictures if options["target"] is not None else invert_measurements
    for line in run(options):
        click.echo(line)


def _one_kind(options: dict[str, Any]) -> None:
    """Either a target or measurements, and no option that the one given has no use for."""
    if (options["target"] is None) == (options["measurements"] is None):
        raise click.UsageError("Give either --target or --measurements.")
    reasons: dict[str, str] = {}
    if options["measurements"] is not None:
        reasons |= dict.fromkeys(("weight", "landmarks"), "measurements are no picture")
        reasons["loss"] = "measurements have a data term of their own"
        reasons["sigma"] = "the file of measurements says it"
    else:
        reasons["truth"] = "--target is the truth"
        if options["operator"] is None:
            reasons["sigma"] = "there is no --operator, whose measurements it would be the noise of"
    if not options["tune"]:
        reasons["tune_steps"] = "there is no --tune"
    elif options["tuning"] is not None:
        raise click.UsageError(
            "--tune starts from the network itself, and --tuning changes it. Build the tuning in first: "
            "wplus convert NETWORK OUTPUT.safetensors --tuning=FILE."
        )
    drop_idle(options, reasons)
    if options["operator"] is not None and (options["weight"] is not None or options["loss"] is not None):
        raise click.UsageError("--weight and --loss compare pictures; with --operator measurements are compared.")
