"""In: the words of an option about a file. Out: what they mean, or a line that says how to write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from streaming.files import NO_TYPE, read_items

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from models.items import ItemFacts
    from streaming.settings import Settings


def pairs(words: list[str] | None, option: str) -> dict[str, str]:
    """NAME=VALUE, repeated. Raises BadParameter."""
    found = {}
    for word in words or []:
        name, equals, value = word.partition("=")
        if not (name and equals and value):
            raise typer.BadParameter(f"{word!r} is not NAME=VALUE", param_hint=option)
        found[name] = value
    return found


def types_of(words: list[str] | None, settings: Settings) -> dict[str, str]:
    """The file's event types and ours, or NO_TYPE for rows to pass over. Raises BadParameter."""
    types = pairs(words, "--map")
    known = settings.events.rules().kinds
    for ours in types.values():
        if ours not in known and ours != NO_TYPE:
            offered = ", ".join([*known, f"and {NO_TYPE} to pass rows over"])
            raise typer.BadParameter(f"{ours!r} is not an event type: {offered}", param_hint="--map")
    return types


def facts_of(path: Path | None, columns: Mapping[str, str] | None = None) -> dict[str, ItemFacts]:
    """Facts by item of a file about items; lines that cannot be used are told on standard error. Raises FileError."""
    if path is None:
        return {}
    facts, refused = read_items(path, columns)
    for line, reason in refused[:5]:
        typer.echo(f"{path}:{line}: {reason}", err=True)
    if refused:
        typer.echo(f"{path}: {len(refused)} lines about items cannot be used", err=True)
    return facts
