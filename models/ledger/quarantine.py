"""Quarantines a stretch of the stream: given a version to go back to, finds the offsets and moves the counts. Stage 5.

Offsets and the digest stay, because each record was consumed once. The outcome of the events moves: from `learnt` to
`quarantined`, and from there to `learnt` again by a replay, or to `dropped` for good.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

import msgspec

from models.ledger.progress import Piece, Progress, Quarantined

REMEMBERED: Final = 64
"""Quarantines listed, some 300 bytes of every manifest each. The oldest settled ones are forgotten first."""


class OrderRefused(Exception):
    """The order cannot be carried out. The message is for the operator."""


def hold(progress: Progress, healthy: Progress, others: Collection[str], ask: Quarantined) -> Quarantined:
    """Quarantines everything that was learned since a version.

    Args:
        progress: the learner's progress, which is changed.
        healthy: the progress of the version to go back to.
        others: topics that hold no events.
        ask: the quarantine that is asked for; it names the version.

    Returns:
        The quarantine with its offsets and counts.

    Raises:
        OrderRefused: it cannot be done. Then nothing has changed.

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
            # The learned state loses what the replay taught, so these events are held again.
            _move(after, each, -1)
            after.quarantines[number] = msgspec.structs.replace(each, state="held", learnt=0)
    since = [each for each in after.quarantines if each.id not in known and each.state != "refused"]
    events = after.outcomes.get("learnt", 0) - healthy.outcomes.get("learnt", 0)
    if events < 0:
        raise OrderRefused(f"version {ask.version} has learned more events than the learner has now")
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
        raise OrderRefused(f"version {ask.version} was learned from another log than this")
    if healthy.rebuilt != progress.rebuilt:
        raise OrderRefused(f"version {ask.version} belongs to another model: it was rebuilt since")
    known = {each.id for each in healthy.quarantines}
    for each in progress.quarantines:
        if each.id not in known and each.state != "refused" and each.seq < ask.seq:
            raise OrderRefused(
                f"version {ask.version} learned what quarantine {each.id} holds: go back to {each.version} or further, "
                "or to a version since"
            )
    if sum(each.state == "held" for each in progress.quarantines) >= REMEMBERED:
        raise OrderRefused(f"{REMEMBERED} quarantines are held: replay or drop some first")


def refuse(progress: Progress, ask: Quarantined, why: str) -> None:
    """Lists an order that could not be carried out, so that the one who gave it sees why."""
    refused = msgspec.structs.replace(ask, state="refused", detail=why)
    progress.quarantines = _bounded([*progress.quarantines, refused])


def find(progress: Progress, quarantine: str) -> Quarantined:
    """Returns the quarantine of that id, if it is held.

    Raises:
        OrderRefused: there is none, or it is settled already.
    """
    for each in progress.quarantines:
        if each.id == quarantine:
            if each.state == "held":
                return each
            raise OrderRefused(f"quarantine {quarantine} is {each.state}, not held")
    raise OrderRefused(f"there is no quarantine {quarantine}")


def replayed(progress: Progress, held: Quarantined, learnt: int, detail: str = "") -> None:
    """Settles a quarantine whose events were read again: `learnt` were accepted, the others count as dropped."""
    _enter(progress, msgspec.structs.replace(held, state="replayed", learnt=learnt, detail=detail), 1)


def drop(progress: Progress, held: Quarantined, detail: str = "") -> None:
    """Settles a quarantine whose events are given up for good.

    >>> now = Progress(outcomes={"quarantined": 35}, quarantines=[Quarantined("q1", 7.0, "5-1-ab", events=35)])
    >>> drop(now, find(now, "q1"))
    >>> now.outcomes, now.quarantines[0].state
    ({'quarantined': 0, 'dropped': 35, 'learnt': 0}, 'dropped')
    """
    _enter(progress, msgspec.structs.replace(held, state="dropped", learnt=0, detail=detail), 1)


def lose_log(progress: Progress, topics: Collection[str] | None = None) -> None:
    """Drops held quarantines whose log was replaced: nothing of it can be read again.

    Args:
        progress: the learner's progress, which is changed.
        topics: topics whose log was replaced; None for all.
    """
    for each in list(progress.quarantines):
        covered = {piece.topic for piece in each.pieces}
        if each.state == "held" and (topics is None or not covered or not covered.isdisjoint(topics)):
            drop(progress, each, "the log was replaced")


def _enter(progress: Progress, changed: Quarantined, sign: int) -> None:
    _move(progress, changed, sign)
    progress.quarantines = [changed if each.id == changed.id else each for each in progress.quarantines]


def _move(progress: Progress, each: Quarantined, sign: int) -> None:
    """Moves the counts out of quarantine with sign 1, back into it with -1."""
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
    """Returns `pieces` without `gone`.

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
