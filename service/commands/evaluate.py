"""`sluicegate evaluate FILE`: measures what the recommender and its rivals would have reached on a log.

Exit codes: 0 evaluated; 1 nothing in the log could be evaluated; 2 the options or the file are wrong; 130 Ctrl-C.
"""

from __future__ import annotations

import json
import os
import time
from functools import partial
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
    pairs,
    types_of,
)
from service.cli.errors import broken
from service.cli.log_file import stream_of
from service.cli.progress_bar import Show, progress
from streaming.files import FileError, Layout, as_document, report
from streaming.settings import Settings, load_settings

if TYPE_CHECKING:
    from models.evaluation import Maker
    from streaming.jobs.evaluation_log import Reading

HELP: Final = (
    "Contenders: builtin (every single source, the factorization machine, the rankers and the served order), river "
    "(FMRegressor, BiasedMF, LinearRegression), sessions (nearest neighbours), vw (Vowpal Wabbit), batch (implicit's "
    "ALS and BPR, fitted again each hour and day) and sequences (SASRec and GRU4Rec, fitted again at each tenth). The "
    "last three run when their packages are installed: pip install 'sluicegate\\[compare]'. A hundred thousand events "
    "take about a minute with the built-in contenders, as long again with River's, and minutes with a network.\n\n"
    "Example: sluicegate evaluate ratings.csv.gz --map rating=click --min-rating 4 --items movies.csv.gz"
)


def register(app: typer.Typer) -> None:
    """Add `sluicegate evaluate`."""
    app.command("evaluate", epilog=HELP)(evaluate)


def evaluate(
    file: Annotated[
        Path, typer.Argument(help="CSV, JSON or Parquet, plain or compressed; one event a row, in any order.")
    ],
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
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Read at most this many events.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what was read, and evaluate nothing.")] = False,
    k: Annotated[int, typer.Option("--k", min=1, help="Length of the lists: ranks up to this one are hits.")] = 20,
    every: Annotated[
        int | None,
        typer.Option(
            "--every",
            min=0,
            help="Evaluate every n-th position; 0: as a live learner does. [default: about 4,000 in all]",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", min=0, help="Seed of models, negatives and intervals. [default: the setting]"),
    ] = None,
    contenders: Annotated[
        list[str] | None,
        typer.Option(
            "--contenders", help="Names or groups to run besides the built-in ones, separated by commas. [default: all]"
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON on standard output.")] = False,
    config: Annotated[Path | None, typer.Option("--config", help="TOML file with settings.")] = None,
) -> None:
    """Replay a log, test every contender on each event before it is learned, and report which one ranked best."""
    from models.evaluation import DEEPEST, Plan, UnknownContenderError, chosen

    if k > DEEPEST:
        raise typer.BadParameter(
            f"{k}: at most {DEEPEST}, because single sources are ranked no deeper", param_hint="--k"
        )
    settings = load_settings(config, os.environ)
    types = types_of(type_map, settings)
    layout = Layout(pairs(column, "--column"), types, default_type, min_rating, dislike_rating, time_format)
    layout = layout_of(layout, preset, zone, decimal, encoding, hash_ids)
    plan = Plan(k, every, settings.recommender.seed if seed is None else seed)
    names = [name for word in contenders or [] for name in word.split(",") if name]
    try:
        rivals, absent = chosen(names)
    except UnknownContenderError as error:
        raise typer.BadParameter(str(error), param_hint="--contenders") from None
    with progress(file.name) as show:
        try:
            tick = partial(show, "reading")
            reading = stream_of(file, items, layout, settings, limit, tick, dry_run=dry_run)
        except FileError as error:
            raise typer.BadParameter(str(error), param_hint="FILE") from None
        _print_reading(reading, layout, as_json=as_json)
        if dry_run:
            if as_json:
                typer.echo(json.dumps({"file": _document(reading, layout)}))
            return
        result = _evaluate(reading, plan, rivals, settings, show)
    result["not_run"] |= absent
    result["file"] = _document(reading, layout)
    _print(result, as_json=as_json)


def _evaluate(reading: Reading, plan: Any, rivals: dict[str, Maker], settings: Settings, show: Show) -> dict[str, Any]:
    from models import evaluation
    from models.warmup import warm
    from streaming.intake import recommender_settings

    show("preparing", 0.0)
    warm()
    count = len(reading.stream.events)
    began = time.monotonic()
    try:
        result = evaluation.evaluate(
            reading.stream,
            plan,
            time.perf_counter,
            rivals,
            recommender_settings(settings),
            lambda who, done: show(who, done / count),
        )
    except evaluation.NothingEvaluatedError as error:
        broken(error)
    return result | {"seconds": round(time.monotonic() - began, 1)}


def _document(reading: Reading, layout: Layout) -> dict[str, Any]:
    counts = {"passed": reading.passed, "refused": reading.refused, "duplicates": reading.duplicates}
    return as_document(reading.survey, layout) | {"name": reading.file} | counts


def _print_reading(reading: Reading, layout: Layout, *, as_json: bool) -> None:
    if not as_json:
        typer.echo(report(reading.survey, layout))
    for line, reason in reading.refusals[:5]:
        typer.echo(f"{reading.file}:{line}: {reason}", err=True)
    if reading.refused > 5:
        typer.echo(f"... and {reading.refused - 5:,} more lines", err=True)


def _print(result: dict[str, Any], *, as_json: bool) -> None:
    from service.cli.evaluation_table import text

    typer.echo(json.dumps(result) if as_json else text(result))
