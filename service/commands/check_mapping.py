"""`sluicegate check-mapping`: tries a mapping of the settings on records, and shows what each becomes. Sends nothing.

Exit codes: 0 every record becomes an event or is left out; 1 Kafka is away; 2 the options, the file or the settings
are wrong; 3 some records are refused.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

import typer
from msgspec import structs

from service.cli.arguments import Encoding, HashIds, hash_key_of
from service.cli.errors import broken
from service.cli.exit_codes import DONE, SOME_REFUSED
from streaming.files import FileError, Layout, RowFile, SampleRows, on_mapping, surveyed, tried
from streaming.kafka import KafkaTrouble
from streaming.mappings import MappingFile, mapping_named
from streaming.settings import Settings, event_mapping, load_settings

if TYPE_CHECKING:
    from streaming.files import Sample

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
    hash_ids: HashIds = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output, for scripts.")] = False,
    config: Annotated[Path | None, typer.Option("--config", help="TOML file with settings.")] = None,
) -> None:
    """Try a mapping of the settings, or a preset, on records of another shape, and show what each becomes.

    Sends nothing.
    """
    from streaming.consumer import of_file, of_topic

    settings = load_settings(config, os.environ)
    chosen = choose(settings, topic, preset, hash_key_of(hash_ids), file)
    if file is None and chosen.topic is None:
        raise typer.BadParameter("name a file with records, or with --topic the topic that has them", param_hint="FILE")
    try:
        if file is None:
            report = examine(settings, chosen, of_topic(settings, str(chosen.topic), count))
        else:
            samples = of_file(file, time.time(), encoding, chosen.how.fill)
            report = examine(settings, chosen, samples, file, encoding, as_file=preset is not None)
    except FileError as error:
        raise typer.BadParameter(str(error), param_hint="FILE") from None
    except KafkaTrouble as trouble:
        broken(trouble)
    typer.echo(json.dumps(report, ensure_ascii=False)) if as_json else _show(report)
    raise typer.Exit(SOME_REFUSED if report["refused"] else DONE)


class Chosen(NamedTuple):
    """A mapping: what to call it, what it says, its key for hashes, and the topic that it reads, if there is one."""

    name: str
    how: MappingFile
    key: str
    topic: str | None


def _one_by_one(how: MappingFile, file: Path | None) -> MappingFile:
    """The mapping for records one by one. Rows of a file are filled before."""
    return how if file is None else structs.replace(how, fill={})


def choose(
    settings: Settings, topic: str | None, preset: str | None, key: str = "", file: Path | None = None
) -> Chosen:
    """The mapping that the options name. Raises BadParameter.

    Args:
        settings: Have mappings.
        topic: The topic or name of one of them.
        preset: A preset or a mapping file instead.
        key: The key of a preset or a mapping file for hashes.
        file: The file that it is tried on, if there is one.
    """
    if preset is not None:
        try:
            how = mapping_named(preset)
            event_mapping(_one_by_one(how, file), settings.events.rules(), key.encode() or None)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--preset") from None
        return Chosen(preset, how, key, topic)
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
    return Chosen(found.called, found.how, found.hash_key, found.topic)


def examine(
    settings: Settings,
    chosen: Chosen,
    samples: list[Sample],
    file: Path | None = None,
    encoding: str | None = None,
    *,
    as_file: bool = False,
) -> dict[str, Any]:
    """The report on records, what each becomes by a mapping, and counts by outcome.

    Args:
        settings: What an event may be.
        chosen: The mapping.
        samples: The records.
        file: The file that they are in.
        encoding: Its encoding.
        as_file: Whether the report is on the file as `send` reads it; otherwise on records of a topic.

    Raises:
        FileError: The file or the mapping cannot be used.
    """
    rules, ahead = settings.events.rules(), time.time() + settings.admission.max_future
    mapping = event_mapping(_one_by_one(chosen.how, file), rules, chosen.key.encode() or None)
    layout = on_mapping(Layout(encoding=encoding, hash_key=chosen.key), chosen.how, chosen.name)
    if file is None:
        rows = SampleRows(chosen.name, "records of a topic", samples, mapping)
        survey = surveyed(rows, layout, rules, ahead, one_by_one=True)
    else:
        with RowFile(file, encoding) as opened:
            rows = SampleRows(str(file), opened.form, samples, mapping, from_file=True)
            survey = surveyed(opened if as_file else rows, layout, rules, ahead, one_by_one=not as_file)
    return tried(chosen.name, mapping, layout, survey, samples)


def _show(report: dict[str, Any]) -> None:
    typer.echo(report["report"])
    if report["records"]:
        typer.echo("as a record of a topic or a request, each becomes:")
    for record in report["records"]:
        if "event" in record:
            word, text = typer.style("event  ", fg="green"), json.dumps(record["event"], ensure_ascii=False)
            text += f"; of its item: {json.dumps(record['facts'], ensure_ascii=False)}" if "facts" in record else ""
            text += f" without {', '.join(record['left_out'])}" if "left_out" in record else ""
        elif "refusal" in record:
            word, text = typer.style("refused", fg="red"), record["refusal"]["text"]
        else:
            word, text = typer.style("ignored", fg="bright_black"), record["skipped"]
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


__all__ = ["Chosen", "check_mapping", "choose", "examine", "register"]
