"""What a mapping does to values: the transforms that it declares, and lists and objects in text. Stage 1."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from models.records.foreign_values import hashed, text_of

NUMBERS: Final = frozenset({"price", "quantity", "rating"})
IDS: Final = frozenset({"user_id", "item_id", "event_id", "session_id", "request_id"})


def tags_of(value: object) -> object:
    """A list of tags from text with bars between them, or with a list in JSON."""
    if isinstance(value, str) and isinstance(listed := nested(value), list):
        return listed
    if isinstance(value, str):
        return [tag.strip() for tag in value.split("|") if tag.strip()] or None
    return value


def nested(value: object) -> object:
    """What JSON in a text says; the text itself where it is none."""
    if not isinstance(value, str):
        return value
    if text_of(value) is None:
        return None
    try:
        return msgspec.json.decode(value)
    except (msgspec.MsgspecError, RecursionError):
        return value


def chained(first: Callable[[Any], object], steps: Sequence[Callable[[object], object]]) -> Callable[[Any], object]:
    """One conversion after another."""
    if not steps:
        return first

    def convert(value: Any) -> object:
        found = first(value)
        for step in steps:
            found = step(found)
        return found

    return convert


def _split(value: object, separator: str) -> object:
    """Tags that a text, or each text of a list, holds between separators."""
    if not isinstance(value, list):
        return value
    found = [tag.strip() for text in value for tag in (text.split(separator) if isinstance(text, str) else [text])]
    return [tag for tag in found if tag] or None


def transform(field: str, text: str, key: bytes | None) -> str | Callable[[object], object]:
    """What a transform does; the separator of "decimal ,". Raises ValueError."""
    name, _, argument = text.partition(" ")
    if name == "decimal" and argument in {",", "."} and field in NUMBERS:
        return argument
    if name == "strip" and not argument:
        return lambda value: value  # done to every value, said or not
    if name == "lower" and not argument:
        return lambda value: value.lower() if isinstance(value, str) else value
    if name == "split" and argument and field == "tags":
        return lambda value: _split(value, argument)
    if name == "not" and not argument and field == "available":
        return lambda value: not value if isinstance(value, bool) else value
    if name == "hash" and not argument and field in IDS:
        if not key:
            raise ValueError(f"transforms.{field}: hash needs a key, so that nobody can try all addresses")
        return hashed(key)
    if name == "divide" and field in NUMBERS:
        try:
            divisor = float(argument)
        except ValueError:
            divisor = 0.0
        if divisor:
            return lambda value: value / divisor if isinstance(value, int | float) else value
    raise ValueError(
        f"transforms.{field}: {text!r} is none; there are strip, lower, hash (of ids), decimal , and decimal . and "
        "divide NUMBER (of numbers), split , (of tags) and not (of available)"
    )
