"""In: stages of scored candidates and a request's rules. Out: the slate: what is shown, in which order. Stage 7."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, Literal, NamedTuple

import msgspec
import numpy as np

from models.arrays import Array
from models.slate.arrangement import Adjustment, Wishes, arrange

Seen = Literal["none", "purchased", "all"]
SEEN: Final[tuple[Seen, ...]] = ("none", "purchased", "all")
PURCHASE: Final = 3
"""Code of a purchase in `models.records.events.KINDS`."""


class Candidate(NamedTuple):
    """An item, its score within its stage (higher is better), and the source that proposed it."""

    item_id: str
    score: float
    source: str


Scored = tuple[str, float, str]
"""What a slate takes as a candidate: a plain tuple will do where two hundred would have to be made."""


class Shown(msgspec.Struct, frozen=True):
    """One place of a slate. `rank` starts at 1. The score is what the source gave plus the adjustments.

    propensity: with which chance the item came to this place, given those above; 1 when nothing was drawn.
    """

    item_id: str
    score: float
    rank: int
    source: str
    adjustments: tuple[Adjustment, ...] = ()
    propensity: float = 1.0


def seen(items: Sequence[str], kinds: Sequence[int], exclude_seen: Seen) -> frozenset[str]:
    """The items of a history that `exclude_seen` keeps off the slate.

    >>> sorted(seen(["tea", "mug", "pot"], [0, 3, 1], "purchased"))
    ['mug']
    """
    if exclude_seen == "none":
        return frozenset()
    if exclude_seen == "all":
        return frozenset(items)
    return frozenset(item for item, kind in zip(items, kinds, strict=True) if kind == PURCHASE)


def ordered(candidates: Iterable[Scored]) -> Iterator[Scored]:
    """Candidates in descending score as they came, equal scores by item id: the same slate on every replica.

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
    """The first `n` allowed items, each once: all of a stage before any of the next.

    `stages` are in order of preference and are read only as far as needed, so that a fallback (the category by
    popularity, what is popular, the catalogue) costs nothing while the ranked candidates fill the page. Scores never
    rise down the page: a later stage's scores are moved down to start at the last one before, their gaps kept.
    Within a stage scores must not rise; equal ones are ordered by item id.

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
    """The page that `wishes` make of a pool, as `compose` gave it; see models.slate.arrangement for the rules.

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


__all__ = ["SEEN", "Adjustment", "Candidate", "Scored", "Seen", "Shown", "arranged", "compose", "ordered", "seen"]
