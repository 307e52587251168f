"""What a network's layers compute and move, and the least time that a GPU's data sheet allows for that.

Run `python -m wplus.benchmarks.roofline stylegan2-1024 --chip a100`. Nothing is run or measured.
"""

from collections.abc import Sequence

import click

from wplus.benchmarks.chips import CHIPS, Chip
from wplus.benchmarks.gpu_cases import NETWORKS
from wplus.benchmarks.layers import Layer, layers_of
from wplus.benchmarks.markdown import number, table
from wplus.config import StyleGAN2Config, StyleGAN3Config

_ITEM_SIZES = {"float32": 4, "tf32": 4, "float16": 2, "bfloat16": 2}


def roofline(
    config: StyleGAN2Config | StyleGAN3Config, chips: Sequence[Chip], *, batch: int = 1, dtype: str = "float16"
) -> str:
    """A Markdown table: a line for each layer and one for their sum, with each chip's floor in microseconds.

    Args:
        config: The network.
        chips: The columns.
        batch: Pictures at a time.
        dtype: "float32", "tf32" (float32 on tensor cores), "float16" or "bfloat16".
    """
    layers = layers_of(config)
    floors = [[_floor(layer, chip, batch, dtype) for chip in chips] for layer in layers]
    lines = [_line(layer, floor, batch, dtype) for layer, floor in zip(layers, floors, strict=True)]
    flops = sum(layer.flops(batch) for layer in layers)
    moved = sum(layer.moved_bytes(batch, _ITEM_SIZES[dtype]) for layer in layers)
    sums = [number(sum(column)) for column in zip(*floors, strict=True)]
    lines.append(("all", "", "", number(flops / 1e9), number(moved / 2**20), *sums))
    header = ("layer", "channels", "pixels", "GFLOP", "MiB", *(f"{chip.title}, µs" for chip in chips))
    sources = "\n".join(f"- {chip.title}: {chip.source}." for chip in chips)
    return (
        f"{config.family}, {config.img_resolution} px, batch {batch}, {dtype}. Times are **a floor, not a "
        "measurement**: all arithmetic at the chip's peak rate, each input read once, each output written once, "
        f"weights once.\n\n{table(header, lines)}\n\nPeak rates and bandwidths:\n\n{sources}\n"
    )


def _floor(layer: Layer, chip: Chip, batch: int, dtype: str) -> float:
    """In microseconds."""
    return 1e6 * chip.floor_seconds(layer.flops(batch), layer.moved_bytes(batch, _ITEM_SIZES[dtype]), dtype)


def _line(layer: Layer, floors: Sequence[float], batch: int, dtype: str) -> tuple[str, ...]:
    return (
        layer.name,
        f"{layer.in_channels} → {layer.out_channels}",
        "×".join(map(str, layer.out_shape)),
        number(layer.flops(batch) / 1e9),
        number(layer.moved_bytes(batch, _ITEM_SIZES[dtype]) / 2**20),
        *map(number, floors),
    )


@click.command()
@click.argument("case", type=click.Choice(list(NETWORKS)))
@click.option("--batch", type=click.IntRange(min=1), default=1, show_default=True, help="Pictures at a time.")
@click.option("--dtype", type=click.Choice(list(_ITEM_SIZES)), default="float16", show_default=True)
@click.option("--chip", "chips", type=click.Choice(list(CHIPS)), multiple=True, help="May be repeated.  [default: all]")
def main(case: str, batch: int, dtype: str, chips: tuple[str, ...]) -> None:
    """Print bytes, arithmetic and each chip's floor for the layers of CASE."""
    chosen = [CHIPS[name] for name in chips or CHIPS]
    click.echo(roofline(NETWORKS[case], chosen, batch=batch, dtype=dtype), nl=False)


if __name__ == "__main__":
    main()
