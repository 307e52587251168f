"""`wplus verify`: whether a bundle is whole and draws what its network draws."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from wplus.cli.options import UserPath


@click.command()
@click.argument("folder", metavar="BUNDLE", type=UserPath())
@click.option("--against", metavar="NETWORK", help="Run the certificate anew against this checkpoint; needs torch.")
@click.option("--full", is_flag=True, help="With --against: 32 seeds in batches of 1, 3 and 8.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads.  [default: the CPUs it may use]")
def command(folder: Path, against: str | None, full: bool, as_json: bool, threads: int | None) -> int:
    """Check a bundle: the sums of its files, and its reference pictures drawn again by every runtime that is here.

    Exits with 1 where it falls short.
    """
    from wplus.bundle import read_bundle
    from wplus.threads import usable_cpus
    from wplus.verify import shortfalls, verify_bundle, verify_steps

    if full and against is None:
        raise click.UsageError("--full compares with the network itself: name it, --against NETWORK.")
    bundle = read_bundle(folder)
    threads = threads or usable_cpus()
    if against is None:
        entries, steps = verify_bundle(bundle, threads=threads), verify_steps(bundle, threads=threads)
        reasons = shortfalls(bundle, entries, steps)
    else:
        entries, steps, reasons = _compare(bundle, against, full=full, threads=threads)
    if as_json:
        facts: dict[str, Any] = {"bundle": str(folder), "fingerprint": bundle.manifest.fingerprint}
        facts |= {"passed": not reasons, "reasons": reasons, "runtimes": entries}
        click.echo(json.dumps(facts | ({"inversion": steps} if steps else {}), indent=2))
    else:
        show_entries(entries)
        show_steps(steps)
        click.echo(
            "\n".join(f"Falls short: {reason}" for reason in reasons)
            or "Passed: the files are whole, and the pictures are the network's."
        )
    return 1 if reasons else 0


def show_entries(entries: Sequence[dict[str, Any]]) -> None:
    """Prints what became of each runtime."""
    lines: list[tuple[str, ...]] = [
        ("runtime", "device", "precision", "dtype", "largest", "PSNR dB", "bytes off", "worst seed", "")
    ]
    _show([*lines, *map(_line, entries)])


def show_steps(entries: Sequence[dict[str, Any]]) -> None:
    """Prints what became of each runtime in a step of inversion; nothing where there is none."""
    head: tuple[str, ...] = ("inversion", "device", "precision", "dtype", "loss off", "gradients off", "cosine", "")
    if entries:
        _show([head, *map(_step_line, entries)])


def _show(lines: Sequence[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        click.echo("  ".join(f"{text:<{width}}" for text, width in zip(line, widths, strict=True)).rstrip())


def _step_line(entry: dict[str, Any]) -> tuple[str, ...]:
    start = (f"{entry['backend']} {entry['version']}", entry["device"], entry["precision"], entry["dtype"])
    if "gradient_rms" not in entry:
        return (*start, "-", "-", "-", f"failed: {'; '.join(entry['reasons'])}")
    figures = (f"{entry['loss_off']:.1e}", f"{entry['gradient_rms']:.1e}", f"{entry['gradient_cosine']:.5f}")
    return (*start, *figures, "passed" if entry["passed"] else f"refused: {'; '.join(entry['reasons'])}")


def _line(entry: dict[str, Any]) -> tuple[str, ...]:
    name = f"{entry['backend']} {entry['version']}" + (" (emulated)" if entry["emulated"] else "")
    start = (name, entry["device"], entry["precision"], entry["dtype"])
    if "psnr_worst" not in entry:
        return (*start, "-", "-", "-", "-", f"failed: {'; '.join(entry['reasons'])}")
    largest = "-" if entry["max_abs"] is None else f"{entry['max_abs']:.1e}"
    figures = (f"{entry['psnr_worst']:.1f}", f"{entry['uint8_share']:.3%}", str(entry["worst_seed"]))
    return (*start, largest, *figures, "passed" if entry["passed"] else f"refused: {'; '.join(entry['reasons'])}")


def _compare(
    bundle: Any, against: str, *, full: bool, threads: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[str]]:
    """The certificate anew: its entries, those of a step of inversion, and why they do not do."""
    from wplus.errors import LatentMismatchError
    from wplus.export.certificate import compare
    from wplus.export.subject import subject_of

    subject = subject_of(against, threads=threads)
    if subject.fingerprint != bundle.manifest.fingerprint:
        raise LatentMismatchError(
            f"{against} is {subject.fingerprint}, and the bundle was made of {bundle.manifest.fingerprint} "
            f"({bundle.manifest.provenance.source!r}). Compare it with that network."
        )
    parity = compare(bundle, subject.reference, full=full, threads=threads)
    reasons = [] if parity["passed"] else ["no runtime draws what the network draws, or none gives its gradients"]
    return parity["runtimes"], parity.get("inversion", []), reasons
