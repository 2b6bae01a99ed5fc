"""Gives regressors, the ranker and all contenders one set of verbs, so that one contract can check them all.

An example is (user, item, second, target): the user met the item at that second; the target is how much they liked it.
"""

from __future__ import annotations

import hashlib
import itertools
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from models.estimators.base import TableRegressor
from models.estimators.factorization import FactorizationMachine
from models.estimators.feature_table import FeatureTable
from models.estimators.linear import LinearRegressor
from models.estimators.listwise import ListwiseRanker
from models.estimators.snapshot import dump, load
from models.recommender.prequential import CONTENDERS
from models.recommender.recommender import Recommender, new_state
from models.recommender.types import RecommenderOptions
from models.referee.witness import OTHERS, Witness
from models.state.state import State

NOW = 1_700_000_000


class Example(NamedTuple):
    """One event, as models/recommender/recommender.py wants it, with a target."""

    user_id: str
    item_id: str
    timestamp: float
    target: float
    kind: int = 0
    price: float | None = None


class Subject(ABC):
    """A model under contract. `learned` and `scored` count its calls, so that no check passes without asking it."""

    name: str
    batches = True
    """Whether it has a verb for many examples at once."""
    predicts = True
    """Whether it can predict without learning."""
    snapshots = True
    """Whether it has snapshots."""

    def __init__(self) -> None:
        self.learned = self.scored = 0

    @abstractmethod
    def learn(self, examples: Sequence[Example]) -> None:
        """Learn examples one by one."""

    def learn_at_once(self, examples: Sequence[Example]) -> None:
        """Learn examples in one call."""
        raise NotImplementedError

    @abstractmethod
    def scores(self, example: Example, items: Sequence[str]) -> list[float]:
        """Score items for the user of an example, at its moment."""

    @abstractmethod
    def digest(self) -> str:
        """Hash every learned byte."""

    @abstractmethod
    def rows(self) -> int:
        """Count the allocated rows."""

    def copied(self) -> Subject:
        """Make another one from a snapshot of this one."""
        raise NotImplementedError


class OfRegressor(Subject):
    """Our two regressors: user and item as categories, the hour as a number."""

    def __init__(self, name: str, model: TableRegressor) -> None:
        super().__init__()
        self.name, self.model = name, model

    @staticmethod
    def features(example: Example, item: str) -> dict[str, Any]:
        return {"user": example.user_id, "item": item, "hour": example.timestamp / 3600 % 24}

    def learn(self, examples: Sequence[Example]) -> None:
        for example in examples:
            self.model.learn_one(self.features(example, example.item_id), example.target)
        self.learned += len(examples)

    def learn_at_once(self, examples: Sequence[Example]) -> None:
        frame = pd.DataFrame([self.features(example, example.item_id) for example in examples])
        self.model.learn_many(frame, pd.Series([example.target for example in examples]))
        self.learned += len(examples)

    def scores(self, example: Example, items: Sequence[str]) -> list[float]:
        self.scored += len(items)
        return [self.model.predict_one(self.features(example, item)) for item in items]

    def digest(self) -> str:
        return hashlib.sha256(dump(self.model)).hexdigest()

    def rows(self) -> int:
        return len(self.model._names)

    def copied(self) -> Subject:
        other = OfRegressor(self.name, self.model.clone())
        load(other.model, dump(self.model))
        return other


class OfListwise(Subject):
    """The listwise ranker: which of four items was taken."""

    name, batches = "ListwiseRanker", False

    def __init__(self, model: ListwiseRanker) -> None:
        super().__init__()
        self.model = model

    @staticmethod
    def features(example: Example, item: str) -> dict[str, Any]:
        return {"item": item, "pair": f"{example.user_id} {item}", "hour": example.timestamp / 3600 % 24}

    def learn(self, examples: Sequence[Example]) -> None:
        for example in examples:
            items = [example.item_id, "other-1", "other-2", "other-3"]
            self.model.learn_one([self.features(example, item) for item in items], 0)
        self.learned += len(examples)

    def scores(self, example: Example, items: Sequence[str]) -> list[float]:
        self.scored += len(items)
        return self.model.predict_one([self.features(example, item) for item in items])

    def digest(self) -> str:
        return hashlib.sha256(dump(self.model)).hexdigest()

    def rows(self) -> int:
        return len(self.model._names)

    def copied(self) -> Subject:
        other = OfListwise(self.model.clone())
        load(other.model, dump(self.model))
        return other


