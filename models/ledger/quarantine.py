"""A version to go back to in; which stretch of the stream is no longer learnt, and how the counts move, out. Stage 5.

Offsets and the digest stay: each record was consumed, once. What moves is the outcome of its events, from `learnt` to
`quarantined`, and from there to `learnt` again by a replay or to `dropped` for good.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

import msgspec

from models.ledger.progress import Piece, Progress, Quarantined

REMEMBERED: Final = 64
"""Quarantines listed; the oldest that hold nothing are forgotten first. Each is some 300 bytes of every manifest."""


class OrderRefused(Exception):
    """An order that cannot be carried out. The message is for the operator."""


def hold(progress: Progress, healthy: Progress, others: Collection[str], ask: Quarantined) -> Quarantined:
    """Enter a quarantine of all that was learnt since `healthy`, the progress of the version `ask` names.

    others: topics that hold no events.
    Raises Refused, and nothing has changed then.

    >>> now, then = Progress(offsets={"events": {0: 90}}, outcomes={"learnt": 80}), Progress()
    >>> then.offsets, then.outcomes = {"events": {0: 50}}, {"learnt": 45}
    >>> found = hold(now, then, (), Quarantined("q1", 7.0, "5-1-ab"))
    >>> found.pieces, found.events, now.outcomes
    ((Piece(topic='events', partition=0, start=50, stop=90),), 35, {'learnt': 45, 'quarantined': 35})
    """
    _check(progress, healthy, ask)
    after = progress.copy()
    known = {each.id: each for each in healthy.quarantines}
    for number, each in enumerate(after.quarantines):
        before = known.get(each.id)
        if each.state == "replayed" and (before is None or before.state != "replayed"):
            # What the replay taught goes as well, so it is held again.
            _move(after, each, -1)
            after.quarantines[number] = msgspec.structs.replace(each, state="held", learnt=0)
    since = [each for each in after.quarantines if each.id not in known and each.state != "refused"]
    events = after.outcomes.get("learnt", 0) - healthy.outcomes.get("learnt", 0)
    if events < 0:
        raise OrderRefused(f"version {ask.version} has learnt more than what is learnt now")
    after.count("learnt", -events)
    after.count("quarantined", events)
    pieces = _without(_between(healthy, after, others), [piece for each in since for piece in each.pieces])
    found = msgspec.structs.replace(
        ask, events=events, pieces=pieces, first=healthy.arrivals, last=after.arrivals, state="held"
    )
    progress.outcomes, progress.quarantines = after.outcomes, _bounded([*after.quarantines, found])
    return found


def _check(progress: Progress, healthy: Progress, ask: Quarantined) -> None:
    here = {name: progress.topics.get(name) for name in healthy.offsets}
    if healthy.cluster != progress.cluster or here != {name: healthy.topics.get(name) for name in here}:
        raise OrderRefused(f"version {ask.version} was learnt from another log than this")
    if healthy.rebuilt != progress.rebuilt:
        raise OrderRefused(f"version {ask.version} is of another model: it was rebuilt since")
    known = {each.id for each in healthy.quarantines}
    for each in progress.quarantines:
        if each.id not in known and each.state != "refused" and each.seq < ask.seq:
            raise OrderRefused(
                f"version {ask.version} learnt what quarantine {each.id} holds: go back to {each.version} or further, "
                "or to a version since"
            )
    if sum(each.state == "held" for each in progress.quarantines) >= REMEMBERED:
        raise OrderRefused(f"{REMEMBERED} quarantines are held: replay or drop some first")


def refuse(progress: Progress, ask: Quarantined, why: str) -> None:
    """Enter an order that could not be carried out, so that whoever gave it learns of it."""
    refused = msgspec.structs.replace(ask, state="refused", detail=why)
    progress.quarantines = _bounded([*progress.quarantines, refused])


def find(progress: Progress, quarantine: str) -> Quarantined:
    """The quarantine of that id that is held. Raises Refused."""
    for each in progress.quarantines:
        if each.id == quarantine:
            if each.state == "held":
                return each
            raise OrderRefused(f"quarantine {quarantine} is {each.state}, not held")
    raise OrderRefused(f"there is no quarantine {quarantine}")


def replayed(progress: Progress, held: Quarantined, learnt: int, detail: str = "") -> None:
    """Its events were read again and `learnt` of them accepted; the others count as dropped."""
    _enter(progress, msgspec.structs.replace(held, state="replayed", learnt=learnt, detail=detail), 1)


def drop(progress: Progress, held: Quarantined, detail: str = "") -> None:
    """Its events are given up for good.

    >>> now = Progress(outcomes={"quarantined": 35}, quarantines=[Quarantined("q1", 7.0, "5-1-ab", events=35)])
    >>> drop(now, find(now, "q1"))
    >>> now.outcomes, now.quarantines[0].state
    ({'quarantined': 0, 'dropped': 35, 'learnt': 0}, 'dropped')
    """
    _enter(progress, msgspec.structs.replace(held, state="dropped", learnt=0, detail=detail), 1)


def lose_log(progress: Progress) -> None:
    """The log is another one: what is held of the old one can never be read again."""
    for each in list(progress.quarantines):
        if each.state == "held":
            drop(progress, each, "the log was replaced")


def _enter(progress: Progress, changed: Quarantined, sign: int) -> None:
    _move(progress, changed, sign)
    progress.quarantines = [changed if each.id == changed.id else each for each in progress.quarantines]


def _move(progress: Progress, each: Quarantined, sign: int) -> None:
    """Out of quarantine with 1, back into it with -1."""
    progress.count("quarantined", -sign * each.events)
    progress.count("dropped", sign * (each.events - each.learnt))
    progress.count("learnt", sign * each.learnt)


def _between(healthy: Progress, now: Progress, others: Collection[str]) -> list[Piece]:
    # A partition that the version did not know yet was read from its beginning.
    return [
        Piece(topic, part, start, stop)
        for topic, places in sorted(now.offsets.items())
        for part, stop in sorted(places.items())
        if topic not in others and (start := healthy.offsets.get(topic, {}).get(part, 0)) < stop
    ]


def _without(pieces: Iterable[Piece], gone: Iterable[Piece]) -> tuple[Piece, ...]:
    """What is left of `pieces` without `gone`.

    >>> left = _without([Piece("e", 0, 0, 90)], [Piece("e", 0, 20, 30), Piece("e", 0, 80, 99), Piece("e", 1, 0, 99)])
    >>> [(piece.start, piece.stop) for piece in left]
    [(0, 20), (30, 80)]
    """
    left = list(pieces)
    for cut in gone:
        left = [part for piece in left for part in _cut(piece, cut)]
    return tuple(left)


def _cut(piece: Piece, gone: Piece) -> list[Piece]:
    if (piece.topic, piece.partition) != (gone.topic, gone.partition):
        return [piece]
    before = msgspec.structs.replace(piece, stop=min(piece.stop, gone.start))
    after = msgspec.structs.replace(piece, start=max(piece.start, gone.stop))
    return [part for part in (before, after) if part.start < part.stop]


def _bounded(quarantines: list[Quarantined]) -> list[Quarantined]:
    spare = max(0, len(quarantines) - REMEMBERED)
    gone = {each.id for each in [each for each in quarantines if each.state != "held"][:spare]}
    return [each for each in quarantines if each.id not in gone]


__all__ = ["REMEMBERED", "OrderRefused", "drop", "find", "hold", "lose_log", "refuse", "replayed"]
