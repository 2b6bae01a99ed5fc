"""Models that are fitted again each hour or day, as in a shop that does not learn online. Needs the package implicit.

At a boundary of the period the model is fitted on everything before it. The stream does not wait for the fit, which
favours the model. Between boundaries nothing changes: an item newer than the fit is not proposed; a user newer than the
fit gets the items that were most popular then.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from models.arrays import Array
from models.evaluation.rivals import Maker

FACTORS: Final = 64
"""Numbers per vector."""

HOUR: Final = 3600.0
DAY: Final = 24 * HOUR
MOST_FITS: Final = 400
"""Most fits of one contender in an evaluation: enough for a year of days."""


class Retrained:
    """A model of implicit, fitted again at each boundary of event time before it is next asked.

    Args:
        period: Seconds between two boundaries.
        seed: Seed of the model.
    """

    pointwise = False

    def __init__(self, period: float, seed: int) -> None:
        self._period, self._seed = period, seed
        self._users: dict[str, int] = {}
        self._pairs: list[tuple[int, int]] = []
        self._times: list[float] = []
        self._boundary = -math.inf
        self._fitted = 0
        self._fits = 0
        self._own = self._all = np.zeros((0, 0))
        self._popular = np.zeros(0)

    def learn(self, user: str, item: int, target: float, when: float) -> None:
        """Keep a wanted item until the next fit; a batch model has no use for sampled negatives."""
        if target > 0:
            self._pairs.append((self._users.setdefault(user, len(self._users)), item))
            self._times.append(when)

    def catch_up(self, when: float) -> None:
        """Fit on everything before the last boundary, unless that is done or there is nothing new."""
        boundary = math.floor(when / self._period) * self._period
        if boundary <= self._boundary:
            return
        self._boundary = boundary
        count = bisect_left(self._times, boundary)
        if count > self._fitted:
            self._fit(count)

    def _new_model(self) -> Any:
        raise NotImplementedError

    def _fit(self, count: int) -> None:
        from scipy import sparse
        from threadpoolctl import threadpool_limits

        users, items = np.array(self._pairs[:count]).T
        shape = (int(users.max()) + 1, int(items.max()) + 1)
        matrix = sparse.csr_matrix((np.ones(count, np.float32), (users, items)), shape=shape)
        # implicit runs its own threads; those of BLAS on top slow it down many times, and it warns about them.
        with threadpool_limits(1, "blas"):
            model = self._new_model()
            model.fit(matrix, show_progress=False)
        self._own, self._all = np.asarray(model.user_factors), np.asarray(model.item_factors)
        self._popular = np.bincount(items, minlength=shape[1]).astype(np.float64)
        self._fitted, self._fits = count, self._fits + 1

    def scores(self, user: str, count: int, when: float) -> Array:
        """Multiply vectors; a new user gets popularity at the fit, a newer item minus infinity."""
        del when
        found = np.full(count, -np.inf)
        row = self._users.get(user, len(self._own))
        known = self._all @ self._own[row] if row < len(self._own) else self._popular
        found[: len(known)] = np.where(self._popular > 0, known, -np.inf)[:count]
        return found

    def predicted(self, scores: Array) -> Array:
        """Return the scores, which predict no target: this is not used."""
        return scores

    def memory(self) -> int:
        """Count vectors, and the pairs kept for the next fit."""
        return int(self._own.nbytes + self._all.nbytes + 24 * len(self._pairs))

    def notes(self) -> dict[str, Any]:
        """Report the number of fits."""
        return {"fits": self._fits}


class RetrainedALS(Retrained):
    """`implicit.als.AlternatingLeastSquares`, fitted again each period."""

    def _new_model(self) -> Any:
        from implicit.als import AlternatingLeastSquares

        return AlternatingLeastSquares(factors=FACTORS, random_state=self._seed)


class RetrainedBPR(Retrained):
    """`implicit.bpr.BayesianPersonalizedRanking`, fitted again each period."""

    def _new_model(self) -> Any:
        from implicit.bpr import BayesianPersonalizedRanking

        return BayesianPersonalizedRanking(factors=FACTORS, random_state=self._seed)


def obstacle(period: float, times: Sequence[float]) -> str | None:
    """Say why a stream does not suit a model that is fitted each period; None if it does.

    Args:
        period: Seconds between two fits.
        times: Times of the sampled events, in epoch seconds.

    >>> obstacle(DAY, [0.0, 3600.0])
    'no boundary of 24 h lies within the stream'
    """
    fits = len({math.floor(time / period) for time in times}) - 1
    hours = f"{period / HOUR:g} h"
    if fits < 1:
        return f"no boundary of {hours} lies within the stream"
    return f"fitting it each {hours} would take {fits} fits; {MOST_FITS} are allowed" if fits > MOST_FITS else None


PERIODS: Final = {"als.hourly": HOUR, "als.daily": DAY, "bpr.hourly": HOUR, "bpr.daily": DAY}
"""Seconds between two fits, by name."""

BATCH: Final[dict[str, Maker]] = {
    name: partial(RetrainedALS if name.startswith("als") else RetrainedBPR, period) for name, period in PERIODS.items()
}
"""Makers by name."""
