"""`wplus doctor`: what is installed, what works, what is slow and how to mend it."""

import json

import click

_MARKS = {"ok": "ok  ", "note": "note", "bad": "BAD "}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(as_json: bool) -> None:
    """Say what works here, what is slow, and how to mend it."""
    from wplus.doctor import examine

    findings = examine()
    if as_json:
        click.echo(json.dumps([finding.to_json() for finding in findings], indent=2))
    else:
        for finding in findings:
            click.echo(f"{_MARKS[finding.verdict]}  {finding.subject:<12}  {finding.text}")
            if finding.remedy:
                click.echo(f"{'':<20}{finding.remedy}")
    if any(finding.verdict == "bad" for finding in findings):
        raise click.exceptions.Exit(1)
