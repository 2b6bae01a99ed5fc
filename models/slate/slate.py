"""Stages of scored candidates and a request's rules in; the slate, in order, out. Stage 7."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, Literal, NamedTuple

import msgspec
import numpy as np

from models.arrays import Array
from models.slate.arrangement import Adjustment, Wishes, arrange
from models.structs import Prepared

Seen = Literal["none", "purchased", "all"]
Audience = Literal["none", "shopper", "operator"]
"""In whose words each item has a sentence that says why it is there."""
PURCHASE: Final = 3
"""Code of a purchase in `models.records.events.KINDS`."""


class Candidate(NamedTuple):
    """An item, its score within its stage (higher is better), and the source that proposed it."""

    item_id: str
    score: float
    source: str


Scored = tuple[str, float, str]
"""A candidate as a plain tuple: cheaper where two hundred have to be made."""


class Shown(msgspec.Struct, metaclass=Prepared, frozen=True):
    """One place of a slate.

    Attributes:
        item_id: the item.
        score: the source's score plus the adjustments.
        rank: its place, from 1.
        source: the source that proposed it.
        adjustments: values that rules added.
        propensity: chance with which it came here, given the places above; 1 when nothing was drawn.
    """

    item_id: str
    score: float
    rank: int
    source: str
    adjustments: tuple[Adjustment, ...] = ()
    propensity: float = 1.0


def seen(items: Sequence[str], kinds: Sequence[int], exclude_seen: Seen) -> frozenset[str]:
    """Returns the items of a history that `exclude_seen` keeps off the slate.

    >>> sorted(seen(["tea", "mug", "pot"], [0, 3, 1], "purchased"))
    ['mug']
    """
    if exclude_seen == "none":
        return frozenset()
    if exclude_seen == "all":
        return frozenset(items)
    return frozenset(item for item, kind in zip(items, kinds, strict=True) if kind == PURCHASE)


IN_VIEW: Final = 1800.0
"""Seconds after which the newest item of a history is not looked at any more: the half hour that ends a session."""


def in_view(items: Sequence[str], times: Sequence[float], now: float) -> str | None:
    """Returns the item that a user looks at: the newest of the history, newest first, unless it is too old.

    >>> in_view(["tea", "mug"], [100.0, 90.0], 160.0), in_view(["tea"], [100.0], 2000.0), in_view([], [], 0.0)
    ('tea', None, None)
    """
    return items[0] if items and now - times[0] < IN_VIEW else None


def ordered(candidates: Iterable[Scored]) -> Iterator[Scored]:
    """Orders candidates of equal score by item id, so that the slate is the same on every replica.

    They come in descending score.

    >>> [c.item_id for c in ordered([Candidate("b", 1.0, ""), Candidate("a", 1.0, ""), Candidate("c", 0.5, "")])]
    ['a', 'b', 'c']
    """
    tied: list[Scored] = []
    for candidate in candidates:
        if tied and candidate[1] != tied[0][1]:
            yield from tied if len(tied) == 1 else sorted(tied)
            tied = []
        tied.append(candidate)
    yield from sorted(tied)


def compose(stages: Iterable[Iterable[Scored]], n: int, allowed: Callable[[str], bool]) -> list[Shown]:
    """Takes the first `n` allowed items, each once: all of a stage before any of the next.

    Stages are read only as far as needed, so that a fallback (the category by popularity, popular items, the catalogue)
    costs nothing while the ranked candidates fill the page. Scores never rise down the page: those of a later stage are
    moved down to start at the last one before, and keep their gaps.

    Args:
        stages: candidates in order of preference. Scores must not rise within a stage; equal ones are ordered by id.
        n: items wanted.
        allowed: whether an item may be shown.

    >>> ranked = [Candidate("tea", 2.0, "ranker"), Candidate("mug", 1.0, "repeat")]
    >>> popular = [Candidate("tea", 90.0, "popular"), Candidate("pot", 70.0, "popular")]
    >>> [(s.item_id, s.score, s.rank) for s in compose([ranked, popular], 3, lambda item: True)]
    [('tea', 2.0, 1), ('mug', 1.0, 2), ('pot', -19.0, 3)]
    """
    page: list[Shown] = []
    taken: set[str] = set()
    floor: float | None = None
    for stage in stages:
        shift: float | None = None
        for item, score, source in ordered(stage):
            if shift is None:
                shift = 0.0 if floor is None else min(0.0, floor - score)
            if item in taken or not allowed(item):
                continue
            taken.add(item)
            # Rounding may lift a moved score above the one before it, by the last bit.
            floor = score if floor is None else min(floor, score + shift)
            moved = (Adjustment("behind", floor - score),) if floor != score else ()
            page.append(Shown(item, floor, len(page) + 1, source, moved))
            if len(page) == n:
                return page
    return page


def arranged(
    pool: Sequence[Shown],
    wishes: Wishes,
    alike: Array | None = None,
    penalty: Array | None = None,
    random: np.random.Generator | None = None,
) -> list[Shown]:
    """Applies the wishes of a request to a pool; models.slate.arrangement has the rules.

    Args:
        pool: what `compose` returned, longer than the page.
        wishes: what the request wishes.
        alike: (m, m) likeness of every two items of the pool.
        penalty: (m,) spreads that rotation takes off.
        random: where chance comes from.

    >>> pool = compose([[Candidate("tea", 2.0, "ranker"), Candidate("mug", 1.0, "ranker")]], 9, lambda item: True)
    >>> [(s.item_id, s.score, s.adjustments) for s in arranged(pool, Wishes(2, pinned={1: 1}))]
    [('mug', 2.0, (Adjustment(rule='pinned', value=1.0),)), ('tea', 2.0, ())]
    """
    scores = np.array([shown.score for shown in pool])
    return [
        Shown(
            pool[place.at].item_id,
            place.score,
            rank,
            pool[place.at].source,
            (*pool[place.at].adjustments, *place.adjustments),
            place.propensity,
        )
        for rank, place in enumerate(arrange(scores, wishes, alike, penalty, random), 1)
    ]


__all__ = [
    "Adjustment",
    "Audience",
    "Candidate",
    "Scored",
    "Seen",
    "Shown",
    "arranged",
    "compose",
    "in_view",
    "ordered",
    "seen",
]
