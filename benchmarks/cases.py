"""What can be benchmarked: one `Case` each."""

from dataclasses import dataclass, replace

from wplus.benchmarks.families import family_of
from wplus.benchmarks.random_networks import stylegan2_config
from wplus.benchmarks.random_stylegan1 import stylegan1_config
from wplus.benchmarks.random_stylegan3 import stylegan3_config
from wplus.checkpoints import Checkpoint, read_checkpoint
from wplus.config import StyleConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Sampling one network: latents to pictures."""

    name: str
    network: str | StyleConfig  # what `wplus.load` takes, a bundle included, or what the random recipe fills
    batches: tuple[int, ...]
    quick_batches: tuple[int, ...] = ()  # of a quick run; empty: the case has no place in one
    rounds: int = 31  # at most; fewer where they would take longer than `seconds`
    seconds: float = 20.0  # that one batch size may take, warm-up aside
    first_picture: bool = False  # whether it is measured how soon a fresh process has one


CASES: dict[str, Case] = {
    case.name: case
    for case in (
        Case(name="demo:portraits", network="demo:portraits", batches=(1, 8), quick_batches=(1, 8), first_picture=True),
        Case(
            name="stylegan2-256",
            network=stylegan2_config(256, channel_base=16384),
            batches=(1, 4),
            quick_batches=(1,),
            seconds=45,
            first_picture=True,
        ),
        Case(name="stylegan1-256", network=stylegan1_config(256), batches=(1, 4), seconds=45),
        Case(name="stylegan3-t-256", network=stylegan3_config(256, channel_base=16384), batches=(1,), seconds=90),
        Case(
            name="stylegan3-r-256",
            network=stylegan3_config(256, channel_base=2 * 16384, channel_max=2 * 512, is_rotating=True),
            batches=(1,),
            seconds=90,
        ),
        Case(name="stylegan2-1024", network=stylegan2_config(1024, channel_base=32768), batches=(1,), seconds=60),
    )
}

_QUICK_SECONDS = 4.0


def choose_cases(network: str | None, names: tuple[str, ...], batches: tuple[int, ...], *, quick: bool) -> list[Case]:
    """The cases to run: a user's network, those named, or all; `batches` replaces their own.

    Raises:
        ValueError: a name is unknown or a batch is not positive.
    """
    if unknown := sorted(set(names) - set(CASES)):
        raise ValueError(f"No benchmark case is called {', '.join(unknown)}; known: {', '.join(CASES)}.")
    if any(batch < 1 for batch in batches):
        raise ValueError(f"The batches are {', '.join(map(str, batches))}; each must be 1 or more.")
    if network is not None and network not in CASES:
        name = _file_name(network)
        chosen = [Case(name=name, network=network, batches=(1, 4), quick_batches=(1,), first_picture=True)]
    else:
        chosen = [CASES[name] for name in ((network,) if network else names or CASES)]
    if quick:
        chosen = [
            replace(case, batches=case.quick_batches or (1,), seconds=_QUICK_SECONDS)
            for case in chosen
            if case.quick_batches or network or names
        ]
    return [replace(case, batches=batches) for case in chosen] if batches else chosen


def read_network(network: str | StyleConfig) -> tuple[Checkpoint, StyleConfig]:
    """The checkpoint of a case, made by the recipe or read from its file, and its configuration.

    Raises:
        UnsupportedError: the network is of a family that the baseline does not know.
    """
    if isinstance(network, StyleConfig):
        return family_of(network).random(network), network
    checkpoint = read_checkpoint(network)
    family_of(checkpoint.config, checkpoint.provenance.source)
    assert isinstance(checkpoint.config, StyleConfig)
    return checkpoint, checkpoint.config


def _file_name(network: str) -> str:
    return network.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1].split("?")[0]
