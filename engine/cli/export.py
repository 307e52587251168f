"""`wplus export`: a network as ONNX graphs, with a certificate."""

from pathlib import Path
from typing import Any, get_args

import click

from wplus.cli.options import UserPath
from wplus.manifest import GraphPrecision, NoiseVariant, OutputType


@click.command()
@click.argument("network")
@click.argument("outdir", type=UserPath())
@click.option(
    "--precision",
    type=click.Choice(get_args(GraphPrecision)),
    default="fp32",
    show_default=True,
    help="Of the feature maps in the graph, for GPUs; what goes in and comes out stays float32.",
)
@click.option("--opset", type=int, help="ONNX operator set.  [default: the lowest that serves, 18; 22 for bf16]")
@click.option(
    "--noise",
    type=click.Choice(get_args(NoiseVariant)),
    default="const",
    show_default=True,
    help="The stored maps, none, or every map an input of the graph.",
)
@click.option("--single", is_flag=True, help="One graph from z to picture, generator.onnx.")
@click.option(
    "--output",
    type=click.Choice(get_args(OutputType)),
    default="float",
    show_default=True,
    help="uint8: the graph gives bytes [N, H, W, C].",
)
@click.option("--max-batch", type=click.IntRange(min=1), help="Most samples a run may have.  [default: any number]")
@click.option("--inversion", is_flag=True, help="Also write the graph of a step of inversion, invert_step.onnx.")
@click.option("--full", is_flag=True, help="Certify over 32 seeds and three batch sizes; takes four times as long.")
@click.option("--tensorrt-rtx", "rtx", metavar="8.6,8.9", help="Also build TensorRT-RTX engines for these GPUs.")
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads.  [default: the CPUs it may use]")
@click.option("--sha256", help="What the network's file must have, 64 hex digits.")
def command(network: str, outdir: Path, **options: Any) -> None:
    """Write a network as a bundle: ONNX graphs that provably draw the same pictures.

    NETWORK is anything that can be read. OUTDIR is made; nothing is left of it where the proof fails.

    \b
    wplus export ffhq.pkl ffhq-bundle
    wplus verify ffhq-bundle
    wplus sample --network=ffhq-bundle --seeds=0-35 --outdir=out
    """
    from wplus.checkpoints import read_checkpoint
    from wplus.cli.verify import show_entries, show_steps
    from wplus.export import ExportOptions, export_bundle
    from wplus.export.to_tensorrt import check_capabilities, write_rtx_engines

    threads, sha256, rtx = (options.pop(name) for name in ("threads", "sha256", "rtx"))
    chosen = ExportOptions(**options)
    capabilities = [part.strip() for part in rtx.split(",")] if rtx is not None else []
    if capabilities:
        check_capabilities(capabilities)  # before the minutes that all else takes
    bundle = export_bundle(read_checkpoint(network, sha256=sha256), outdir, chosen, threads=threads)
    parity = bundle.parity()
    show_entries(parity["runtimes"])
    show_steps(parity.get("inversion", []))
    if kept := bundle.manifest.float32_layers:
        click.echo(f"In float32, as half precision would overflow or lose too much there: {', '.join(kept)}")
    for path in write_rtx_engines(bundle, capabilities) if capabilities else []:
        click.echo(f"Engine: {path}")
    click.echo(f"Bundle: {outdir}")
