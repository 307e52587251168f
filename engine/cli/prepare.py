"""`wplus prepare`: exports, certifies, builds and measures ahead, and writes the plan that `auto` follows."""

from typing import TYPE_CHECKING, Any

import click

from wplus.cli.options import Numbers, UserPath

if TYPE_CHECKING:
    from wplus.bundle import Bundle
    from wplus.plan import Plan


@click.command()
@click.argument("network")
@click.option("--precision", type=click.Choice(["exact", "fast", "both"]), default="both", show_default=True)
@click.option("--batch", "batches", type=Numbers(), help="Batch sizes to measure.  [default: 1 and the usual one]")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps.")
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads.  [default: the CPUs it may use]")
@click.option("--outdir", type=UserPath(), help="New folder for the bundle.  [default: the cache]")
@click.option("--sha256", help="What the network's file must have, 64 hex digits.")
def command(network: str, **options: Any) -> None:
    """Do ahead what takes long, and find out which runtime is the fastest here.

    NETWORK, a checkpoint, is exported to the cache or to --outdir; a bundle is measured where it lies. The plan goes
    into the bundle: from then on, wplus draws this network on this machine as it says.

    \b
    wplus prepare demo:portraits
    wplus prepare ffhq.pkl --precision=exact --outdir=ffhq-bundle
    """
    from wplus.prepare import PrepareOptions, prepare

    bundle, plan = prepare(
        network,
        PrepareOptions(
            precisions=("exact", "fast") if options["precision"] == "both" else (options["precision"],),
            batches=tuple(options["batches"] or ()),
            device=options["device"],
            threads=options["threads"],
            outdir=options["outdir"],
            sha256=options["sha256"],
        ),
    )
    click.echo("\n".join(_lines(bundle, plan)))


def _lines(bundle: "Bundle", plan: "Plan") -> list[str]:
    lines = [f"{'runtime':<14}{'device':<9}{'precision':<11}{'dtype':<10}{'batch':>5}{'ms a picture':>14}"]
    lines[0] += f"{'first, ms':>11}{'load, s':>9}"
    for one in sorted(plan.measurements, key=lambda one: one.ms / one.batch):
        lines.append(
            f"{one.backend:<14}{one.device:<9}{one.precision:<11}{one.dtype:<10}{one.batch:>5}"
            f"{one.ms / one.batch:>14.1f}{one.first_ms:>11.1f}{one.load_s:>9.2f}"
        )
    lines += [f"Not measured: {reason}" for reason in plan.left_out]
    for wish, ranking in plan.choices.items():
        if ranking:
            best = ranking[0]
            lines.append(
                f"{wish}: {best.backend} on {best.device}, precision {best.precision}, micro-batches of {best.batch}"
            )
    return [*lines, f"Bundle: {bundle.folder}", f"Plan:   {bundle.folder / 'plan.json'}"]
