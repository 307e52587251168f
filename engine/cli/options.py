"""Options and their parsers that several verbs share."""

import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, get_args

import click

from wplus.backends import BackendName, Precision

_F = TypeVar("_F", bound=Callable[..., Any])

_MOST_NUMBERS = 10_000_000
_NEUTRAL = {"truncation_psi": 1.0, "noise_mode": "const", "w_frames": 120}  # what says nothing; of all others None


class Numbers(click.ParamType[list[int]]):
    """`0,1,4-6`: numbers and inclusive ranges."""

    name = "numbers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[int]:
        """The list; a part that is neither a number nor a range is a usage error."""
        if isinstance(value, list):
            return value
        numbers: list[int] = []
        for part in str(value).split(","):
            match = re.fullmatch(r"\s*(\d{1,10})(?:-(\d{1,10}))?\s*", part, re.ASCII)
            if match is None:
                self.fail(f"{part!r} is neither a number nor a range; write them like 0,1,4-6.", param, ctx)
            first, last = int(match[1]), int(match[2] or match[1])
            if last < first:
                self.fail(f"the range {part!r} runs backwards.", param, ctx)
            if last >= 2**32:
                self.fail(f"{part!r} is too high; {2**32 - 1} is the highest.", param, ctx)
            if len(numbers) + last - first >= _MOST_NUMBERS:
                self.fail(f"there are more than {_MOST_NUMBERS:,} numbers; ask for them in parts.", param, ctx)
            numbers.extend(range(first, last + 1))
        return numbers


class GridShape(click.ParamType[tuple[int, int]]):
    """`4x2`: columns and rows."""

    name = "WxH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """The two numbers, both at least 1."""
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"([1-9]\d{0,3})[xX]([1-9]\d{0,3})", str(value), re.ASCII)
        if match is None:
            self.fail(f"{value!r} is no grid; write columns and rows like 4x2.", param, ctx)
        return int(match[1]), int(match[2])


class PictureSize(click.ParamType[tuple[int, int]]):
    """`256x128`: width and height in pixels."""

    name = "WxH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """The two numbers, both at least 1."""
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"([1-9]\d{0,3})[xX]([1-9]\d{0,3})", str(value), re.ASCII)
        if match is None:
            self.fail(f"{value!r} is no size; write width and height in pixels like 256x128.", param, ctx)
        return int(match[1]), int(match[2])


class FiniteNumber(click.ParamType[float]):
    """A number that is neither NaN nor infinite."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number."""
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


class BitRate(click.ParamType[int]):
    """`8M`, `800k` or `8000000`: bits a second."""

    name = "bits"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number."""
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?)([kKmM]?)", str(value), re.ASCII)
        if match is None:
            self.fail(f"{value!r} is no bit rate; write bits a second like 8M or 800k.", param, ctx)
        return round(float(match[1]) * {"": 1, "k": 1000, "m": 1_000_000}[match[2].lower()])


class Point(click.ParamType[tuple[float, float]]):
    """`0.3,1`: two finite numbers."""

    name = "X,Y"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, float]:
        """The two numbers."""
        if isinstance(value, tuple):
            return value
        parts = str(value).split(",")
        if len(parts) != 2:
            self.fail(f"{value!r} is no point; write two numbers like 0.3,1.", param, ctx)
        x, y = (FiniteNumber().convert(part, param, ctx) for part in parts)
        return x, y


class NumberList(click.ParamType[tuple[float, ...]]):
    """`0.5,0.2`: finite numbers."""

    name = "numbers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        """The numbers, at least one."""
        if isinstance(value, tuple):
            return value
        return tuple(FiniteNumber().convert(part, param, ctx) for part in str(value).split(","))


class FileAmounts(click.ParamType[tuple[Path, tuple[float, ...]]]):
    """`smile.npy=1.5` or `smile.npy=0,2,0`: a file, and how much of it."""

    name = "FILE=AMOUNT"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Path, tuple[float, ...]]:
        """The file and its amounts."""
        if isinstance(value, tuple):
            return value
        file, equals, amounts = str(value).rpartition("=")
        if not equals or not file:
            self.fail(f"{value!r} has no amount; write file and amount like smile.npy=1.5.", param, ctx)
        return UserPath().convert(file, param, ctx), NumberList().convert(amounts, param, ctx)


class UserPath(click.ParamType[Path]):
    """A path in which `~` is the user's folder: shells leave it alone in `--outdir=~/out`."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:  # noqa: ARG002
        """The path."""
        return Path(os.path.expanduser(value))  # noqa: PTH111 (Path's own raises where there is no such user)


