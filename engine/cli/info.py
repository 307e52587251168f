"""`wplus info`: what a file is."""

import json
from typing import Any

import click


@click.command()
@click.argument("source")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--sha256", help="What the network's file must have, 64 hex digits.")
def command(source: str, as_json: bool, sha256: str | None) -> None:
    """Say what a file is.

    SOURCE is a network, a bundle, a tuning, latents, measurements, a walk file, a take, or a picture or video
    that wplus made. Of the latter, info prints the command that makes it again.
    """
    from wplus.describe import describe

    facts = describe(source, sha256=sha256)
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    width = max(map(len, facts)) + 2
    for name, value in facts.items():
        for i, line in enumerate(_lines(value)):
            click.echo(f"{name if i == 0 else '':<{width}}{line}")


def _lines(value: Any) -> list[str]:
    from wplus.recipe import ranges

    if isinstance(value, dict):
        return [f"{name} = {_text(item)}" for name, item in value.items()] or ["none"]
    if isinstance(value, list) and value and all(isinstance(item, int) for item in value):
        return [ranges(value) if len(value) > 4 else _text(value)]
    return [_text(item) for item in value] if isinstance(value, list) else [_text(value)]


def _text(value: Any) -> str:
    text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    return "".join(letter if letter.isprintable() else "?" for letter in text)  # files do not steer the terminal
