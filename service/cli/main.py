"""Runs the command that the words after `sluicegate` name.

Exit codes: 0 done; 1 it did not work (the last line says why); 2 the options or the settings are wrong; 130 Ctrl-C.
Only this module may import everything; nothing imports it.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import version
from typing import Any

import typer

from service.cli.exit_codes import add_exit_codes
from streaming.settings import BadSettings

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
    "deadletter",
    "check_mapping",
    "config",
    "descriptions",
    "doctor",
)

# Newer versions of typer contain a copy of click: its errors are not those of the package click.
_ShownError: Any = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")

app = typer.Typer(
    name="sluicegate",
    help="Recommendations that learn from every event, with a gate that decides what goes live.",
    no_args_is_help=True,
    add_completion=False,
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
add_exit_codes(app)


def main() -> None:
    """Run one command; a user's mistake is one line on stderr and exit code 2, never a stack trace."""
    try:
        code = app(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except _ShownError as error:
        error.show()
        sys.exit(error.exit_code)
    except BadSettings as error:
        sys.exit(_fail(str(error), 2))
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(_fail("stopped", 130))


def _fail(text: str, code: int) -> int:
    print(f"sluicegate: {text}", file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
