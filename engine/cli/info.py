"""`wplus info`: what a file is."""

import json
from typing import Any

import click


@click.command()
@click.argument("source")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--sha256", help="What the file must have, 64 hex digits.")
def command(source: str, as_json: bool, sha256: str | None) -> None:
    """Say what SOURCE is: a network, a latent file, or a picture or video that wplus made."""
    from wplus.describe import describe

    facts = describe(source, sha256=sha256)
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    width = max(map(len, facts)) + 2
    for name, value in facts.items():
        lines = value if isinstance(value, list) else [value]
        for i, line in enumerate(lines or ["-"]):
            click.echo(f"{name if i == 0 else '':<{width}}{_text(line)}")


def _text(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
