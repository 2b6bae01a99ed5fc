"""Transforms values as a mapping says: words of types, its declared transforms, JSON in text. Stage 1."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from models.records.events import EventRules
from models.records.foreign.values import hashed, text_of

NUMBERS: Final = frozenset({"price", "quantity", "rating"})
IDS: Final = frozenset({"user_id", "item_id", "event_id", "session_id", "request_id"})

NO_EVENT: Final = "none"
"""In place of a type: records with this word are skipped."""

NOTHING: Final = "@nothing"
"""In place of a word: records without a value, or with nothing at the path of the type, as a delete in a change stream
has. It can be mapped to NO_EVENT only."""


class TypeWords:
    """The words of a mapping, and our own. A word as it is listed comes first, then a listed one in another case.

    Args:
        types: their word, or NOTHING -> our type, or NO_EVENT. Words that differ in case alone and mean different types
            count as they are written and in no other case.
        rules: the shop's configuration of events.
        unknown_type: type of words that are neither listed nor ours.

    Raises:
        ValueError: a word is mapped to what is no type; the message speaks of the settings.

    >>> words = TypeWords({"Purchase": "purchase", "PING": "none", "View": "none"}, EventRules())
    >>> words.type_of("Purchase"), words.type_of("PURCHASE"), words.type_of("ping"), words.type_of("view")
    ('purchase', 'purchase', 'none', 'none')
    >>> words.type_of("CLICK"), words.type_of("Shrug")
    ('click', 'Shrug')
    """

    def __init__(self, types: Mapping[str, str], rules: EventRules, unknown_type: str | None = None) -> None:
        self._types, self._rules, self._unknown_type = types, rules, unknown_type
        self.skips_nothing: Final = NOTHING in types
        """Whether records without a value or a type are no events."""
        self._check()
        meant: dict[str, set[str]] = {}
        for word, name in types.items():
            meant.setdefault(word.casefold(), set()).add(name)
        meant.pop(NOTHING, None)
        self._in_any_case = {word: names.pop() for word, names in meant.items() if len(names) == 1}

    def type_of(self, word: str) -> str:
        """Our type for a word of theirs; the word itself when there is none."""
        found = self._types.get(word)
        if found is None:
            kinds, folded = self._rules.kinds, word.casefold()
            found = self._in_any_case.get(folded) or (word if word in kinds else folded)
            if found not in kinds and found != NO_EVENT:
                found = self._unknown_type or word
        return found

    def _check(self) -> None:
        if self._types.get(NOTHING, NO_EVENT) != NO_EVENT:
            raise ValueError(f'types: "{NOTHING}" can only be mapped to {NO_EVENT}: such a record names no event')
        check_types({**self._types, "unknown_type": self._unknown_type}, self._rules)


def check_types(types: Mapping[str, str | None], rules: EventRules) -> None:
    """Raise ValueError where a word is mapped to what is no type of ours."""
    for word, name in types.items():
        if name is not None and name != NO_EVENT and name not in rules.kinds:
            known = ", ".join([*rules.kinds, f"and {NO_EVENT} to pass records over"])
            raise ValueError(f"types: {word!r} is mapped to {name!r}, which is no event type: {known}")


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
