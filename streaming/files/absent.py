"""Finds the paths of a mapping of the shop's own, and the values of its [skip], that no row has.

A path that is spelled wrong reads nothing, and no row is refused for it where the field is optional. Presets name what
only some files have: what they say is not looked for.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any, Final

from models.records import ANY, KEY, MISSING, TIME, Line, Path, id_of
from streaming.files.layout import NO_TYPE, Layout, literal
from streaming.files.rows import Batch
from streaming.files.survey import Survey
from streaming.mappings import item_presets, presets

_MOST_WORDS: Final = 200


class Absent:
    """Looks for the paths of a mapping, and for the values of its [skip], until each was found.

    Args:
        layout: What flags and the mapping say.
        names: Names that the file has.
        survey: What is not found stays in its `absent` and `unmatched`.
    """

    def __init__(self, layout: Layout, names: Sequence[str], survey: Survey) -> None:
        shown = [*presets().values(), *item_presets().values()]
        known = {pair for preset in shown for pair in preset.fields.items()}
        skips = [preset.skip for preset in shown]
        own = {field: text for field, text in layout.fields.items() if (field, text) not in known}
        survey.absent = {name: field for name, field in layout.columns.items() if field != NO_TYPE}
        survey.absent |= {text: field for field, text in own.items() if text not in {KEY, TIME}}
        own_skip = {text: values for text, values in layout.skip.items() if all(s.get(text) != values for s in skips)}
        survey.absent |= dict.fromkeys(own_skip, "[skip]")
        own_fill = layout.fill if all(preset.fill != layout.fill for preset in shown) else {}
        survey.absent |= {name: "[fill]" for key, columns in own_fill.items() for name in map(literal, (key, *columns))}
        for name in survey.absent.keys() & set(names):
            del survey.absent[name]
        self._ways = {text: Path(text) for text in survey.absent}
        survey.unmatched = {
            text: set(map(_plain, values)) - {ANY} for text, values in own_skip.items() if set(values) != {ANY}
        }
        self._survey = survey

    def look(self, batch: Batch, places: Sequence[int], lines: Sequence[Line] | None) -> None:
        """Look for the paths in rows."""
        for text in list(self._survey.absent):
            if _is_in(self._ways[text], batch, places, lines):
                del self._survey.absent[text]

    def look_at(self, text: str, values: Iterable[Any]) -> None:
        """Look for the values of a path of [skip]."""
        left = self._survey.unmatched.get(text)
        if not left:
            return
        words = self._survey.skip_words.setdefault(text, {})
        for value in values:
            word = id_of(value) if not isinstance(value, bool) else str(value)
            if isinstance(word, str):
                left.discard(_plain(word))
                if word in words or len(words) < _MOST_WORDS:
                    words[word] = words.get(word, 0) + 1


def _plain(word: str) -> str:
    return word.strip().casefold()


def _is_in(path: Path, batch: Batch, places: Sequence[int], lines: Sequence[Line] | None) -> bool:
    if batch.columns is not None:
        names = path.among(batch.columns)
        if names is not None:
            return bool(names)
        return any(path.find(row.fields) is not MISSING for row in batch.rows())
    of_lines: Iterable[Line] = itertools.repeat(()) if lines is None else lines
    around = zip(places, of_lines, strict=False)
    return any(path.find(batch.documents[place], line) is not MISSING for place, line in around)


__all__ = ["Absent"]
