"""Attributes events to the slates that they followed, and counts them by version.

An event belongs to the slate whose request_id it carries, if that slate held its item. A version comes each second, so
versions are counted in groups: a group takes slates until it has a thousand and the version changes. `current` and
`previous` are the two newest groups, `older` is everything before. An event whose slate is not known, or no longer, is
`unknown`.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import xxhash

from models.records import KINDS, SlateRecord

WINDOW: Final = 50_000
"""Slates remembered, some 15 MB: eight minutes at 100 slates a second, most of a day at one."""

WAITING: Final = 10_000
"""Requests remembered whose events arrived before their slate: the two travel in different topics."""

EACH: Final = 64
"""Events remembered of each such request: a slate of ten items, all clicked and bought, makes twenty."""

GROUP: Final = 1_000
"""Slates of a group before the next version begins another. A rate of 3 % then has a standard error of half a
percentage point; a smaller group would say nothing."""

NO_SCENARIO: Final = "none"
"""The scenario of slates whose request named none."""

OTHER_SCENARIOS: Final = "other"
"""All scenarios that the settings do not name."""

VERSIONS: Final = ("current", "previous", "older", "unknown")


@dataclass(slots=True)
class Group:
    """Slates of some versions in a row.

    Attributes:
        first: sequence number of the first version.
        last: sequence number of the last one.
        slates: slates counted.
        followed: of these, slates that an event of each kind followed, by code of the kind.
    """

    first: int = 0
    last: int = 0
    slates: int = 0
    followed: list[int] = field(default_factory=lambda: [0] * len(KINDS))

    def rate(self, kind: int) -> float:
        """Returns the share of the slates that at least one event of this kind followed, 0 without slates."""
        return self.followed[kind] / self.slates if self.slates else 0.0


@dataclass(slots=True)
class _Shown:
    group: Group
    items: array[int]  # 32 bits of each id's hash
    apart: list[Group]  # its scenario and its segments; none for a slate that is not counted
    kinds: int = 0  # a bit for each kind of event that followed


class Attribution:
    """Counts slates and the events that followed them, in bounded memory.

    Args:
        window: slates remembered.
        group: slates of a group before the next version begins another.
        scenarios: names that are counted apart.
        segments: of users, as KEY:VALUE of the context of requests or of users' attributes, that are counted apart.

    Attributes:
        current: the newest group.
        previous: the group before it.
        slates: slates counted since the start.
        elsewhere: events whose item was not on the slate that they name.
        events: events since the start, by group (one of VERSIONS) and code of the kind.
        scenarios: slates since the start, and those that were followed, by scenario.
        segments: the same by segment; a slate may be in several.

    >>> seen = Attribution()
    >>> seen.slate(SlateRecord("5f", 1.0, ["tea", "mug"], sequence=7))
    >>> seen.event("5f", 0, "tea"), seen.event("5f", 0, "pot"), seen.current.rate(0)
    ('current', '', 1.0)
    """

    def __init__(
        self,
        window: int = WINDOW,
        group: int = GROUP,
        scenarios: Iterable[str] = (),
        segments: Iterable[str] = (),
    ) -> None:
        self._window, self._group = window, group
        self._shown: dict[str, _Shown] = {}
        self._waiting: dict[str, list[tuple[int, str]]] = {}
        self._waited: dict[str, list[tuple[int, str]]] = {}
        self.current, self.previous, self._older = Group(), Group(), Group()
        self.slates = 0
        self.elsewhere = 0
        self.scenarios = {name: Group() for name in (NO_SCENARIO, *scenarios, OTHER_SCENARIOS)}
        self.segments = {segment: Group() for segment in segments}
        self.events = {version: [0] * len(KINDS) for version in VERSIONS}

    def slate(self, slate: SlateRecord, *, counted: bool = True) -> None:
        """Remembers a slate that was shown.

        Args:
            slate: the slate.
            counted: False for one that was counted before a restart.
        """
        if slate.request_id in self._shown:
            return
        group, apart = self._older, []
        if counted:
            group = self._group_of(slate.sequence)
            group.slates += 1
            self.slates += 1
            apart = self._apart(slate)
            for each in apart:
                each.slates += 1
        self._shown[slate.request_id] = _Shown(group, array("I", map(short, slate.items)), apart)
        if len(self._shown) > self._window:
            del self._shown[next(iter(self._shown))]
        for waiting in (self._waited, self._waiting):
            for kind, item in waiting.pop(slate.request_id, ()):
                self.event(slate.request_id, kind, item)

    def _apart(self, slate: SlateRecord) -> list[Group]:
        found = [self.scenarios.get(slate.scenario or NO_SCENARIO, self.scenarios[OTHER_SCENARIOS])]
        if self.segments and (slate.context or slate.segments):
            named = [f"{key}:{value}" for key, value in (slate.context or {}).items()]
            once = dict.fromkeys(named + (slate.segments or []))
            found += [self.segments[name] for name in once if name in self.segments]
        return found

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
        """Counts an event.

        Args:
            request_id: the slate that it names.
            kind: code of its kind.
            item: id of its item.

        Returns:
            The group of the slate, one of VERSIONS; "" when the event waits for its slate, or its item was not there.
        """
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
            for each in shown.apart:
                each.followed[kind] += 1
        return version

    def _name(self, group: Group) -> str:
        return "current" if group is self.current else "previous" if group is self.previous else "older"

    def _wait(self, request_id: str, kind: int, item: str) -> None:
        events = self._waiting.setdefault(request_id, [])
        if len(events) < EACH:
            events.append((kind, item))
        else:
            self.events["unknown"][kind] += 1
        if len(self._waiting) > WAITING:
            self.age()

    def age(self) -> None:
        """Counts as unknown the events that have waited for their slate since before the last call."""
        for waiting in self._waited.values():
            for kind, _ in waiting:
                self.events["unknown"][kind] += 1
        self._waited, self._waiting = self._waiting, {}


def short(item: str) -> int:
    """Returns 32 bits of an id's hash: one in four thousand million foreign items passes for a given one."""
    return xxhash.xxh32_intdigest(item.encode())


__all__ = ["NO_SCENARIO", "OTHER_SCENARIOS", "VERSIONS", "Attribution", "Group"]
