"""The command line: `wplus <verb>`. Flags become one call; errors become one message and an exit code."""

import logging
import sys
from collections.abc import Sequence
from importlib import import_module

import click

from wplus.errors import WplusError

__all__ = ["main"]

_VERBS = ("info", "convert", "sample", "walk", "bench", "doctor")


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
def _wplus() -> None:
    """The engine that runs image generators."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and exits: 0 done, 1 failed, 2 wrong usage."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    logging.basicConfig(level=logging.DEBUG if debug else logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("PIL").setLevel(logging.INFO)
    sys.exit(_run([argument for argument in given if argument != "--debug"], debug=debug))


def _run(arguments: list[str], *, debug: bool) -> int:
    try:
        _wplus.main(args=arguments, prog_name="wplus", standalone_mode=False)
    except click.exceptions.Exit as exc:
        return exc.exit_code
    except click.ClickException as exc:
        exc.show()
        return exc.exit_code
    except (click.Abort, KeyboardInterrupt):
        return _fail("Interrupted. What was being written was removed; what was whole stays.", 1)
    except BrokenPipeError:  # whoever read our output has heard enough
        sys.stderr.close()
        return 1
    except (WplusError, ValueError, TypeError, OSError, MemoryError) as exc:
        if debug:
            raise
        usage = isinstance(exc, (ValueError, TypeError))
        return _fail(str(exc) or type(exc).__name__, 2 if usage else 1)
    return 0


def _fail(message: str, code: int) -> int:
    click.echo(f"Error: {message}", err=True)
    return code
