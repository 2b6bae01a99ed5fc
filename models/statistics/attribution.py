"""Slates that were shown and events that name a request in, what came of each version's slates out.

An event belongs to the slate whose request_id it carries, if its item stood there. Versions come each second, so they
are counted in groups: a group takes slates until it has a thousand and the version changes. `current` and `previous`
are the two newest groups, `older` is all before; an event whose slate is not known (any more) is `unknown`.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import Final

import xxhash

from models.records import KINDS, SlateRecord

WINDOW: Final = 50_000
"""Slates remembered, some 15 MB: eight minutes at 100 slates a second, most of a day at one."""

WAITING: Final = 10_000
"""Requests remembered whose events came before their slate, since the two travel in different topics."""

EACH: Final = 64
"""Events remembered of each of them: a page of ten, clicked and bought, is twenty."""

GROUP: Final = 1_000
"""Slates of a group before the next version begins another: a rate of 3 % then has a standard error of half a per cent
point, and a smaller group would say nothing."""

VERSIONS: Final = ("current", "previous", "older", "unknown")


@dataclass(slots=True)
class Group:
    """Slates of some versions in a row (`first` to `last` by sequence), and how many were followed by each kind."""

    first: int = 0
    last: int = 0
    slates: int = 0
    followed: list[int] = field(default_factory=lambda: [0] * len(KINDS))

    def rate(self, kind: int) -> float:
        """Share of the slates that at least one event of this kind followed; 0 while there is none."""
        return self.followed[kind] / self.slates if self.slates else 0.0


@dataclass(slots=True)
class _Shown:
    group: Group
    items: array[int]  # 32 bits of each id's hash
    kinds: int = 0  # a bit for each kind of event that followed


class Attribution:
    """Counts, bounded. `events[version][kind]` are counts for ever, groups those of their slates.

    >>> seen = Attribution()
    >>> seen.slate(SlateRecord("5f", 1.0, ["tea", "mug"], sequence=7))
    >>> seen.event("5f", 0, "tea"), seen.event("5f", 0, "pot"), seen.current.rate(0)
    ('current', '', 1.0)
    """

    def __init__(self, window: int = WINDOW, group: int = GROUP) -> None:
        self._window, self._group = window, group
        self._shown: dict[str, _Shown] = {}
        self._waiting: dict[str, list[tuple[int, str]]] = {}
        self._waited: dict[str, list[tuple[int, str]]] = {}
        self.current, self.previous, self._older = Group(), Group(), Group()
        self.slates = 0
        """Slates counted, ever."""
        self.elsewhere = 0
        """Events whose item did not stand on the slate they name."""
        self.events = {version: [0] * len(KINDS) for version in VERSIONS}

    def slate(self, slate: SlateRecord, *, counted: bool = True) -> None:
        """A slate was shown. counted=False: it is only remembered, as one whose events were counted in another life."""
        if slate.request_id in self._shown:
            return
        group = self._older
        if counted:
            group = self._group_of(slate.sequence)
            group.slates += 1
            self.slates += 1
        self._shown[slate.request_id] = _Shown(group, array("I", map(short, slate.items)))
        if len(self._shown) > self._window:
            del self._shown[next(iter(self._shown))]
        for waiting in (self._waited, self._waiting):
            for kind, item in waiting.pop(slate.request_id, ()):
                self.event(slate.request_id, kind, item)

    def _group_of(self, sequence: int) -> Group:
        group = self.current
        if group.slates == 0:
            group.first = group.last = sequence
        elif group.slates >= self._group and not group.first <= sequence <= group.last:
            self.previous = group
            group = self.current = Group(sequence, sequence)
        group.first, group.last = min(group.first, sequence), max(group.last, sequence)
        return group

    def event(self, request_id: str, kind: int, item: str) -> str:
        """Count one event; returns which version's it is, "" when it waits for its slate or was elsewhere."""
        shown = self._shown.get(request_id)
        if shown is None:
            self._wait(request_id, kind, item)
            return ""
        if short(item) not in shown.items:
            self.elsewhere += 1
            return ""
        version = self._name(shown.group)
        self.events[version][kind] += 1
        bit = 1 << kind
        if not shown.kinds & bit:
            shown.kinds |= bit
            shown.group.followed[kind] += 1
        return version

    def _name(self, group: Group) -> str:
        return "current" if group is self.current else "previous" if group is self.previous else "older"

    def _wait(self, request_id: str, kind: int, item: str) -> None:
        mine = self._waiting.setdefault(request_id, [])
        if len(mine) < EACH:
            mine.append((kind, item))
        else:
            self.events["unknown"][kind] += 1
        if len(self._waiting) > WAITING:
            self.age()

    def age(self) -> None:
        """Time passed: events that waited for their slate since before the last call count as unknown."""
        for waiting in self._waited.values():
            for kind, _ in waiting:
                self.events["unknown"][kind] += 1
        self._waited, self._waiting = self._waiting, {}


def short(item: str) -> int:
    """32 bits of an id's hash: one in four thousand million foreign items passes for one of a slate of one."""
    return xxhash.xxh32_intdigest(item.encode())


__all__ = ["VERSIONS", "Attribution", "Group"]
