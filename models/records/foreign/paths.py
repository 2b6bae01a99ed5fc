"""A path as a mapping writes it in; where its values are in a foreign record out. Stage 1."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator
from typing import Any, Final

import msgspec

from models.records.foreign.values import is_empty

_STEP: Final = re.compile(r"""\.?([^.\[\]"]+)|\["([^"]+)"\]|\[(\d+|\*)\]""")
_ALTERNATIVES: Final = re.compile(r"""\|(?=(?:[^"]*"[^"]*")*[^"]*$)""")

MISSING: Final = object()
"""What `Path.find` returns where there is no value; null is one."""

EACH: Final = "[*]"
"""In a path: each of a list."""

_DEEPEST: Final = 2

Line = tuple[int, ...]
"""Which of each list that `[*]` goes through, from 0: `(1, 0)` is the first of the second; empty for no list."""


class Path:
    """Where a value is in a foreign record.

    Args:
        text: names joined by dots, places of a list in brackets, `[*]` for each of a list, unusual names as ["a.b"];
            several of them separated by `|`, of which the first that has a value counts.

    Raises:
        ValueError: the path cannot be read.

    >>> Path("order.lines[0].sku").find({"order": {"lines": [{"sku": "tea"}]}})
    'tea'
    >>> str(Path('meta["occurred.at"]'))
    '$.meta["occurred.at"]'
    >>> Path("userId|anonymousId").find({"userId": None, "anonymousId": "a7"})
    'a7'
    >>> Path("visits[*].items[*].id").lists
    ('$.visits', '$.visits[*].items')
    """

    __slots__ = ("_others", "_steps", "_text", "lists")
    lists: tuple[str, ...]

    def __init__(self, text: str) -> None:
        first, *others = _ALTERNATIVES.split(text)
        plain = first.strip().removeprefix("$").removeprefix(".")
        steps: list[str | int] = []
        position = 0
        lists: list[str] = []
        while position < len(plain):
            match = _STEP.match(plain, position)
            if match is None:
                raise ValueError(f"{text!r} is not a path: write names with dots, as in order.lines[0].sku")
            name, quoted, place = match.groups()
            if place == "*":
                if len(lists) == _DEEPEST:
                    raise ValueError(f"{text!r} goes through more than {_DEEPEST} lists, one in another")
                lists.append(_shown(plain[:position]))
                steps.append(EACH)
            else:
                steps.append(int(place) if place is not None else name or quoted)
            position = match.end()
        if not steps:
            raise ValueError("a path is empty: write names with dots, as in order.lines[0].sku")
        self._steps, self._text = tuple(steps), _shown(plain)
        self._others = tuple(Path(other) for other in others)
        self.lists = innermost([tuple(lists), *(other.lists for other in self._others)])
        """The lists that it goes through, the outer one first."""

    def __str__(self) -> str:
        return " or ".join([self._text, *map(str, self._others)])

    def at(self, line: Line) -> str:
        """The path, with the place in each list instead of `[*]`.

        >>> Path("lines[*].sku").at((1,))
        '$.lines[1].sku'
        """
        text = str(self)
        if not line:
            return text
        return " or ".join(_placed(part, line) for part in text.split(" or "))

    @property
    def name(self) -> str | None:
        """The only step of a path that names a field at the top, None for any other path."""
        return None if self._others else self.top

    def among(self, names: Container[str]) -> list[str] | None:
        """The names of this path that are among these, None when it leads deeper than to names at the top."""
        own = [path.top for path in (self, *self._others)]
        return None if None in own else [name for name in own if name is not None and name in names]

    @property
    def top(self) -> str | None:
        """The only step of the first alternative."""
        only = self._steps[0] if len(self._steps) == 1 else None
        return only if isinstance(only, str) and only != EACH else None

    def find(self, document: Any, line: Line = ()) -> Any:
        """Returns the value in a document, MISSING when there is none.

        Args:
            document: the record.
            line: which of each list `[*]` means.
        """
        found = self._find(document, line)
        if not self._others or not (found is MISSING or is_empty(found)):
            return found
        for other in self._others:
            value = other.find(document, line)
            if value is not MISSING and not is_empty(value):
                return value
        return found

    def _find(self, document: Any, line: Line) -> Any:
        depth = 0
        for step in self._steps:
            if step == EACH:
                if depth == len(line):
                    return MISSING
                document = _step(document, line[depth])
                depth += 1
            else:
                document = _step(document, step)
            if document is MISSING:
                return MISSING
        return document


class Lists:
    """The lists of a record whose members become events: none, one, or one in each member of another.

    Args:
        paths: all paths of a mapping.

    Raises:
        ValueError: they go through two lists next to one another.

    >>> lists = Lists([Path("user"), Path("at[*].when"), Path("at[*].items[*].id")])
    >>> list(lists.lines({"at": [{"items": [{"id": 1}, {"id": 2}]}, {}]}))
    [(0, 0), (0, 1), (1,)]
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self.names = innermost([path.lists for path in paths])
        """The lists, the outer one first."""
        self._outer = _steps_to(self.names[0]) if self.names else ()
        self._inner = _steps_to(self.names[1].removeprefix(self.names[0] + EACH)) if len(self.names) > 1 else None

    def __bool__(self) -> bool:
        return bool(self.names)

    def lines(self, document: Any) -> Iterator[Line]:
        """The lines of a record; none where it has no such list, or an empty one."""
        if not self.names:
            return
        for place, member in enumerate(_list_at(document, self._outer)):
            inner = [] if self._inner is None else _list_at(member, self._inner)
            if not inner:
                yield (place,)
            for second in range(len(inner)):
                yield place, second


def innermost(chains: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """The longest of some chains of lists, of which every other one is a part. Raises ValueError."""
    chains = list(chains)
    longest = max(chains, key=len, default=())
    for chain in chains:
        if longest[: len(chain)] != chain:
            both = " and ".join(sorted({chain[-1], longest[-1]}))
            raise ValueError(f"fields go through two lists, {both}: keep one of them")
    return longest


def suffix(line: Line) -> str:
    """What tells the events of one record apart in their event_id.

    >>> suffix((1,)), suffix((1, 0)), suffix(())
    (':2', ':2.1', '')
    """
    return f":{'.'.join(str(place + 1) for place in line)}" if line else ""


def _placed(text: str, line: Line) -> str:
    for place in line:
        text = text.replace(EACH, f"[{place}]", 1)
    return text


def _steps_to(name: str) -> tuple[str | int, ...]:
    return Path(name)._steps if name else ()


def _list_at(document: Any, steps: Iterable[str | int]) -> list[Any]:
    for step in steps:
        document = _step(document, step)
    if isinstance(document, str):
        document = said_by(document)
    return document if isinstance(document, list) else []


def _step(document: Any, step: str | int) -> Any:
    if isinstance(document, str):
        document = said_by(document)
    if isinstance(step, int):
        return document[step] if isinstance(document, list) and step < len(document) else MISSING
    return document[step] if isinstance(document, dict) and step in document else MISSING


def said_by(text: str) -> Any:
    """What JSON in a text says, as a cell of a table may hold it; the text itself where it is none."""
    if text.lstrip()[:1] not in {"{", "["}:
        return text
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return text


def _shown(plain: str) -> str:
    return f"$.{plain}" if not plain.startswith("[") else f"${plain}"


__all__ = ["EACH", "MISSING", "Line", "Lists", "Path", "innermost", "said_by", "suffix"]
