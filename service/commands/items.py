"""`sluicegate items FILE`: writes the facts and attributes of items to their topic, and reports.

Exit codes: 0 everything sent; 1 the broker was away (run it again: facts replace each other); 2 the options or the file
are wrong; 3 everything else sent, but some rows were refused; 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer

from service.cli.arguments import Decimal, Encoding, pairs
from service.cli.errors import broken
from service.cli.exit_codes import SOME_REFUSED
from service.cli.progress_bar import progress
from streaming.files import FileError, Layout, item_presets, items_document, items_report, with_preset
from streaming.kafka import KafkaTrouble
from streaming.settings import Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from streaming.jobs.send_items import ItemSender, ItemsReport

SHOWN: Final = 20
"""Refused rows that are shown one by one."""

HELP: Final = (
    "Columns that are no facts of ours become attributes, by which requests may filter and which they may ask for. "
    "docs/events.md says what an item is.\n\n"
    "Examples:\n\n"
    "sluicegate items catalogue.csv --dry-run\n\n"
    "sluicegate items artikel.csv.gz --column Artikelnr=item_id --column Farbe=attributes.colour --column EK=none\n\n"
    "sluicegate items feed.tsv --preset google"
)


def register(app: typer.Typer) -> None:
    """Add `sluicegate items`."""
    app.command("items", epilog=HELP)(items)


def items(
    file: Annotated[Path, typer.Argument(help="CSV, JSON or Parquet, plain or compressed; one item a row.")],
    column: Annotated[
        list[str] | None,
        typer.Option(
            "--column",
            help="NAME=FIELD: the file's column NAME is our FIELD, attributes.NAME, or none. Repeatable.",
        ),
    ] = None,
    decimal: Decimal = None,
    encoding: Encoding = None,
    preset: Annotated[
        str | None,
        typer.Option("--preset", help="Layout of a system's catalogue, e.g. google, or a mapping file, NAME.toml."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and check everything, send nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON on standard output.")] = False,
    config: Annotated[Path | None, typer.Option("--config", help="TOML file with settings.")] = None,
) -> None:
    """Send a catalogue through the topic of items. The facts of an item replace all earlier ones."""
    from streaming.jobs.send_items import ItemSender

    settings = load_settings(config, os.environ)
    if decimal not in {None, ",", "."}:
        raise typer.BadParameter(f"{decimal!r}: the separator is , or .", param_hint="--decimal")
    layout = Layout(pairs(column, "--column"), decimal=decimal, encoding=encoding)
    try:
        layout = layout if preset is None else with_preset(layout, preset, item_presets())
    except FileError as error:
        raise typer.BadParameter(str(error), param_hint="--preset") from None
    try:
        sender = ItemSender(file, layout)
        with progress(str(file)) as show:
            survey = sender.look(lambda: show(f"{sender.survey.items:,} items read", sender.done()))
        typer.echo(items_report(survey, layout), err=as_json)
        report = sender.report
        report.dry_run, report.file_report = dry_run, items_document(survey, layout)
        if not dry_run:
            with progress(str(file)) as show:
                _run(sender, settings, lambda: show(f"{report.sent:,} items sent", sender.done()))
    except FileError as error:
        raise typer.BadParameter(str(error), param_hint="FILE") from None
    except KafkaTrouble as trouble:
        broken(trouble)
    _print(report, as_json)
    if report.refused:
        raise typer.Exit(SOME_REFUSED)


def _run(sender: ItemSender, settings: Settings, tick: Callable[[], None]) -> None:
    from streaming.kafka import EventProducer, ensure_topics

    ensure_topics(settings, ["items"])
    with EventProducer(settings, "sluicegate-items") as producer:
        sender.run(producer, tick)


def _print(report: ItemsReport, as_json: bool) -> None:
    if as_json:
        typer.echo(msgspec.json.encode(report).decode())
        return
    for line, reason in report.refusals[:SHOWN]:
        typer.echo(f"{report.file}:{line}: {reason}", err=True)
    if report.refused > SHOWN:
        typer.echo(f"... and {report.refused - SHOWN} more rows", err=True)
    if report.dry_run:
        typer.echo(f"would send {report.file_report['items']:,} items; {report.refused:,} rows refused")
        return
    typer.echo(f"sent {report.sent:,} records of items in {report.seconds:.1f} s; {report.refused:,} rows refused")


__all__ = ["items", "register"]
