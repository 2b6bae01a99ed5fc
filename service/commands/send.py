"""`sluicegate send FILE`: writes the events and item facts of a file to the topics, and reports.

Exit codes: 0 everything sent; 1 the broker was away (run it again, it continues); 2 the options or the file are
wrong; 3 everything else sent, but some lines were refused; 130 stopped by Ctrl-C (run it again, it continues).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer

from service.cli.arguments import (
    Column,
    Decimal,
    DefaultType,
    DislikeRating,
    Encoding,
    HashIds,
    Items,
    MinRating,
    PresetName,
    TimeFormat,
    TypeMap,
    Zone,
    layout_of,
    pairs,
    types_of,
)
from service.cli.errors import broken
from service.cli.exit_codes import SOME_REFUSED
from service.cli.log_file import with_items
from streaming.files import FileError, Layout, as_document
from streaming.files import report as report_of
from streaming.kafka import KafkaTrouble
from streaming.settings import Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from streaming.jobs.send import Report, Sender

LINE_INTERVAL: Final = 5.0
"""Seconds between two lines of progress where there is no terminal."""


def register(app: typer.Typer) -> None:
    """Add `sluicegate send`."""
    app.command("send", epilog="Example: sluicegate send ratings.csv.gz --map rating=click --min-rating 4")(send)


def send(
    file: Annotated[Path, typer.Argument(help="CSV, JSON or Parquet, plain or compressed; one event a row.")],
    column: Column = None,
    type_map: TypeMap = None,
    default_type: DefaultType = None,
    items: Items = None,
    time_format: TimeFormat = "auto",
    zone: Zone = None,
    decimal: Decimal = None,
    encoding: Encoding = None,
    preset: PresetName = None,
    hash_ids: HashIds = None,
    min_rating: MinRating = None,
    dislike_rating: DislikeRating = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Send at most this many events in this run.")
    ] = None,
    rate: Annotated[float | None, typer.Option("--rate", min=0.01, help="At most this many events per second.")] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Send from the beginning, also what was sent before.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and check everything, send nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON on standard output.")] = False,
    config: Annotated[Path | None, typer.Option("--config", help="TOML file with settings.")] = None,
) -> None:
    """Send a file of events through the topic, as history. A run that was stopped continues where it was."""
    from streaming.jobs.send import Options, Sender

    settings = load_settings(config, os.environ)
    types = types_of(type_map, settings)
    layout = Layout(pairs(column, "--column"), types, default_type, min_rating, dislike_rating, time_format)
    layout = layout_of(layout, preset, zone, decimal, encoding, hash_ids)
    try:
        layout, facts = with_items(file, items, layout)
        sender = Sender(settings, file, Options(layout, limit, rate, restart, dry_run), facts)
        with _progress(sender) as tick:
            survey = sender.look(tick, time.time() + settings.admission.max_future)
        typer.echo(report_of(survey, layout), err=as_json)
        if sender.report.resumed_at and not sender.state.complete:
            typer.echo(f"{file}: {sender.report.resumed_at} rows were sent before, continuing after them", err=True)
        with _progress(sender) as tick:
            report = _run(sender, settings, tick, dry_run=dry_run)
        report.file_report = as_document(survey, layout)
    except FileError as error:
        raise typer.BadParameter(str(error), param_hint="FILE") from None
    except KafkaTrouble as trouble:
        broken(trouble)
    _print(report, as_json)
    if report.refused:
        raise typer.Exit(SOME_REFUSED)


def _run(sender: Sender, settings: Settings, tick: Callable[[], None], *, dry_run: bool) -> Report:
    if dry_run or sender.state.complete:
        return sender.dry_run() if dry_run else sender.run(None, tick)
    from streaming.kafka import EventProducer, ensure_topics

    ensure_topics(settings, ["events", "items"])
    with EventProducer(settings, "sluicegate-send") as producer:
        return sender.run(producer, tick)


@contextmanager
def _progress(sender: Sender) -> Iterator[Callable[[], None]]:
    """A bar with rate and time left on a terminal, a line now and then elsewhere; both on standard error."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(sender)
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[text]}"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(sender.report.file, total=1.0, text="")
        began = time.monotonic()

        def tick() -> None:
            bar.update(task, completed=sender.done(), text=_speed(sender, began))

        yield tick


def _speed(sender: Sender, began: float) -> str:
    return f"{sender.report.sent:,} events, {sender.report.sent / max(time.monotonic() - began, 1e-3):,.0f}/s"


def _lines(sender: Sender) -> Callable[[], None]:
    began = last = time.monotonic()

    def tick() -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= LINE_INTERVAL:
            last = now
            share = sender.done()
            left = (now - began) * (1 - share) / share if share else 0.0
            typer.echo(f"{sender.report.file}: {_speed(sender, began)}, {left:.0f} s left", err=True)

    return tick


def _print(report: Report, as_json: bool) -> None:
    if as_json:
        typer.echo(msgspec.json.encode(report).decode())
        return
    for line, reason in report.refusals:
        typer.echo(f"{report.file}:{line}: {reason}", err=True)
    if report.refused > len(report.refusals):
        typer.echo(f"... and {report.refused - len(report.refusals)} more lines", err=True)
    if report.complete and not report.sent and report.resumed_at:
        typer.echo(f"{report.file} was sent before: nothing left (--restart sends it again)")
        return
    verb = "would send" if report.dry_run else "sent"
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in report.by_type.items())
    typer.echo(
        f"{verb} {report.sent:,} events ({kinds}) and facts of {report.items:,} items in {report.seconds:.1f} s; "
        f"{report.refused:,} lines refused, {report.passed:,} lines passed over"
    )
    if not report.complete:
        typer.echo("the file goes on: run the same command again to send the rest")
