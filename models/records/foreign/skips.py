"""A value of a foreign record in; whether the record is no event for it, as a cancelled order is none, out. Stage 1."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from models.records.foreign.paths import MISSING, Line, Path
from models.records.foreign.values import id_of, is_empty, number_of

ANY: Final = "*"
"""Among the values: every value but one that says no: none at all, an empty list, false, zero, and the same in text."""

_NO: Final = frozenset({"false", "no", "0000-00-00", "0000-00-00 00:00:00", "0000-00-00t00:00:00z"})
"""Words of fields such as `cancelled_at` and `refunded` that say no. The zeros are MySQL's date of nothing."""


class Skip:
    """One field of a foreign record, and the values with which the record is no event.

    Args:
        text: Its path.
        values: The values, in any case; ANY for every one.

    Raises:
        ValueError: The path cannot be read, or a value stands for nothing; the message speaks of the settings.

    >>> status, cancelled = Skip("status", ["refunded"]), Skip("cancelled_at", [ANY])
    >>> status.why("Refunded "), cancelled.why("2026-01-02T10:00:00Z")
    ('status is refunded', 'cancelled_at has a value')
    >>> status.why("paid"), cancelled.why(None), cancelled.why("NULL"), cancelled.why(False), cancelled.why("0.00")
    ('', '', '', '', '')
    >>> Skip("test", ["false"]).why(False)
    'test is false'
    """

    def __init__(self, text: str, values: Iterable[str]) -> None:
        try:
            self.path = Path(text)
        except ValueError as error:
            raise ValueError(f"skip: {error}") from None
        self._text, self._values = text, frozenset(value.strip().casefold() for value in values)
        if any(map(is_empty, self._values)):
            raise ValueError(f"skip: {text!r} names an empty value: name what it says, or {ANY} for any value")

    def why(self, value: object) -> str:
        """Why a record with this value is no event, "" for one that may be."""
        if is_empty(value) or (isinstance(value, list | dict) and not value):
            return ""
        word = _word(value)
        if word in self._values:
            return f"{self._text} is {word}"
        return f"{self._text} has a value" if ANY in self._values and not _says_no(value, word) else ""


def skips_of(said: Mapping[str, Iterable[str]], lists: tuple[str, ...]) -> tuple[Skip, ...]:
    """The fields that a mapping looks at. Raises ValueError.

    Args:
        said: Values by path.
        lists: The lists whose members become events. A path may go through these and no other: which member of
            another list would count?
    """
    found = tuple(Skip(text, values) for text, values in said.items())
    for text, skip in zip(said, found, strict=True):
        if skip.path.lists != lists[: len(skip.path.lists)]:
            raise ValueError(f"skip: {text!r} goes through a list that no field goes through: name a place, as in [0]")
    return found


def why_skipped(skips: Iterable[Skip], document: Any, line: Line) -> str:
    """Why a line of a record is no event, "" for one that may be."""
    for skip in skips:
        value = skip.path.find(document, line)
        if value is not MISSING and (why := skip.why(value)):
            return why
    return ""


def _says_no(value: object, word: str) -> bool:
    return value == 0 or word in _NO or number_of(word) == 0


def _word(value: object) -> str:
    """A value as it is compared: text in small letters, whole numbers without `.0`; "" for what is no single value."""
    if isinstance(value, bool):
        return str(value).casefold()
    found = id_of(value)
    return found.casefold() if isinstance(found, str) else ""


__all__ = ["ANY", "Skip", "skips_of", "why_skipped"]
