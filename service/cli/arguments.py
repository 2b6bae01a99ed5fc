"""Parses options that describe a file; an error says how to write them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec import structs

from streaming.files import NO_TYPE, FileError, Layout, Survey, items_advice, read_items, with_preset
from streaming.mappings import HashKeyError, hash_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from models.records import ItemFacts
    from streaming.settings import Settings


def pairs(words: list[str] | None, option: str) -> dict[str, str]:
    """Parse NAME=VALUE, repeated. Raises BadParameter."""
    found = {}
    for word in words or []:
        name, equals, value = word.partition("=")
        if not (name and equals and value):
            raise typer.BadParameter(f"{word!r} is not NAME=VALUE", param_hint=option)
        found[name] = value
    return found


def moment_of(word: str | None, option: str, otherwise: float) -> float:
    """Epoch seconds of an ISO 8601 time, UTC if it names no zone; `otherwise` for None. Raises BadParameter.

    >>> moment_of("1970-01-02", "--since", 0.0), moment_of(None, "--since", 5.0)
    (86400.0, 5.0)
    """
    if word is None:
        return otherwise
    try:
        found = datetime.fromisoformat(word)
    except ValueError:
        raise typer.BadParameter(
            f"{word!r} is not a time: write 2026-03-01 or 2026-03-01T12:00", param_hint=option
        ) from None
    return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp()


def types_of(words: list[str] | None, settings: Settings) -> dict[str, str]:
    """Our event type for each of the file's, or NO_TYPE for rows to leave out. Raises BadParameter."""
    types = pairs(words, "--map")
    known = settings.events.rules().kinds
    for ours in types.values():
        if ours not in known and ours != NO_TYPE:
            offered = ", ".join([*known, f"and {NO_TYPE} to leave rows out"])
            raise typer.BadParameter(f"{ours!r} is not an event type: {offered}", param_hint="--map")
    return types


def facts_of(
    path: Path | None, columns: Mapping[str, str] | None = None, layout: Layout | None = None
) -> dict[str, ItemFacts]:
    """Facts by item, from a file about items. Reports what cannot be used on standard error. Raises FileError."""
    if path is None:
        return {}
    survey = Survey(str(path))
    facts, refused = read_items(path, columns, layout, survey)
    for line, reason in refused[:5]:
        typer.echo(f"{path}:{line}: {reason}", err=True)
    if survey.refused:
        typer.echo(f"{path}: {survey.refused} lines about items cannot be used", err=True)
    for name, count in survey.left_out.items():
        line, found = survey.examples[name]
        typer.echo(f"{path}: left out: {name} of {count:,} items, first at line {line}: {found[:60]!r}", err=True)
    for text in items_advice(survey, layout or Layout()):
        typer.echo(f"{path}: {text}", err=True)
    return facts


OTHERS = "*"
"""In place of a type of the file, with --map: every type that is neither named nor one of ours."""

Column = Annotated[
    list[str] | None, typer.Option("--column", help="NAME=FIELD: the file's column NAME is our FIELD. Repeatable.")
]
TypeMap = Annotated[
    list[str] | None,
    typer.Option("--map", help="TYPE=TYPE: the file's event type is ours, or none; *=none for all others. Repeatable."),
]
DefaultType = Annotated[str | None, typer.Option("--type", help="Event type of rows that name none, e.g. purchase.")]
Items = Annotated[Path | None, typer.Option("--items", help="File with facts about items; column item_id.")]
TimeFormat = Annotated[
    str, typer.Option("--time", help="What times are: seconds, milliseconds, ..., or a format as '%d.%m.%Y %H:%M'.")
]
MinRating = Annotated[float | None, typer.Option("--min-rating", help="Leave out rows whose rating is lower.")]
DislikeRating = Annotated[
    float | None, typer.Option("--dislike-rating", help="Rows with this rating or a lower one are dislikes.")
]
Zone = Annotated[str | None, typer.Option("--zone", help="Zone of times that name none, e.g. Europe/Berlin or UTC.")]
Decimal = Annotated[
    str | None, typer.Option("--decimal", help="Decimal separator of numbers, , or . [default: what the file shows]")
]
Encoding = Annotated[
    str | None, typer.Option("--encoding", help="Encoding, e.g. cp1252. [default: UTF-8, or what a mark says]")
]
HashIds = Annotated[
    Path | None,
    typer.Option("--hash-ids", help="File with a secret key: users and sessions become keyed hashes of their ids."),
]
PresetName = Annotated[
    str | None,
    typer.Option("--preset", help="Layout of a system's exports, e.g. ga4, or a mapping file, NAME.toml."),
]


def hash_key_of(file: Path | None) -> str:
    """The key in a file, "" for no file. Raises BadParameter."""
    try:
        return hash_key(file) if file is not None else ""
    except HashKeyError as error:
        raise typer.BadParameter(str(error), param_hint="--hash-ids") from None


def layout_of(
    base: Layout,
    preset: str | None,
    zone: str | None,
    decimal: str | None,
    encoding: str | None,
    hash_ids: Path | None = None,
) -> Layout:
    """The layout with the options that every command about a file has. Raises BadParameter."""
    key = hash_key_of(hash_ids)
    if decimal not in {None, ",", "."}:
        raise typer.BadParameter(f"{decimal!r}: the separator is , or .", param_hint="--decimal")
    types = {word: ours for word, ours in base.types.items() if word != OTHERS}
    layout = structs.replace(
        base,
        types=types,
        flagged=tuple(types),
        unknown_type=base.types.get(OTHERS),
        zone=zone,
        decimal=decimal,
        encoding=encoding,
        hash_key=key,
    )
    try:
        return layout if preset is None else with_preset(layout, preset)
    except FileError as error:
        raise typer.BadParameter(str(error), param_hint="--preset") from None