def network_options(function: _F) -> _F:
    """`--network` and how it is run; the verb receives them as `load` arguments by name."""
    options = [
        click.option(
            "--network", required=True, help="Checkpoint file, https URL, a bundle's folder, or demo:portraits."
        ),
        click.option(
            "--sha256", help="What the network's file (of a bundle its manifest.json) must have, 64 hex digits."
        ),
        click.option("--tuning", type=UserPath(), help="What wplus invert --tune made of the network's weights."),
        click.option(
            "--device",
            default="auto",
            show_default=True,
            help="auto, cpu, cuda, cuda:1, mps; for bundles also tensorrt, coreml, directml (onnxruntime's).",
        ),
        click.option(
            "--backend",
            type=click.Choice(get_args(BackendName)),
            default="auto",
            show_default=True,
            help="auto: the fastest that is certified for the bundle; torch for a checkpoint that was not prepared.",
        ),
        click.option(
            "--precision",
            type=click.Choice(get_args(Precision)),
            default="exact",
            show_default=True,
            help="exact: float32 throughout; fast: half precision where it is fast.",
        ),
        click.option("--threads", type=click.IntRange(min=1), help="CPU threads.  [default: the CPUs it may use]"),
        click.option("--batch", type=click.IntRange(min=1), help="Pictures at a time.  [default: by resolution]"),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def drawing_options(
    *, class_type: click.ParamType[Any] | None = None, class_help: str = "Class of a conditional network."
) -> Callable[[_F], _F]:
    """Truncation, class, noise and place.

    Args:
        class_type: What --class takes; None: one number.
        class_help: What the help says of it.
    """
    options = [
        click.option(
            "--trunc", "truncation_psi", type=FiniteNumber(), default=1.0, show_default=True, help="Truncation psi."
        ),
        click.option("--trunc-cutoff", "truncation_cutoff", type=click.IntRange(min=0), help="Layers to truncate."),
        click.option("--class", "class_index", type=class_type or click.IntRange(min=0), help=class_help),
        click.option(
            "--noise-mode", type=click.Choice(["const", "random", "none"]), default="const", show_default=True
        ),
        click.option("--translate", type=Point(), help="StyleGAN3: moves the picture, X,Y in widths and heights."),
        click.option("--rotate", type=FiniteNumber(), help="StyleGAN3: turns the picture, in degrees."),
        click.option("--no-metadata", is_flag=True, help="Do not say in the files how they were made."),
    ]

    def decorate(function: _F) -> _F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def latent_options(function: _F) -> _F:
    """How latent files are read."""
    options = [
        click.option("--latents-as", type=click.Choice(["z", "w", "w+"]), help="Space of files that do not name it."),
        click.option("--allow-mismatch", is_flag=True, help="Draw latents of another generator, with a warning."),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def drop_idle(options: dict[str, Any], reasons: dict[str, str]) -> None:
    """Says which of the options given have no effect, and sets them back.

    Args:
        options: The verb's, by name.
        reasons: Why an option has none, by name.
    """
    for param in click.get_current_context().command.params:
        name = param.name
        if name not in reasons:
            continue
        neutral = False if isinstance(options[name], bool) else _NEUTRAL.get(name)
        if options[name] != neutral:
            click.echo(f"Note: {param.opts[0]} has no effect: {reasons[name]}.", err=True)
            options[name] = neutral
