"""A contact sheet of inversions of demo:portraits: `python -m wplus.benchmarks.inversion_sheet docs/inversion.png`."""

from pathlib import Path

import click
import numpy as np
import torch

import wplus
from wplus.benchmarks.portraits import random_attributes, render
from wplus.files import whole_file
from wplus.inversion.measurements import measure
from wplus.inversion.operators import make_operator
from wplus.inversion.similarity import psnr
from wplus.kernels import to_uint8
from wplus.latents import seeds_to_z
from wplus.media import encode_image, grid

_OWN_SEEDS = (9000, 9001)
_OPERATORS = ("mask:0.1", "coded:512")


@click.command()
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--steps", type=click.IntRange(min=1), help="Of each inversion.  [default: the preset's]")
def main(output: Path, steps: int | None) -> None:
    """Draw a row a picture: the target, and what is found in W, in W+, from a tenth of the pixels, and from 512 coded
    measurements. Two rows are the generator's own pictures, two it never saw.
    """
    with wplus.load("demo:portraits", backend="torch") as G:
        own = G.synthesize(G.map(seeds_to_z(_OWN_SEEDS, G.z_shape)))
        attributes = random_attributes(2, torch.Generator().manual_seed(9000))
        targets = np.concatenate([own, render(attributes, size=G.img_resolution).numpy()])
        columns = [to_uint8(torch.from_numpy(targets)).numpy()]
        for name, space, text in (("W", "w", None), ("W+", "w+", None), *((text, "w+", text) for text in _OPERATORS)):
            y, operator = targets, None
            if text is not None:
                operator = make_operator(text, img_shape=targets.shape[1:])
                made = measure(operator, torch.from_numpy(targets), seeds=[0] * len(targets))
                y = made.y
            found = wplus.invert(G, y, space=space, steps=steps, operator=operator)
            columns.append(found.images)
            quality = psnr(
                torch.from_numpy((found.images.transpose(0, 3, 1, 2) - 127.5) / 127.5), torch.from_numpy(targets)
            )
            click.echo(f"{name}: PSNR {', '.join(f'{value:.1f}' for value in quality.tolist())} dB")
    cells = np.stack(columns, axis=1).reshape(-1, *columns[0].shape[1:])
    with whole_file(output) as temporary:
        temporary.write_bytes(encode_image(grid(cells, columns=len(columns), rows=len(targets)), "png"))


if __name__ == "__main__":
    main()
