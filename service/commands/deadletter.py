"""`sluicegate deadletter`: lists dead letters, or sends their records again."""

from __future__ import annotations

import base64
import json
import os
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from models.records import REASONS
from service.cli.errors import broken
from streaming.kafka import KafkaTrouble
from streaming.settings import load_settings

if TYPE_CHECKING:
    from rich.table import Table

    from streaming.intake import DeadLetter

Config = Annotated[Path | None, typer.Option("--config", help="TOML file with settings.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Only this reason.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on standard output, for scripts.")]


def register(app: typer.Typer) -> None:
    """Add `deadletter` with its sub-commands."""
    group = typer.Typer(
        help="Dead letters, the records that were rejected: list them, or send them again.", no_args_is_help=True
    )
    group.command("list")(show)
    group.command("redrive")(again)
    app.add_typer(group, name="deadletter")


def show(
    config: Config = None,
    reason: Reason = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most this many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List dead letters: why they were rejected, where, and their content. With --json, one object per line."""
    from streaming.jobs.redrive import letters

    settings = load_settings(config, os.environ)
    _known(reason)
    try:
        found = list(islice(letters(settings, reason), limit))
    except KafkaTrouble as trouble:
        broken(trouble)
    if as_json:
        for letter in found:
            typer.echo(json.dumps(as_object(letter), ensure_ascii=False))
    elif not found:
        typer.echo(f"{settings.topic('deadletter')} holds no such records")
    else:
        from rich.console import Console

        Console().print(_table(found))


def again(
    config: Config = None,
    reason: Reason = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="At most this many.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be sent.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send the records of dead letters to their topics again, unchanged, each once however often this runs."""
    from streaming.jobs.redrive import RedriveRunsError, redrive
    from streaming.store import StoreUnavailable

    settings = load_settings(config, os.environ)
    _known(reason)
    try:
        done = redrive(settings, reason, limit, dry_run=dry_run)
    except (KafkaTrouble, StoreUnavailable, RedriveRunsError) as trouble:
        broken(trouble)
    if as_json:
        counts = {"sent": done.sent, "cut": done.cut, "refused": done.refused, "by_reason": done.by_reason}
        typer.echo(json.dumps(counts | {"complete": done.done, "dry_run": dry_run}))
        return
    reasons = ", ".join(f"{count} {name}" for name, count in sorted(done.by_reason.items()))
    typer.echo(f"{'would send' if dry_run else 'sent'} {done.sent}" + (f" ({reasons})" if reasons else ""))
    if done.cut:
        typer.echo(f"{done.cut} cannot be sent: only their beginning was kept, or their topic is not ours")
    if done.refused:
        typer.echo(f"{done.refused} cannot be sent: Kafka refuses them for good (max.message.bytes of their topic?)")
    if not done.done:
        typer.echo("more are left: run it again")


def _known(reason: str | None) -> None:
    if reason is not None and reason not in REASONS:
        raise typer.BadParameter(f"{reason!r} is not a reason: {', '.join(REASONS)}", param_hint="--reason")


def as_object(letter: DeadLetter) -> dict[str, Any]:
    """A dead letter as a JSON object: times as RFC 3339, the value in base64."""
    return {
        "reason": letter.reason,
        "path": letter.path,
        "expected": letter.expected,
        "found": letter.found,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "time": datetime.fromtimestamp(letter.timestamp, UTC).isoformat(),
        "key": None if letter.key is None else letter.key.decode(errors="replace"),
        "value": None if letter.value is None else base64.b64encode(letter.value).decode(),
        "whole": letter.whole,
        "length": letter.length,
        "sha256": letter.sha256,
    }


def _table(found: list[DeadLetter]) -> Table:
    from rich.table import Table

    table = Table("reason", "at", "expected", "found", "record", "time", "value", box=None, pad_edge=False)
    for letter in found:
        table.add_row(
            letter.reason,
            letter.path,
            letter.expected,
            letter.found,
            f"{letter.topic}[{letter.partition}]@{letter.offset}",
            datetime.fromtimestamp(letter.timestamp, UTC).isoformat(timespec="seconds"),
            repr((letter.value or b"")[:60])[2:-1],
        )
    return table
