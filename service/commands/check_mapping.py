"""`sluicegate check-mapping`: tries a mapping of the settings on records, and shows what each becomes. Sends nothing.

Exit codes: 0 every record becomes an event or is left out; 1 some are refused, or Kafka is away; 2 the options,
the file or the settings are wrong.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from service.cli.errors import broken
from streaming.files import FileError, Layout, Survey, as_document
from streaming.files import report as report_of
from streaming.kafka import KafkaTrouble
from streaming.settings import Settings, load_settings

if TYPE_CHECKING:
    from streaming.consumer import Sample

HELP: Final = (
    "docs/mapping.md says what a mapping holds.\n\n"
    "Examples:\n\n"
    "sluicegate check-mapping sample.ndjson --config shop.toml\n\n"
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
        str | None, typer.Option("--topic", help="Topic whose mapping to try; needed when there are several.")
    ] = None,
    count: Annotated[
        int, typer.Option("--count", min=1, max=100_000, help="Number of records of the topic to try.")
    ] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output, for scripts.")] = False,
    config: Annotated[Path | None, typer.Option("--config", help="TOML file with settings.")] = None,
) -> None:
    """Try a mapping of the settings on records of another shape, and show what each becomes. Sends nothing."""
    from streaming.consumer import of_file, of_topic

    settings = load_settings(config, os.environ)
    chosen = _chosen(settings, topic)
    try:
        samples = of_file(file, time.time()) if file is not None else of_topic(settings, chosen, count)
    except FileError as error:
        raise typer.BadParameter(str(error), param_hint="FILE") from None
    except KafkaTrouble as trouble:
        broken(trouble)
    report = examine(settings, chosen, samples)
    typer.echo(json.dumps(report, ensure_ascii=False)) if as_json else _show(report)
    raise typer.Exit(1 if report["refused"] else 0)


def _chosen(settings: Settings, topic: str | None) -> str:
    known = [each.topic for each in settings.mapping]
    if not known:
        raise typer.BadParameter("the settings have no mapping: docs/mapping.md shows one", param_hint="--config")
    if topic is None and len(known) == 1:
        return known[0]
    if topic not in known:
        advice = "name one" if topic is None else f"there is none of {topic!r}"
        raise typer.BadParameter(f"{advice}: there are mappings of {', '.join(known)}", param_hint="--topic")
    return topic


def examine(settings: Settings, topic: str, samples: list[Sample]) -> dict[str, Any]:
    """What each record becomes, and how many there are of each outcome."""
    mapping = settings.mappings()[topic]
    survey = Survey(topic, "records of a topic", {field: mapping.place(field) for field in mapping.paths})
    ahead = time.time() + settings.admission.max_future
    records = []
    for number, sample in enumerate(samples, 1):
        left_out: Counter[str] = Counter()
        answer = mapping.event(sample.value, sample.key, sample.timestamp, left_out)
        survey.see(number, answer, ahead)
        for field in left_out:
            survey.leave_out(field, number, mapping.place(field))
        records.append(_result(sample, answer, left_out))
    counted = {name: sum(name in each for each in records) for name in ("event", "refusal")}
    return {
        "report": report_of(survey, Layout(preset=topic)),
        "file_report": as_document(survey, Layout(preset=topic)),
        "topic": topic,
        "events": counted["event"],
        "ignored": len(records) - sum(counted.values()),
        "refused": counted["refusal"],
        "records": records,
    }


def _result(sample: Sample, answer: Any, left_out: Iterable[str] = ()) -> dict[str, Any]:
    from models.records import Event, Rejection, encode

    if isinstance(answer, Event):
        found = {"at": sample.place, "event": json.loads(encode(answer))}
        return found | {"left_out": list(left_out)} if left_out else found
    if isinstance(answer, Rejection):
        fields = ("reason", "path", "expected", "found")
        return {"at": sample.place, "refusal": {name: getattr(answer, name) for name in fields}}
    return {"at": sample.place}


def _show(report: dict[str, Any]) -> None:
    typer.echo(report["report"])
    for record in report["records"]:
        if "event" in record:
            word, text = typer.style("event  ", fg="green"), json.dumps(record["event"], ensure_ascii=False)
            text += f" without {', '.join(record['left_out'])}" if "left_out" in record else ""
        elif "refusal" in record:
            refusal = record["refusal"]
            word = typer.style("refused", fg="red")
            text = f"{refusal['reason']} at {refusal['path']}: expected {refusal['expected']}, found {refusal['found']}"
        else:
            word, text = typer.style("ignored", fg="bright_black"), "its type is mapped to none"
        typer.echo(f"{word}  {record['at']}: {text}")
    typer.echo(
        f"{report['topic']}: {report['events']} events, {report['ignored']} ignored, {report['refused']} refused"
    )
    if not report["records"]:
        typer.echo("there was no record to try it on", err=True)


__all__ = ["check_mapping", "examine", "register"]
