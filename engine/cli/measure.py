"""`wplus measure`: what an operator measures of a picture, into a file."""

import math
from pathlib import Path

import click

from wplus.cli.options import FiniteNumber, PictureSize, UserPath


@click.command()
@click.option("--target", type=UserPath(), required=True, help="Picture to measure; it is cropped to the size's shape.")
@click.option(
    "--operator",
    "text",
    required=True,
    metavar="OPERATOR",
    help="identity, grey, mask:0.1, mask:FILE.png, down:4, bicubic:4, blur:2.5, crop:X,Y,W,H, matrix:FILE.npz, "
    "coded:512 or coded:FILE.npy.",
)
@click.option("--network", help="Network whose size and channels the picture gets.")
@click.option("--size", type=PictureSize(), help="Width and height instead, with 3 channels, such as 128x128.")
@click.option(
    "--sigma",
    type=FiniteNumber(),
    default=0.0,
    show_default=True,
    help="Standard deviation of the noise, in the units of the measurements.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0, max=2**32 - 1),
    default=0,
    show_default=True,
    help="Draws the operator's masks and the noise.",
)
@click.option("--output", type=UserPath(), required=True, help="File to write, .npz.")
def command(
    target: Path,
    text: str,
    network: str | None,
    size: tuple[int, int] | None,
    sigma: float,
    seed: int,
    output: Path,
) -> None:
    """Measure a picture: y = A(picture) + noise.

    \b
    wplus measure --target=photo.png --operator=coded:512 --network=demo:portraits --output=y.npz
    wplus measure --target=photo.png --operator=down:4 --size=256x256 --sigma=0.01 --output=y.npz
    """
    if (network is None) == (size is None):
        raise click.UsageError("Give either --network or --size.")
    if output.suffix != ".npz":
        raise click.UsageError(f"--output is {output.name}; measurements are saved as .npz.")
    import torch

    from wplus.inversion.measurements import measure
    from wplus.inversion.operators import make_operator
    from wplus.inversion.targets import read_picture

    img_shape = (3, size[1], size[0]) if size is not None else _shape_of(str(network))
    operator = make_operator(text, img_shape=img_shape, seed=seed)
    img = torch.from_numpy(read_picture(target, channels=img_shape[0], size=img_shape[1:]).img)
    measure(operator, img[None], seeds=[seed], sigma=sigma).save(output)
    channels, height, width = img_shape
    count, numbers = operator.num_measurements, math.prod(img_shape)
    click.echo(
        f"{count:,} measurement{'' if count == 1 else 's'} of {width}x{height} pixels with {channels} "
        f"channel{'' if channels == 1 else 's'}, {numbers / count:.4g} times fewer than numbers in the picture"
    )
    click.echo(output)


def _shape_of(network: str) -> tuple[int, int, int]:
    """Channels, height and width of a network's pictures, which is not built."""
    from wplus.bundle import is_bundle, read_bundle
    from wplus.checkpoints import read_checkpoint

    folder = Path(network).expanduser()
    config = read_bundle(folder).config if is_bundle(folder) else read_checkpoint(network).config
    return (config.img_channels, *config.img_shape)
