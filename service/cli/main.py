"""Runs the command that the words after `sluicegate` name.

Exit codes: service/cli/exit_codes.py. Only this module may import everything; nothing imports it.
"""

from __future__ import annotations

import logging
import os
import sys
from importlib import import_module
from importlib.metadata import version
from typing import Any, Final

import typer

from service.cli.exit_codes import INTERRUPTED, USAGE, finish_help
from service.cli.plain_help import PlainGroup
from streaming.logs import configure
from streaming.settings import BadSettings, log_format

COMMANDS = (
    "demo",
    "up",
    "run",
    "send",
    "items",
    "import_",
    "evaluate",
    "replay",
    "rebuild",
    "gate",
    "export",
    "experiment",
    "recommend",
    "erase",
    "deadletter",
    "check_mapping",
    "keys",
    "config",
    "descriptions",
    "doctor",
)

# Newer versions of typer contain a copy of click: its errors are not those of the package click.
_ShownError: Any = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")
_HELP: Final = "NoArgsIsHelpError"
"""Of these errors, the name of the one whose text is the help: a group was named without a command."""

app = typer.Typer(
    name="sluicegate",
    help="Recommendations that learn from every event, with a gate that decides what goes live.",
    no_args_is_help=True,
    cls=PlainGroup,
    context_settings={"help_option_names": ["--help", "-h"]},
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    epilog="Start with: sluicegate demo",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"sluicegate {version('sluicegate')}")
        raise typer.Exit


@app.callback()
def _root(
    show: bool = typer.Option(False, "--version", callback=_show_version, is_eager=True, help="Print the version."),
) -> None:
    """Recommendations that learn from every event, with a gate that decides what goes live."""
    del show


for command in COMMANDS:
    import_module(f"service.commands.{command}").register(app)
finish_help(app)


def main() -> None:
    """Run one command. A user's mistake is exit code 2 and text on stderr that begins with it, never a stack trace."""
    configure("sluicegate", log_format(None, os.environ), logging.WARNING)
    try:
        code = app(standalone_mode=False, prog_name="sluicegate")
        sys.exit(code if isinstance(code, int) else 0)
    except _ShownError as error:
        sys.exit(_explain(error))
    except BadSettings as error:
        sys.exit(_fail(str(error), USAGE))
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(_fail("stopped", INTERRUPTED))


def _explain(error: Any) -> int:
    """Say what is wrong with the words of a command, and then where its help is."""
    context = getattr(error, "ctx", None)
    if type(error).__name__ == _HELP:
        error.show()
    elif context is None:
        _fail(error.format_message(), error.exit_code)
    else:
        said = f"{context.command_path}: {error.format_message().replace('Value error, ', '')}"
        print(f"{said}\nHelp: {context.command_path} --help", file=sys.stderr)
    return int(error.exit_code)


def _fail(text: str, code: int) -> int:
    print(f"sluicegate: {text}", file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
