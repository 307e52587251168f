"""The command line: `wplus <verb>`. Flags become one call; errors become one message and an exit code."""

import logging
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module

import click

from wplus.errors import WplusError

__all__ = ["main"]

_VERBS = (
    "info",
    "convert",
    "sample",
    "walk",
    "live",
    "invert",
    "measure",
    "export",
    "verify",
    "prepare",
    "cache",
    "bench",
    "doctor",
)


class _Verbs(click.Group):
    """Verbs that are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _VERBS:
            return None
        command: click.Command = import_module(f"wplus.cli.{cmd_name}").command
        return command


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="wplus")
@click.option("--debug", is_flag=True, expose_value=False, help="Show where an error comes from; may stand anywhere.")
def _wplus() -> None:
    """The engine that runs image generators."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and exits: 0 done, 1 failed, 2 wrong usage."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    logging.getLogger("wplus").setLevel(logging.DEBUG if debug else logging.INFO)
    with _termination_as_interrupt():
        code = _run([argument for argument in given if argument != "--debug"], debug=debug)
    sys.exit(code)


def _run(arguments: list[str], *, debug: bool) -> int:
    try:
        return _wplus.main(args=arguments, prog_name="wplus", standalone_mode=False) or 0  # a code where a verb has one
    except click.ClickException as exc:
        exc.show()
        return exc.exit_code
    except (click.Abort, KeyboardInterrupt):
        return _fail("Interrupted. What was being written was removed; what was whole stays.", 1)
    except Exception as exc:
        if debug:
            raise
        return _explain(exc)


def _explain(exc: Exception) -> int:
    """One message for an error of ours; any other is our mistake, and says so."""
    if isinstance(exc, ValueError):
        return _fail(str(exc), 2)
    if isinstance(exc, (WplusError, OSError)):
        return _fail(str(exc) or type(exc).__name__, 1)
    if isinstance(exc, ModuleNotFoundError) and exc.name == "torch":
        return _fail("This needs torch, which is not installed. Run: pip install 'wplus[torch]'.", 1)
    if isinstance(exc, MemoryError) or (isinstance(exc, RuntimeError) and "memory" in str(exc)):  # torch's
        return _fail("There is not enough memory. A smaller --batch needs less.", 1)
    return _fail(f"{type(exc).__name__}: {exc}. This should not happen; --debug shows where it did.", 1)


def _fail(message: str, code: int) -> int:
    click.echo(f"Error: {message}", err=True)
    return code


@contextmanager
def _termination_as_interrupt() -> Iterator[None]:
    """SIGTERM cleans up as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
