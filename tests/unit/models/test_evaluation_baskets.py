"""Baskets are asked about once, before any of their lines is learned, by all contenders alike; rivals against twins."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest

from models.dimensions import PURCHASE
from models.evaluation.basket_rivals import BETWEEN, GROUPS, OWN, WITHIN, PersonalFrequency, TifuKnn
from models.evaluation.baskets import LEAST, LINES, Basket, asked, basket_report, baskets, measured, rival_lists
from models.evaluation.evaluation import evaluate
from models.evaluation.protocol import Plan, Stream
from models.recommender.recommender import Recommender, new_state
from models.recommender.types import RecommenderOptions
from tests.support.streams.shop import START, ShopEvent
from tests.unit.models.test_evaluation import Steps

ROOMY = RecommenderOptions(items=100, users=50, categories=8, brands=8)
PLAN = Plan(k=5, every=50, seed=3, lists=0)


def orders(count: int, seed: int, lines: int = 3) -> list[ShopEvent]:
    """Orders of a few customers with favourites of their own, each order at one moment; some moments are shared."""
    rng = random.Random(seed)
    found = []
    for number in range(count):
        user = rng.randrange(12)
        liked = [f"i{(5 * user + rng.randrange(8)) % 40}" for _ in range(rng.randint(1, 2 * lines - 1))]
        when = START + 60.0 * (number - number % 2)
        found += [ShopEvent(PURCHASE, f"u{user}", item, when) for item in dict.fromkeys(liked)]
    return found


EVENTS = orders(400, 5)


def naive_frequencies(past: list[list[str]], items: list[str]) -> np.ndarray:
    """The vector of a user, as the paper writes it: groups of decayed baskets, decayed again."""
    size = -(-len(past) // GROUPS)
    groups: list[list[list[str]]] = []
    rest = list(past)
    while rest:
        groups.insert(0, rest[-size:])
        rest = rest[:-size]
    vectors = []
    for group in groups:
        each = [
            [WITHIN ** (len(group) - 1 - at) * (item in basket) for item in items] for at, basket in enumerate(group)
        ]
        vectors.append(np.mean(each, axis=0))
    weights = [BETWEEN ** (len(groups) - 1 - at) for at in range(len(groups))]
    return np.mean([weight * vector for weight, vector in zip(weights, vectors, strict=True)], axis=0)


@pytest.mark.parametrize("neighbours", [2, 300])
def test_tifu_knn_ranks_as_the_formulas_of_the_paper_do(neighbours: int) -> None:
    rival, past = TifuKnn(neighbours), {}
    for basket in baskets(EVENTS)[:150]:
        rival.learn(basket.user_id, basket.items)
        past.setdefault(basket.user_id, []).append(list(basket.items))
    items = sorted({item for each in past.values() for basket in each for item in basket})
    vectors = {user: naive_frequencies(each, items) for user, each in past.items()}
    for user, own in vectors.items():
        others = sorted((each for each in vectors if each != user), key=lambda o: np.linalg.norm(vectors[o] - own))
        near = np.mean([vectors[each] for each in others[:neighbours]], axis=0)
        scores = dict(zip(items, OWN * own + (1 - OWN) * near, strict=True))
        ranked = list(rival.ranked(user))
        got = [scores[item] for item in ranked]
        assert np.allclose(got, sorted(scores.values(), reverse=True), atol=1e-12)
        assert sorted(ranked) == items


def test_personal_frequencies_come_first_and_those_of_everybody_fill_up() -> None:
    rival, own, everybody = PersonalFrequency(), Counter(), Counter()
    for basket in baskets(EVENTS):
        rival.learn(basket.user_id, basket.items)
        everybody.update(basket.items)
        own.update(basket.items if basket.user_id == "u1" else ())
    ranked = list(rival.ranked("u1"))
    assert [own[item] for item in ranked[: len(own)]] == sorted(own.values(), reverse=True)
    rest = ranked[len(own) :]
    assert [everybody[item] for item in rest] == sorted((everybody[item] for item in rest), reverse=True)
    assert len(set(ranked)) == len(ranked) == len(everybody)


def test_baskets_are_asked_before_any_of_their_lines_is_learned() -> None:
    """A recommender that is stopped just before the first line gives the same list."""
    events = orders(120, 5)
    chosen = asked(baskets(events), len(events))
    result = evaluate(Stream(events, {}), PLAN, Steps(), {}, ROOMY)["baskets"]
    assert result["asked"] == len(chosen) > 20
    hits = []
    for basket in chosen:
        before = events[: basket.place]
        recommender = Recommender(new_state(ROOMY, PLAN.seed), _testing(ROOMY))
        recommender.learn_events(before, [event.timestamp for event in before], {})
        own = [event for event in reversed(before) if event.user_id == basket.user_id]
        shown = recommender.rank(
            [e.item_id for e in own], [e.timestamp for e in own], [e.kind for e in own], basket.when, PLAN.k
        ).items
        hits.append(measured(basket, shown, PLAN.k))
    assert result["contenders"]["served"]["recall@5"] == pytest.approx(np.mean(hits, axis=0)[0], abs=1e-4)


def _testing(options: RecommenderOptions) -> RecommenderOptions:
    from dataclasses import replace

    return replace(options, test_every=PLAN.every)


def test_a_rival_is_asked_before_it_learns_the_basket() -> None:
    found = baskets(EVENTS)
    chosen = asked(found, len(EVENTS))
    lists = rival_lists(found, chosen, 5, PersonalFrequency)
    for basket, shown in zip(chosen, lists, strict=True):
        rival = PersonalFrequency()
        for each in found[: found.index(basket)]:
            rival.learn(each.user_id, each.items)
        assert shown == [item for item, _ in zip(rival.ranked(basket.user_id), range(5), strict=False)]


def test_a_stream_of_single_purchases_has_no_figures_by_basket() -> None:
    single = orders(300, 7, lines=1)
    assert sum(1 for _ in single) < LINES * len(baskets(single))
    assert asked(baskets(single), len(single)) == []
    assert evaluate(Stream(single, {}), PLAN, Steps(), {}, ROOMY)["baskets"] is None
    assert asked(baskets(EVENTS)[:LEAST], len(EVENTS)) == []


def test_repeats_and_new_items_are_told_apart() -> None:
    basket = Basket(0, "ann", 1.0, ("tea", "jam", "oil"), frozenset({"tea"}))
    shown = ["jam", "tea", "pot"]
    assert measured(basket, shown, 3)[:3] == (pytest.approx(2 / 3), 1.0, 1.0)
    assert measured(basket, shown, 3, "repeats")[:3] == (1.0, 1.0, 0.5)
    assert measured(basket, shown, 3, "new")[:3] == (0.5, 1.0, 1.0)
    assert measured(basket, shown, 1, "repeats") == (0.0, 0.0, 0.0, 0.0)


def test_the_served_order_is_held_against_the_rival_with_the_best_recall() -> None:
    found = baskets(EVENTS)
    chosen = asked(found, len(EVENTS))
    right = [[*basket.items] for basket in chosen]
    nothing: list[list[str]] = [[] for _ in chosen]
    lists = {"served": nothing, "personal_frequency": nothing, "tifu_knn": right}
    report = basket_report(found, chosen, lists, Plan(k=20))
    assert report["best_rival"] == "tifu_knn"
    assert report["ratio_to_best_rival"] == 0.0
    assert report["contenders"]["tifu_knn"]["recall@20"] == report["contenders"]["tifu_knn"]["ndcg@20"] == 1.0
