"""`sluicegate replay`: shows what the gate would have served and decided under another policy, over past events.

Exit codes: 0 compared; 1 Kafka or Redis is away, or nothing could be compared; 2 the options or a file are
wrong; 130 Ctrl-C.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

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
    moment_of,
    pairs,
    types_of,
)
from service.cli.errors import broken
from service.cli.log_file import stream_of
from service.cli.progress_bar import Show, progress
from streaming.files import FileError, Layout, report
from streaming.settings import Settings, load_settings

if TYPE_CHECKING:
    from models.replay import Replay

IN_FORCE, TRIED = "in force", "tried"

HELP: Final = (
    "The policy file is TOML: mode and any number of the policy (GET /gate shows them all); what it does not name "
    "stays as it is in force. Past events are read from the topics, oldest first, without a consumer group, and "
    "nothing is written; with --file they are read from a log, as sluicegate evaluate reads it, with its flags.\n\n"
    "Examples:\n\n"
    "printf 'mode = \"strict\"\\nmargin = 0.01\\n' > careful.toml\n\n"
    "sluicegate replay --policy careful.toml --since 2026-03-01\n\n"
    "sluicegate replay --policy careful.toml --file ratings.csv.gz --map rating=click --min-rating 4"
)


class NothingComparedError(Exception):
    """No version was decided upon."""


def register(app: typer.Typer) -> None:
    """Add `sluicegate replay`."""
    app.command("replay", epilog=HELP)(replay)


def replay(
    policy: Annotated[Path, typer.Option("--policy", help="TOML file with the mode and policy to try.")],
    since: Annotated[
        str | None,
        typer.Option(
            "--since", help="Compare from this time on (UTC, as 2026-03-01T12:00); earlier events are only learned."
        ),
    ] = None,
    until: Annotated[str | None, typer.Option("--until", help="Read no record after this time.")] = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="A log instead of the topics: CSV, JSON or Parquet, in any order.")
    ] = None,
    items: Items = None,
    column: Column = None,
    type_map: TypeMap = None,
    default_type: DefaultType = None,
    time_format: TimeFormat = "auto",
    zone: Zone = None,
    decimal: Decimal = None,
    encoding: Encoding = None,
    preset: PresetName = None,
    hash_ids: HashIds = None,
    min_rating: MinRating = None,
    dislike_rating: DislikeRating = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="With --file: at most this many events.")] = None,
    step: Annotated[int, typer.Option("--step", min=1, help="Fewest events between two versions.")] = 200,
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON on standard output.")] = False,
    config: Annotated[Path | None, typer.Option("--config", help="TOML file with the settings in force.")] = None,
) -> None:
    """Replay past events under another gate policy: what it would have served and decided, and where it differs."""
    settings = load_settings(config, os.environ)
    began, ended = moment_of(since, "--since", 0.0), moment_of(until, "--until", float("inf"))
    only_file = {
        "--items": items,
        "--column": column,
        "--map": type_map,
        "--type": default_type,
        "--time": None if time_format == "auto" else time_format,
        "--zone": zone,
        "--decimal": decimal,
        "--encoding": encoding,
        "--preset": preset,
        "--hash-ids": hash_ids,
        "--min-rating": min_rating,
        "--dislike-rating": dislike_rating,
        "--limit": limit,
    }
    if file is None and (wrong := next((name for name, value in only_file.items() if value is not None), None)):
        raise typer.BadParameter("only with --file: records of a topic need no such option", param_hint=wrong)
    types = types_of(type_map, settings)
    layout = Layout(pairs(column, "--column"), types, default_type, min_rating, dislike_rating, time_format)
    layout = layout_of(layout, preset, zone, decimal, encoding, hash_ids)
    replayed = _replayed(settings, policy, began, step)
    started = time.monotonic()
    with progress(file.name if file is not None else "replay") as show:
        show("preparing", 0.0)
        source = (
            _of_topics(settings, replayed, ended, show)
            if file is None
            else _of_file(settings, replayed, file, items, layout, limit, ended, show)
        )
    _print(replayed, source | {"seconds": round(time.monotonic() - started, 1)}, as_json=as_json)


def _replayed(settings: Settings, policy: Path, since: float, step: int) -> Replay:
    from models.replay import Pace, Replay
    from service.replay import BadPolicy, CanaryExaminer, read_rule, rule_in_force
    from streaming.intake import recommender_settings

    base = rule_in_force(settings)
    try:
        rules = {IN_FORCE: base, TRIED: read_rule(policy, base)}
    except (BadPolicy, OSError) as error:
        raise typer.BadParameter(str(error), param_hint="--policy") from error
    return Replay(
        rules,
        CanaryExaminer(),
        recommender_settings(settings),
        settings.recommender.seed,
        since,
        Pace(settings.learner.version_interval, step),
    )


def _of_topics(settings: Settings, replayed: Replay, until: float, show: Show) -> dict[str, Any]:
    from models.warmup import warm
    from streaming.intake import TextModelMissing
    from streaming.jobs.replay import replay_topics
    from streaming.kafka import KafkaTrouble
    from streaming.store import StoreUnavailable

    warm()
    try:
        return replay_topics(settings, replayed, until, lambda share: show("replaying", share))
    except (KafkaTrouble, StoreUnavailable, TextModelMissing, OSError) as error:
        broken(error)


def _of_file(
    settings: Settings,
    replayed: Replay,
    file: Path,
    items: Path | None,
    layout: Layout,
    limit: int | None,
    until: float,
    show: Show,
) -> dict[str, Any]:
    from models.warmup import warm
    from streaming.jobs.replay import replay_stream

    try:
        reading = stream_of(file, items, layout, settings, limit, lambda share: show("reading", share))
    except FileError as error:
        raise typer.BadParameter(str(error), param_hint="--file") from None
    typer.echo(report(reading.survey, layout), err=True)
    warm()
    replay_stream(reading.stream, replayed, until, lambda share: show("replaying", share))
    return {"file": str(file), "refused": reading.refused, "passed": reading.passed}


def _print(replayed: Replay, source: dict[str, Any], *, as_json: bool) -> None:
    from models.replay.report import report as report_of
    from service.replay import text

    if not replayed.versions:
        broken(
            NothingComparedError(
                f"nothing could be compared: {replayed.events:,} events were read, too few for a version after the "
                "first; read a longer stretch, or lower --step"
            )
        )
    result = report_of(replayed) | {"source": source}
    typer.echo(json.dumps(result) if as_json else text(result))
