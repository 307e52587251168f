"""`wplus cache`: what wplus keeps on this machine, and removing it."""

from datetime import datetime
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from wplus.cache import Kind

_WHAT: "dict[Kind, str]" = {
    "downloads": "networks that were fetched from URLs",
    "bundles": "networks that were exported on demand, with their plans",
    "engines": "engines that TensorRT built for this machine's GPU",
}


@click.group(invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """List what wplus keeps on this machine; `wplus cache clear` removes it."""
    if context.invoked_subcommand is not None:
        return
    from wplus.cache import cache_folder, entries

    found = entries()
    for kind, what in _WHAT.items():
        ours = [entry for entry in found if entry.kind == kind]
        click.echo(f"{kind}: {what}, {_mebibytes(sum(entry.size for entry in ours))} in {cache_folder(kind)}")
        for entry in ours:
            used = datetime.fromtimestamp(entry.last_used).strftime("%Y-%m-%d %H:%M")
            click.echo(f"  {entry.key}")
            click.echo(f"    {entry.network}  {entry.precision or '-'}  {_mebibytes(entry.size)}  used {used}")
            click.echo(f"    {entry.path}")


@command.command()
@click.argument("key", required=False)
@click.option("--all", "everything", is_flag=True, help="Remove everything.")
def clear(key: str | None, everything: bool) -> None:
    """Remove the entry KEY, a name that `wplus cache` lists, or everything with --all."""
    from wplus.cache import entries, remove

    if everything == (key is not None):
        raise click.UsageError("Give either a KEY that `wplus cache` lists, or --all.")
    doomed = [entry for entry in entries() if everything or entry.key == key]
    if not doomed and not everything:
        raise click.UsageError(f"The cache has nothing of the name {key}; `wplus cache` lists what it has.")
    removed = remove(doomed)
    count = len(removed)
    click.echo(f"{count} {'entry' if count == 1 else 'entries'} removed, {_mebibytes(sum(e.size for e in removed))}.")
    if kept := [entry.key for entry in doomed if entry not in removed]:
        click.echo(f"Left alone, since another process is making it: {', '.join(kept)}.", err=True)
        raise click.exceptions.Exit(1)


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"
