"""`sluicegate check-mapping`: tries a mapping of the settings on records, and shows what each becomes. Sends nothing.

Exit codes: 0 every record becomes an event or is left out; 1 Kafka is away; 2 the options, the file or the settings
are wrong; 3 some records are refused.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from service.cli.arguments import Encoding
from service.cli.errors import broken
from service.cli.exit_codes import DONE, SOME_REFUSED
from streaming.files import FileError, tried
from streaming.kafka import KafkaTrouble
from streaming.mappings import mapping_named
from streaming.settings import Settings, event_mapping, load_settings

if TYPE_CHECKING:
    from models.records import EventMapping
    from streaming.consumer import Sample

HELP: Final = (
    "docs/mapping.md says what a mapping holds, and docs/integrations.md which presets there are.\n\n"
    "Examples:\n\n"
    "sluicegate check-mapping sample.ndjson --config shop.toml\n\n"
    "sluicegate check-mapping export.ndjson --preset ga4\n\n"
    "sluicegate check-mapping --topic shop.activity --count 1000 --config shop.toml --json | jq .refused"
)


def register(app: typer.Typer) -> None:
    """Add `sluicegate check-mapping`."""
    app.command("check-mapping", epilog=HELP)(check_mapping)


def check_mapping(
    file: Annotated[
        Path | None, typer.Argument(help="Records: JSON, CSV or Parquet; default: the newest records of the topic.")
    ] = None,
    topic: Annotated[
        str | None,
        typer.Option("--topic", help="Topic, or name, of the mapping to try; needed when the settings have several."),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option("--preset", help="Try a preset or a mapping file (NAME.toml) instead of one of the settings."),
    ] = None,
    count: Annotated[
        int, typer.Option("--count", min=1, max=100_000, help="Number of records of the topic to try.")
    ] = 20,
    encoding: Encoding = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output, for scripts.")] = False,
    config: Annotated[Path | None, typer.Option("--config", help="TOML file with settings.")] = None,
) -> None:
    """Try a mapping of the settings, or a preset, on records of another shape, and show what each becomes.

    Sends nothing.
    """
    from streaming.consumer import of_file, of_topic

    settings = load_settings(config, os.environ)
    name, mapping, source = _chosen(settings, topic, preset)
    if file is None and source is None:
        raise typer.BadParameter("name a file with records, or with --topic the topic that has them", param_hint="FILE")
    try:
        samples = of_file(file, time.time(), encoding) if file is not None else of_topic(settings, str(source), count)
    except FileError as error:
        raise typer.BadParameter(str(error), param_hint="FILE") from None
    except KafkaTrouble as trouble:
        broken(trouble)
    report = examine(settings, name, samples, mapping)
    typer.echo(json.dumps(report, ensure_ascii=False)) if as_json else _show(report)
    raise typer.Exit(SOME_REFUSED if report["refused"] else DONE)


def _chosen(settings: Settings, topic: str | None, preset: str | None) -> tuple[str, EventMapping, str | None]:
    """The mapping, what to call it, and the topic to read, if there is one."""
    if preset is not None:
        try:
            return preset, event_mapping(mapping_named(preset), settings.events.rules()), topic
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--preset") from None
    known = {each.called: each for each in settings.mapping}
    if not known:
        raise typer.BadParameter(
            "the settings have no mapping: docs/mapping.md shows one, and --preset NAME needs none",
            param_hint="--config",
        )
    if topic is None and len(known) == 1:
        topic = next(iter(known))
    found = next((each for each in settings.mapping if topic in {each.topic, each.called}), None)
    if found is None:
        advice = "name one" if topic is None else f"there is none of {topic!r}"
        raise typer.BadParameter(f"{advice}: there are mappings of {', '.join(known)}", param_hint="--topic")
    return found.called, found.rules(settings.events.rules()), found.topic


def examine(
    settings: Settings, name: str, samples: list[Sample], mapping: EventMapping | None = None
) -> dict[str, Any]:
    """What each record becomes by a mapping, by default that of the settings with this name; counts by outcome."""
    mapping = mapping or settings.mapping_called(name)
    return tried(name, mapping, samples, time.time() + settings.admission.max_future)


def _show(report: dict[str, Any]) -> None:
    typer.echo(report["report"])
    for record in report["records"]:
        if "event" in record:
            word, text = typer.style("event  ", fg="green"), json.dumps(record["event"], ensure_ascii=False)
            text += f"; of its item: {json.dumps(record['facts'], ensure_ascii=False)}" if "facts" in record else ""
            text += f" without {', '.join(record['left_out'])}" if "left_out" in record else ""
        elif "refusal" in record:
            refusal = record["refusal"]
            word = typer.style("refused", fg="red")
            text = f"{refusal['reason']} at {refusal['path']}: expected {refusal['expected']}, found {refusal['found']}"
        else:
            word, text = typer.style("ignored", fg="bright_black"), record.get("skipped", "its type is mapped to none")
        typer.echo(f"{word}  {record['at']}: {text}")
    if report["unread"]:
        typer.echo(
            f"not read here: {', '.join(report['unread'])}: events say no such facts; send item facts (docs/events.md)"
        )
    typer.echo(
        f"{report['topic']}: {report['events']} events, {report['ignored']} ignored, {report['refused']} refused"
    )
    if not report["records"]:
        typer.echo("there was no record to try it on", err=True)


__all__ = ["check_mapping", "examine", "register"]