class OfRecommender(Subject):
    """The recommender, ordered by one of its contenders: a score for each candidate of a user's history."""

    def __init__(self, contender: str, settings: RecommenderOptions, seed: int = 1, state: State | None = None) -> None:
        super().__init__()
        self.name = contender
        self.model = Recommender(state or new_state(settings, seed), settings)
        self.past: dict[str, list[Example]] = {}

    def learn(self, examples: Sequence[Example]) -> None:
        for example in examples:
            self._learn([example])

    def learn_at_once(self, examples: Sequence[Example]) -> None:
        self._learn(examples)

    def _learn(self, examples: Sequence[Example]) -> None:
        self.model.learn_events(examples, [example.timestamp for example in examples])
        for example in examples:
            self.past.setdefault(example.user_id, []).append(example)
        self.learned += len(examples)

    def scores(self, example: Example, items: Sequence[str]) -> list[float]:
        self.scored += len(items)
        ranking = self.ranking(example, items)
        found = dict(zip(ranking.items, ranking.scores.tolist(), strict=True))
        return [found.get(item, float("-inf")) if item in self.model.state.keys["item"].rows else 0.0 for item in items]

    def ranking(self, example: Example, items: Sequence[str] = ()) -> Any:
        before = self.past.get(example.user_id, [])[::-1][:100]
        by = None if self.name == "served" else self.name
        names, times = [past.item_id for past in before], [past.timestamp for past in before]
        return self.model.rank(names, times, [0] * len(names), example.timestamp, 2000, extra=items, by=by)

    def digest(self) -> str:
        return self.model.state.digest()

    def rows(self) -> int:
        return sum(len(keys) for keys in self.model.state.keys.values())

    def copied(self) -> Subject:
        state = State(self.model.state.schema, self.model.settings.ceilings())
        state.apply(self.model.state.full())
        other = OfRecommender(self.name, self.model.settings, state=state)
        other.past = self.past
        return other


class OfWitness(Subject):
    """A River regressor behind the witness's adapter.

    It is never served and never in a version, so it has no snapshot. River's own prediction makes rows, which the
    adapter bounds by hashing ids.
    """

    batches = predicts = snapshots = False

    def __init__(self, path: str, parameters: dict[str, Any]) -> None:
        super().__init__()
        self.name, self._made = path, parameters
        self.model = Witness(path, parameters)

    def learn(self, examples: Sequence[Example]) -> None:
        others = [f"other-{at}" for at in range(min(OTHERS, 5))]
        for example in examples:
            self.model.judge(example, example.target, others)
        self.learned += len(examples)
        self.scored += len(examples)

    def scores(self, example: Example, items: Sequence[str]) -> list[float]:
        del items  # it knows no other way to be asked than to be taught
        self.learn([example])
        return list(self.model.scores().values())

    def digest(self) -> str:
        model = self.model._model
        learned = {
            name: repr(getattr(model, name)) for name in ("weights", "latents", "intercept") if hasattr(model, name)
        }
        return hashlib.sha256(repr((learned, self.model.scores())).encode()).hexdigest()

    def rows(self) -> int:
        return len(self.model._model.weights)


SMALL = RecommenderOptions(items=400, users=200, categories=20, brands=20)

REGRESSORS: dict[str, type[FeatureTable]] = {
    "FactorizationMachine": FactorizationMachine,
    "LinearRegressor": LinearRegressor,
    "ListwiseRanker": ListwiseRanker,
}
WITNESSES: dict[str, dict[str, Any]] = {
    "river.facto.FMRegressor": {"n_factors": 4, "seed": 1, "clip_gradient": 1.0},
    "river.linear_model.LinearRegression": {"clip_gradient": 1.0},
}
NAMES = (*REGRESSORS, *CONTENDERS, *WITNESSES)


def kind_of(name: str) -> type[Subject]:
    """The class of a subject, which says what it cannot do. Nothing is made, and River is not loaded."""
    if name == OfListwise.name:
        return OfListwise
    return OfRegressor if name in REGRESSORS else OfWitness if name in WITNESSES else OfRecommender


def made(name: str, *, max_features: int = 5000) -> Subject:
    """Make a new subject; equal calls give equal ones."""
    if name == "ListwiseRanker":
        return OfListwise(ListwiseRanker(max_features=max_features))
    if name in REGRESSORS:
        return OfRegressor(name, REGRESSORS[name](max_features=max_features))
    if name in WITNESSES:
        return OfWitness(name, WITNESSES[name])
    return OfRecommender(name, SMALL)


def examples(count: int, seed: int = 1) -> list[Example]:
    """Make examples of ten users and thirty items, a minute apart; each user likes their own third of the items."""
    drawn = itertools.count(seed * 7919)
    found = []
    for at in range(count):
        mixed = (next(drawn) * 2654435761) >> 7
        user, place = mixed % 10, (mixed >> 9) % 10
        liked = (mixed >> 17) % 4 > 0
        item = place * 3 + (user % 3 if liked else (user + 1) % 3)
        found.append(Example(f"user{user}", f"item{item}", NOW + 60.0 * at, 1.0 if liked else 0.0))
    return found
