"""Parses options that describe a file; an error says how to write them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from streaming.files import NO_TYPE, read_items

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

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


def facts_of(path: Path | None, columns: Mapping[str, str] | None = None) -> dict[str, ItemFacts]:
    """Facts by item, from a file about items. Reports unusable lines on standard error. Raises FileError."""
    if path is None:
        return {}
    facts, refused = read_items(path, columns)
    for line, reason in refused[:5]:
        typer.echo(f"{path}:{line}: {reason}", err=True)
    if refused:
        typer.echo(f"{path}: {len(refused)} lines about items cannot be used", err=True)
    return facts
