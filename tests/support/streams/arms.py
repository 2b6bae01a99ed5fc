"""Made-up users of two arms, some of them many times as busy as others, and the lift that is told at every look."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from models.experiments.intervals import Sum, ratio
from models.experiments.tallies import GROUPS

INFINITE = float("inf")


class Told(NamedTuple):
    """Bounds of a lift at one look."""

    low: float
    high: float


def lifts(
    seed: int, *, lift: float = 0.0, users: int = 500, share: float = 0.5, looks: int = 8, alpha: float = 0.05
) -> list[Told]:
    """Returns the bounds of the lift of the first arm over the second at each look, from the first 100 slates on.

    Each user clicks on a share of the slates that is the user's own, and comes a few times, or, one in some, often.

    Args:
        seed: of everything random.
        lift: how much more the users of the first arm click.
        users: how many there are.
        share: of the users that are in the first arm.
        looks: how often one looks, ever more slates apart.
        alpha: probability that an interval is ever wrong.
    """
    rng = np.random.default_rng(seed)
    first, group = rng.random(users) < share, rng.integers(0, GROUPS, users)
    visits = 1 + np.minimum(rng.poisson(4, users) * rng.choice([1, 6], users, p=[0.95, 0.05]), 60)
    taste = np.minimum(rng.beta(1.5, 8.0, users) * np.where(first, 1.0 + lift, 1.0), 1.0)
    who = np.repeat(np.arange(users), visits)
    who = who[rng.permutation(len(who))]
    when = np.flatnonzero(rng.random(len(who)) < taste[who])
    place = np.where(first, group, GROUPS + group)[who[when]]
    told = []
    for look in np.unique(np.geomspace(100, len(who), looks).astype(int)):
        sums = np.bincount(place[: int(np.searchsorted(when, look))], minlength=2 * GROUPS)
        arms = [(sums[:GROUPS], share), (sums[GROUPS:], 1.0 - share)]
        ours, theirs = (Sum((each / part).tolist(), float(each.sum()) / part**2, 1.0 / part) for each, part in arms)
        found = ratio(ours, theirs, alpha)
        low, high = found.low, found.high
        told.append(Told(-INFINITE if low is None else low - 1.0, INFINITE if high is None else high - 1.0))
    return told
