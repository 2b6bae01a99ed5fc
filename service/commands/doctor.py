"""`sluicegate doctor`: examines Kafka, Redis, the settings and this machine, and says how to fix what is wrong."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.exit_codes import DONE, UNSOUND
from streaming.settings import load_settings

if TYPE_CHECKING:
    from service.doctor import Finding

COLOURS = {"ok": "green", "warning": "yellow", "failure": "red", "skipped": "bright_black"}


def register(app: typer.Typer) -> None:
    """Add `sluicegate doctor`."""

    @app.command(
        epilog="Example: sluicegate doctor --config shop.toml --json | jq '.[] | select(.state == \"failure\")'"
    )
    def doctor(
        config: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
        timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for one answer.")] = 5.0,
        as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
    ) -> None:
        """Examine Kafka, Redis, settings and this machine, and say how to fix what is wrong. Changes nothing.

        Warnings are no failure: the exit code is 0 then.
        """
        from service.doctor import examine

        findings = examine(load_settings(config, os.environ), time.time(), timeout)
        if as_json:
            typer.echo(json.dumps([finding._asdict() for finding in findings], indent=1))
        else:
            _show(findings)
        raise typer.Exit(UNSOUND if any(finding.state == "failure" for finding in findings) else DONE)


def _show(findings: list[Finding]) -> None:
    from service.doctor import STATES

    width = max(len(finding.check) for finding in findings)
    for check, state, text, fix in findings:
        typer.echo(f"{typer.style(f'{state:7}', fg=COLOURS[state])}  {check:{width}}  {text}")
        if fix:
            typer.echo(f"{'':7}  {'':{width}}  -> {fix}")
    counted = [f"{number} {state}" for state in STATES if (number := sum(f.state == state for f in findings))]
    typer.echo(", ".join(counted))
