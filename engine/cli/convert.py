"""`wplus convert`: any readable checkpoint to our own safe format."""

from pathlib import Path

import click

from wplus.cli.options import UserPath


@click.command()
@click.argument("network")
@click.argument("output", type=UserPath(), metavar="OUTPUT.safetensors")
@click.option("--sha256", help="What the network's file must have, 64 hex digits.")
@click.option("--tuning", type=UserPath(), help="What wplus invert --tune made of its weights; it is built in.")
def command(network: str, output: Path, sha256: str | None, tuning: Path | None) -> None:
    """Write a network in our own safe format.

    NETWORK is anything that can be read. OUTPUT gets the same float32 bits, with configuration and provenance.
    """
    if output.suffix != ".safetensors":
        raise click.UsageError(f"OUTPUT is {output}; it must end in .safetensors.")
    from wplus.checkpoints import fingerprint, write_checkpoint
    from wplus.loading import read_network
    from wplus.networks import build_network

    checkpoint = read_network(network, sha256=sha256, tuning=tuning)
    build_network(checkpoint)  # a file that lacks a tensor is refused here and not when it is used
    write_checkpoint(output, checkpoint)
    click.echo(f"{output}: {checkpoint.config.family}, {fingerprint(checkpoint.config, checkpoint.tensors)}")
