"""Data whose answer is known: a checkerboard, and one whose colours change places.

Users and items are black or white; users take only items of their own colour, all but one, which is held out. A model
that has learned this puts the held-out item first among those the user has not had: recall@1 is exactly 1 (the test
that `implicit` gives its models). Then all users change colour, and the model has a stated time to follow.
"""

from __future__ import annotations

import numpy as np
import pytest
from river import optim

from models.estimators.factorization import FactorizationMachine
from models.estimators.linear import LinearRegressor
from models.estimators.listwise import ListwiseRanker
from models.recommender.recommender import Recommender, new_state
from models.recommender.types import RecommenderOptions
from tests.contract.subjects import NOW, Example

SIDE = 24
PERSONAL = ("window", "cosine", "machine", "ranker")
"""Contenders that use the user's history; popularity uses none, and `follows` only one item."""

RECOVERY_EVENTS = 3_000
"""Events after the colours changed until recall@1 over both colours is exactly 1 again, for the recommender: 125 per
item. Co-visitation holds 50 neighbours per item, and the old ones have to fade among the new."""

RECOVERY_EXAMPLES = 6_000
"""The same for the factorization machine by SGD at rate 0.05."""


def board(count: int, seed: int, colour: int = 0) -> list[Example]:
    """Users take items of their own colour, or, with colour 1, of the other, but for the one of their own number."""
    rng = np.random.default_rng(seed)
    found = []
    while len(found) < count:
        user, item = rng.integers(SIDE, size=2).tolist()
        if (user + item) % 2 == colour and item != held_out(user, colour):
            at = NOW + colour * 1e6 + 30.0 * len(found)
            found.append(Example(f"user{user}", f"item{item}", at, 1.0, 3))
    return found


def held_out(user: int, colour: int) -> int:
    """Return the held-out item of a user, of the colour that they take."""
    return (user + colour) % SIDE


class Shop:
    """A recommender and the histories of all users."""

    def __init__(self) -> None:
        self.settings = RecommenderOptions(items=100, users=100)
        self.model = Recommender(new_state(self.settings), self.settings)
        self.past: dict[str, list[Example]] = {}
        self.now = NOW

    def learn(self, events: list[Example]) -> None:
        self.model.learn_events(events, [event.timestamp for event in events])
        for event in events:
            self.past.setdefault(event.user_id, []).append(event)
        self.now = events[-1].timestamp + 30.0

    def recall(self, contender: str, colour: int) -> float:
        """Share of the users whose first recommendation among items not taken recently is the held-out one."""
        hits = 0
        for user in range(SIDE):
            own = [event for event in self.past[f"user{user}"][::-1] if event.timestamp >= NOW + colour * 1e6][:100]
            names, times = [event.item_id for event in own], [event.timestamp for event in own]
            ranking = self.model.rank(names, times, [3] * len(own), self.now, 200, by=contender)
            fresh = [item for item in ranking.items if item not in names]
            hits += fresh[0] == f"item{held_out(user, colour)}"
        return hits / SIDE


@pytest.mark.parametrize("contender", PERSONAL)
def test_recall_at_one_on_a_checkerboard_is_exactly_one(contender: str) -> None:
    shop = Shop()
    shop.learn(board(6_000, seed=1))
    assert shop.recall(contender, 0) == 1.0


@pytest.mark.parametrize("contender", PERSONAL)
def test_after_the_colours_changed_recall_is_exactly_one_again_within_the_stated_events(contender: str) -> None:
    shop = Shop()
    shop.learn(board(6_000, seed=1))
    changed = board(RECOVERY_EVENTS, seed=2, colour=1)
    shop.learn(changed[:48])  # two events a user
    assert shop.recall(contender, 1) < 1.0
    shop.learn(changed[48:])
    assert shop.recall(contender, 1) == 1.0


def taught(model: FactorizationMachine | LinearRegressor, count: int, seed: int, colour: int) -> None:
    """Draw pairs of both kinds, liked and not, but never a held-out one."""
    rng = np.random.default_rng(seed)
    for user, item in rng.integers(SIDE, size=(count, 2)).tolist():
        if item != held_out(user, colour):
            liked = 1.0 if (user + item) % 2 == colour else -1.0
            model.learn_one({"user": f"{user}", "item": f"{item}"}, liked)


def recall(model: FactorizationMachine, colour: int) -> float:
    """Share of the users for whom the held-out item scores above every item of the wrong colour."""
    hits = 0
    for user in range(SIDE):
        scores = [model.predict_one({"user": f"{user}", "item": f"{item}"}) for item in range(SIDE)]
        wrong = [score for item, score in enumerate(scores) if (user + item) % 2 != colour]
        hits += scores[held_out(user, colour)] > max(wrong)
    return hits / SIDE


def machine() -> FactorizationMachine:
    return FactorizationMachine(4, optim.SGD(0.05), optim.SGD(0.05), sigma=0.3)


def test_the_machine_learns_a_checkerboard_and_follows_when_it_drifts() -> None:
    model = machine()
    taught(model, 10_000, 1, 0)
    assert recall(model, 0) == 1.0
    assert recall(model, 1) == 0.0
    taught(model, RECOVERY_EXAMPLES, 2, 1)
    assert recall(model, 1) == 1.0


def test_a_linear_model_cannot_know_a_checkerboard_but_finds_exact_weights() -> None:
    """Without pairs of features the board has no answer; where there is one, it is found to six digits."""
    blind = LinearRegressor()
    taught(blind, 5_000, 1, 0)
    assert recall(blind, 0) < 0.5
    rng = np.random.default_rng(4)
    model, truth = LinearRegressor(optim.SGD(0.05), scale=False, intercept_lr=0.05), {"a": 2.0, "b": -3.0, "c": 0.5}
    for _ in range(4_000):
        x = {name: float(rng.normal()) for name in truth}
        model.learn_one(x, 1.5 + sum(truth[name] * value for name, value in x.items()))
    assert model.weights == pytest.approx(truth, abs=1e-6)
    assert model.intercept == pytest.approx(1.5, abs=1e-6)


def test_the_listwise_ranker_learns_a_checkerboard_of_pairs_and_follows_when_it_drifts() -> None:
    """Candidates carry the colours of user and item; after the change it has 500 lists. By SGD: AdaGrad, whose steps
    only shrink, needs longer for each change than for the one before."""
    model, rng = ListwiseRanker(optim.SGD(0.1)), np.random.default_rng(6)

    def candidates(user: int, items: list[int]) -> list[dict[str, str]]:
        return [{"colours": f"{user % 2} {item % 2}", "item": f"{item}"} for item in items]

    def lists(count: int, colour: int) -> None:
        for _ in range(count):
            user, items = int(rng.integers(SIDE)), rng.permutation(SIDE)[:6].tolist()
            right = [at for at, item in enumerate(items) if (user + item) % 2 == colour]
            if right:
                model.learn_one(candidates(user, items), right[0])

    def right_first(colour: int) -> float:
        best = [items[model.rank_one(candidates(user, items))[0]] for user, items in cases]
        return float(np.mean([(user + item) % 2 == colour for (user, _), item in zip(cases, best, strict=True)]))

    cases = [(user, [user % SIDE, (user + 1) % SIDE, (user + 3) % SIDE, (user + 5) % SIDE]) for user in range(SIDE)]
    lists(500, 0)
    assert right_first(0) == 1.0
    assert right_first(1) == 0.0
    lists(500, 1)
    cases = [(user, [(user + 1) % SIDE, user % SIDE, (user + 2) % SIDE, (user + 4) % SIDE]) for user in range(SIDE)]
    assert right_first(1) == 1.0
