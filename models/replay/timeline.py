"""Remembers from when on each gate of a replay served which version, and tells where the gates parted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import msgspec
import numpy as np

from models.gate import Action
from models.statistics import DEPTH, hit_rate
from models.structs import Prepared

ROWS: Final = 24
"""Most rows of the time line for people: about a screen."""


class Change(msgspec.Struct, metaclass=Prepared, frozen=True):
    """A gate begins to serve another version.

    Attributes:
        at: Record time, epoch seconds.
        events: Events learned until then.
        tested: Tested events until then.
        version: The version that is served from then on.
        action: What was decided.
        reasons: Why.
    """

    at: float
    events: int
    tested: int
    version: str
    action: Action
    reasons: tuple[str, ...]


class Timeline:
    """The changes of each gate.

    Args:
        names: Names of the gates.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.changes: dict[str, list[Change]] = {name: [] for name in names}

    def note(self, name: str, change: Change) -> None:
        """Take in what a gate serves from now on; nothing happens when it is the version that it served before."""
        known = self.changes[name]
        if not known or known[-1].version != change.version:
            known.append(change)


class Stretch(msgspec.Struct, metaclass=Prepared, frozen=True):
    """A part of the time line between two moments; those after the last change are the end of the replay."""

    start: Change
    end: Change
    parted: bool
    """Whether the gates served different versions at some moment of it."""


def stretches(changes: Mapping[str, Sequence[Change]], end: Change) -> list[Stretch]:
    """Divides the time into stretches in which the gates serve the same versions, or different ones, all the time.

    Args:
        changes: The changes of each gate, oldest first.
        end: The end of the replay; its version does not count.

    >>> def change(events, version): return Change(float(events), events, events // 10, version, "promote", ("sound",))
    >>> ours, theirs = [change(0, "1"), change(100, "2"), change(200, "3")], [change(0, "1"), change(200, "3")]
    >>> found = stretches({"ours": ours, "theirs": theirs}, change(300, ""))
    >>> [(each.start.events, each.end.events, each.parted) for each in found]
    [(0, 100, False), (100, 200, True), (200, 300, False)]
    """
    found: list[Stretch] = []
    for moment, after, versions in _moments(changes, end):
        parted = len(set(versions)) > 1
        if found and found[-1].parted == parted:
            found[-1] = msgspec.structs.replace(found[-1], end=after)
        else:
            found.append(Stretch(moment, after, parted))
    return found


def _moments(changes: Mapping[str, Sequence[Change]], end: Change) -> Iterator[tuple[Change, Change, list[str]]]:
    """Yields each moment at which a gate changed, the next such moment, and what each gate serves in between."""
    every = sorted((each.events, name, each) for name, list_ in changes.items() for each in list_)
    moments = list({events: each for events, _, each in every}.values())
    serving, waiting = dict.fromkeys(changes, ""), every[::-1]
    for moment, after in pairwise([*moments, end]):
        while waiting and waiting[-1][0] <= moment.events:
            _, name, each = waiting.pop()
            serving[name] = each.version
        yield moment, after, list(serving.values())


def divided(changes: Mapping[str, Sequence[Change]], end: Change, rows: int = ROWS) -> list[Stretch]:
    """Returns at most `rows` stretches: as they are, or of equal length where there are more.

    >>> def change(events, version): return Change(float(events), events, events // 10, version, "promote", ("sound",))
    >>> def each(step): return [change(events, str(events)) for events in range(0, 100, step)]
    >>> changing = {"ours": each(1), "theirs": each(2)}
    >>> [(each.start.events, each.end.events) for each in divided(changing, change(100, ""), 4)]
    [(0, 25), (25, 50), (50, 75), (75, 100)]
    """
    found = stretches(changes, end)
    if len(found) <= rows:
        return found
    steps = list(_moments(changes, end))
    begin, wide = steps[0][0].at, max(end.at - steps[0][0].at, 1e-9) / rows
    joined: list[Stretch] = []
    places: list[int] = []
    for moment, after, versions in steps:
        place = min(int((moment.at - begin) / wide), rows - 1)
        parted = len(set(versions)) > 1
        if places and places[-1] == place:
            joined[-1] = Stretch(joined[-1].start, after, joined[-1].parted or parted)
        else:
            joined.append(Stretch(moment, after, parted))
            places.append(place)
    return joined


def described(
    stretch: Stretch, changes: Mapping[str, Sequence[Change]], ranks: Mapping[str, Sequence[int]]
) -> dict[str, Any]:
    """Returns a stretch as a plain dictionary: what each gate served in it, and how much of the tested events it found.

    Args:
        stretch: The stretch.
        changes: The changes of each gate.
        ranks: Rank of each tested event's item under each gate, 0 for a miss.
    """
    start, end = stretch.start, stretch.end
    return {
        "from": start.at,
        "until": end.at,
        "events": end.events - start.events,
        "tested": end.tested - start.tested,
        "parted": stretch.parted,
        "gates": {
            name: _served(each, start, end) | {f"hr@{DEPTH}": _found(ranks[name][start.tested : end.tested])}
            for name, each in changes.items()
        },
    }


def _served(changes: Sequence[Change], start: Change, end: Change) -> dict[str, Any]:
    before = [each for each in changes if each.events <= start.events][-1:]
    within = [*before, *(each for each in changes if start.events < each.events < end.events)]
    return {
        "first": within[0].version if within else "",
        "last": within[-1].version if within else "",
        "versions": len(within),
        "rollbacks": sum(each.action == "rollback" for each in within if each.events >= start.events),
    }


def _found(ranks: Sequence[int]) -> float | None:
    return round(float(hit_rate(np.array(ranks, np.int64), DEPTH).mean()), 6) if ranks else None


__all__ = ["ROWS", "Change", "Stretch", "Timeline", "described", "divided", "stretches"]
