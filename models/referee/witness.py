"""Runs River regressors on a sample of the events, for comparison. They are never served and never in a version.

A witness learns pointwise: the event's weight for the event's item, 0 for one item drawn from the pool. Before that it
ranks the item among 99 others drawn from the pool of the factorization machine; `hr` is rank <= 10 of those 100, `rr`
is 1 / rank within 10. These are sampled lists: their figures compare witnesses with each other and over time, and are
higher than those of contenders that rank the catalogue.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import xxhash

from models.recommender import EventLike

DEFAULT_WITNESSES: dict[str, dict[str, Any]] = {
    "river.facto.FMRegressor": {"n_factors": 8, "seed": 1, "clip_gradient": 1.0},
    "river.linear_model.LinearRegression": {"clip_gradient": 1.0},
}

BUCKETS = 1 << 13
"""Users, and items, that a witness can tell apart. Ids are hashed, because River's predict_one makes a row for each new
one. 8,192 of either keep a machine with 8 factors below 10 MB."""

OTHERS = 99
"""Items drawn for each judged event."""

DEPTH = 10
"""Ranks that count as a hit."""

FADE = 0.999
"""Decay of the figures per judged event: they cover about the last thousand."""

CORE_SHARE = 0.05
"""Share of one core for all witnesses of a learner together."""

_ABSURD = 1e6
"""Targets lie between 0 and 2: a model that predicts a million is diverging and is made again."""

_GRACE = 0.2  # seconds of work allowed before the budget applies: otherwise the first event would never fit


class UnknownWitnessError(ValueError):
    """The path does not name a regressor of River. The message says what to write instead."""


def build(path: str, parameters: Mapping[str, Any]) -> Any:
    """Make the River regressor at an import path inside ``river.``, with its parameters.

    >>> build("river.linear_model.LinearRegression", {}).__class__.__name__
    'LinearRegression'
    >>> build("os.system", {})
    Traceback (most recent call last):
    models.referee.witness.UnknownWitnessError: witness 'os.system': write a path like river.facto.FMRegressor
    """
    module, _, name = path.rpartition(".")
    if module.split(".")[0] != "river" or not name:
        raise UnknownWitnessError(f"witness {path!r}: write a path like river.facto.FMRegressor")
    try:
        made = getattr(importlib.import_module(module), name)(**parameters)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise UnknownWitnessError(f"witness {path!r} with {dict(parameters)!r}: {error}") from error
    if not (hasattr(made, "predict_one") and hasattr(made, "learn_one")) or made._supervised is False:
        raise UnknownWitnessError(f"witness {path!r} is no regressor: it must have learn_one(x, y) and predict_one(x)")
    return made


class Witness:
    """One River regressor and its running figures."""

    def __init__(self, path: str, parameters: Mapping[str, Any]) -> None:
        self.path = path
        self._parameters = dict(parameters)
        self._model = build(path, parameters)
        self.judged = 0
        self.resets = 0
        self._weight = self._hits = self._reciprocal = self._squares = 0.0

    def judge(self, event: EventLike, weight: float, others: Sequence[str]) -> None:
        """Rank the event's item among others, add the rank to the figures, then learn the item and one of the others.

        Args:
            event: A positive event.
            weight: Its weight in learning, the target.
            others: Items to rank it among; the first one is learned with target 0.
        """
        scores = [self._predict(_fields(event.user_id, item)) for item in (event.item_id or "", *others)]
        if not all(math.isfinite(score) and abs(score) < _ABSURD for score in scores):
            self._model, self.resets = build(self.path, self._parameters), self.resets + 1
            return
        rank = sum(score >= scores[0] for score in scores)
        self._note(rank, (scores[0] - weight) ** 2)
        self._model.learn_one(_fields(event.user_id, event.item_id or ""), weight)
        if others:
            self._model.learn_one(_fields(event.user_id, others[0]), 0.0)

    def _predict(self, fields: dict[str, float]) -> float:
        return float(self._model.predict_one(fields))

    def _note(self, rank: int, square: float) -> None:
        hit = float(rank <= DEPTH)
        self.judged += 1
        self._weight = FADE * self._weight + 1
        self._hits = FADE * self._hits + hit
        self._reciprocal = FADE * self._reciprocal + hit / rank
        self._squares = FADE * self._squares + square

    def scores(self) -> dict[str, float]:
        """Return fading hit rate `hr`, reciprocal rank `rr`, squared error `se`, events judged `n`, and `resets`."""
        weight = max(self._weight, 1e-12)
        return {
            "hr": self._hits / weight,
            "rr": self._reciprocal / weight,
            "se": self._squares / weight,
            "n": self.judged,
            "resets": self.resets,
        }


class Witnesses:
    """All witnesses of one learner, kept below their share of a core.

    Args:
        clock: A monotonic clock, in seconds.
        declared: Import path -> parameters of each witness.
        core_share: Share of one core for all of them together.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        declared: Mapping[str, Mapping[str, Any]] = DEFAULT_WITNESSES,
        core_share: float = CORE_SHARE,
    ) -> None:
        self.members = [Witness(path, parameters) for path, parameters in declared.items()]
        self._clock = clock
        self._core_share = core_share
        self._started = clock()
        self.spent = 0.0
        self.passed_over = 0

    def watch(self, events: Sequence[EventLike], weights: Sequence[float], pool: Sequence[str], number: int) -> None:
        """Judge as many events of a batch as time allows, picked by a hash of their number.

        Args:
            events: The batch.
            weights: Weight in learning of each event.
            pool: Ids of items to draw others from.
            number: Number of the first event in the stream.
        """
        if not self.members or not pool:
            return
        for done, at in enumerate(sorted(range(len(events)), key=lambda at: _hash(str(number + at)))):
            if self.spent > _GRACE + self._core_share * (self._clock() - self._started):
                self.passed_over += len(events) - done
                return
            if events[at].item_id is not None and weights[at] > 0:
                self._judge(events[at], weights[at], pool, number + at)

    def _judge(self, event: EventLike, weight: float, pool: Sequence[str], number: int) -> None:
        began = self._clock()
        drawn = (pool[_hash(f"{number}.{at}") % len(pool)] for at in range(OTHERS))
        others = [item for item in drawn if item != event.item_id]
        for member in self.members:
            member.judge(event, weight, others)
        self.spent += self._clock() - began

    def scores(self) -> dict[str, dict[str, float]]:
        """Return the figures of each witness, by path."""
        return {member.path: member.scores() for member in self.members}


def _hash(text: str) -> int:
    return xxhash.xxh3_64_intdigest(text.encode())


def _fields(user: str, item: str) -> dict[str, float]:
    return {f"u{_hash(user) % BUCKETS}": 1.0, f"i{_hash(item) % BUCKETS}": 1.0}
