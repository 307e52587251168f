"""`wplus convert`: any readable checkpoint to our own safe format."""

from pathlib import Path

import click


@click.command()
@click.argument("network")
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--sha256", help="What the network's file must have, 64 hex digits.")
def command(network: str, output: Path, sha256: str | None) -> None:
    """Write NETWORK as OUTPUT.safetensors: the same float32 bits, with configuration and provenance beside them."""
    if output.suffix != ".safetensors":
        raise click.UsageError(f"{output} must end in .safetensors.")
    from wplus.checkpoints import fingerprint, read_checkpoint, write_checkpoint
    from wplus.networks import build_network

    checkpoint = read_checkpoint(network, sha256=sha256)
    build_network(checkpoint)  # a file that lacks a tensor is refused here and not when it is used
    write_checkpoint(output, checkpoint)
    click.echo(f"{output}: {checkpoint.config.family}, {fingerprint(checkpoint.config, checkpoint.tensors)}")
