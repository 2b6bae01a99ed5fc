"""A shop's word for what happened in; our event type, or that it is no event, out. Stage 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from models.records.events import EventRules

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
        check_types(self._types | {"unknown_type": self._unknown_type}, self._rules)


def check_types(types: Mapping[str, str | None], rules: EventRules) -> None:
    """Raise ValueError where a word is mapped to what is no type of ours."""
    for word, name in types.items():
        if name is not None and name != NO_EVENT and name not in rules.kinds:
            known = ", ".join([*rules.kinds, f"and {NO_EVENT} to pass records over"])
            raise ValueError(f"types: {word!r} is mapped to {name!r}, which is no event type: {known}")


__all__ = ["NOTHING", "NO_EVENT", "TypeWords", "check_types"]
