"""A pool of candidates, best first, and a request's wishes in; the places of the page out. Stage 7.

The page is filled from the top. The value of a candidate at a place is

    value = score - rotate * spread * log2(1 + exposure) - d / (1 - d) * spread * max likeness to an item above

which is maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998, with lambda = 1 - d), divided by lambda so
that scores keep their unit. `spread`, the pool's best score less its worst, puts scores and likeness on one scale.
1. A pinned item stands at its place.
2. Of the first k places at least floor(share * k) go to boosted items, the best of them.
3. Every other place goes to the highest value. When exploring, it is drawn with chances proportional to
   exp(value / (explore * spread)): Plackett-Luce. The chance at each place, given those above, is the propensity.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np

from models.arrays import Array

UNPROPOSED: Final = -5_000.0
"""Candidates that the source in charge did not propose have scores below this; its own are above -100."""

MOST_DIVERSE: Final = 0.99
"""Largest diversity that counts: 1 would leave no weight to the score at all."""


class Adjustment(NamedTuple):
    """A value that a rule added to a score, and the name of the rule."""

    rule: str
    value: float


class Place(NamedTuple):
    """A place of the page.

    Attributes:
        at: the candidate's place in the pool.
        score: its score as shown.
        propensity: chance with which it came here, given the places above.
        adjustments: values that rules added to its score.
    """

    at: int
    score: float
    propensity: float
    adjustments: tuple[Adjustment, ...]


class Wishes(NamedTuple):
    """A request's wishes beyond the best by score, over a pool of m candidates.

    Attributes:
        n: places of the page.
        diversity: weight of likeness, 0 to 1.
        pinned: place on the page, from 1 -> place in the pool.
        boosted: (m,) bool, candidates of which the page has a share.
        share: that share.
        rotate: weight of rotation.
        explore: temperature of exploring, in spreads of the page; 0 draws nothing.
    """

    n: int
    diversity: float = 0.0
    pinned: Mapping[int, int] = {}
    boosted: Array | None = None
    share: float = 0.0
    rotate: float = 0.0
    explore: float = 0.0


class _Step(NamedTuple):
    at: int
    value: float
    propensity: float
    rule: str  # who chose: pinned, boost, explore, or "" for the value
    parts: tuple[Adjustment, ...]


def arrange(
    scores: Array,
    wishes: Wishes,
    alike: Array | None = None,
    penalty: Array | None = None,
    random: np.random.Generator | None = None,
) -> list[Place]:
    """Fills a page.

    The score shown is the value, moved just as far as needed for no score to rise down the page.

    Args:
        scores: (m,) scores, descending.
        wishes: what the request wishes.
        alike: (m, m) likeness of every two candidates, 0 to 1; needed for a diversity above 0.
        penalty: (m,) spreads that rotation takes off.
        random: where chance comes from; needed for exploring.

    Returns:
        At most `wishes.n` places.

    >>> [(p.at, p.score) for p in arrange(np.array([3.0, 2.0, 1.0]), Wishes(2, pinned={1: 2}))]
    [(2, 3.0), (0, 3.0)]
    >>> twins = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    >>> [p.at for p in arrange(np.array([3.0, 2.0, 1.0]), Wishes(2, diversity=0.5), twins)]
    [0, 2]
    """
    return _levelled(_Page(scores, wishes, alike, penalty, random).fill())


def spread(scores: Array) -> float:
    """Returns the best score less the worst of the proposed candidates; 1 when that is nothing.

    >>> spread(np.array([4.0, 1.5, -10_003.0]))
    2.5
    """
    proposed = scores[scores > UNPROPOSED]
    found = float(proposed.max() - proposed.min()) if len(proposed) else 0.0
    return found if found > 0 else 1.0


class _Page:
    def __init__(
        self,
        scores: Array,
        wishes: Wishes,
        alike: Array | None,
        penalty: Array | None,
        random: np.random.Generator | None,
    ) -> None:
        self._scores, self._wishes, self._alike, self._random = scores, wishes, alike, random
        unit = spread(scores)
        diversity = min(wishes.diversity, MOST_DIVERSE)
        self._weight = diversity / (1.0 - diversity) * unit
        self._rotation = np.zeros(len(scores)) if penalty is None else -wishes.rotate * unit * penalty
        self._heat = wishes.explore * unit
        self._worst = np.zeros(len(scores))  # largest likeness to an item above
        self._open = np.ones(len(scores), bool)
        self._open[list(wishes.pinned.values())] = False
        self._boosted = wishes.boosted if wishes.boosted is not None else np.zeros(len(scores), bool)
        self._paid = 0

    def fill(self) -> list[_Step]:
        waiting = sorted(self._wishes.pinned.items())
        steps: list[_Step] = []
        while len(steps) < self._wishes.n and (waiting or self._open.any()):
            # A page that is shorter than a pinned place ends with the pinned item.
            due = bool(waiting) and (waiting[0][0] <= len(steps) + 1 or not self._open.any())
            step = self._step(waiting.pop(0)[1], 1.0, "pinned") if due else self._chosen(len(steps) + 1)
            self._take(step)
            steps.append(step)
        return steps

    def _chosen(self, place: int) -> _Step:
        allowed = self._open
        owed = int(self._wishes.share * place + 1e-9) > self._paid and bool((allowed & self._boosted).any())
        if owed:
            allowed = allowed & self._boosted
        values = np.where(allowed, self._scores + self._rotation - self._weight * self._worst, -np.inf)
        if self._heat <= 0 or self._random is None:
            return self._step(int(values.argmax()), 1.0, "boost" if owed else "")
        chances = np.exp((values - values.max()) / self._heat)
        chances /= chances.sum()
        # Rounding may leave the sum of all chances below the number drawn; then the last candidate is drawn.
        last = int(np.flatnonzero(allowed)[-1])
        at = min(int(np.searchsorted(np.cumsum(chances), self._random.random(), "right")), last)
        return self._step(at, float(chances[at]), "boost" if owed else "explore")

    def _step(self, at: int, propensity: float, rule: str) -> _Step:
        diversity = -self._weight * float(self._worst[at])
        rotation = float(self._rotation[at])
        parts = [Adjustment(name, part) for name, part in (("rotation", rotation), ("diversity", diversity)) if part]
        return _Step(at, float(self._scores[at]) + rotation + diversity, propensity, rule, tuple(parts))

    def _take(self, step: _Step) -> None:
        self._open[step.at] = False
        self._paid += bool(self._boosted[step.at])
        if self._weight > 0 and self._alike is not None:
            self._worst = np.maximum(self._worst, self._alike[step.at])


def _levelled(steps: list[_Step]) -> list[Place]:
    """Levels scores so that none rises down the page.

    A pinned item takes the level of its neighbours; another is lifted, if at all, to the best score below it.
    """
    levels = [step.value for step in steps]
    below = -np.inf
    for at in reversed(range(len(steps))):
        levels[at] = max(levels[at], below)
        if steps[at].rule != "pinned":
            below = levels[at]
    above = np.inf
    for at in range(len(steps)):
        above = levels[at] = min(levels[at], above)
    return [_placed(step, level) for step, level in zip(steps, levels, strict=True)]


def _placed(step: _Step, level: float) -> Place:
    moved = level - step.value
    last = (Adjustment(step.rule or "order", moved),) if moved else ()
    return Place(step.at, level, step.propensity, (*step.parts, *last))


__all__ = ["UNPROPOSED", "Adjustment", "Place", "Wishes", "arrange", "spread"]
