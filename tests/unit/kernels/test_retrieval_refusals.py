"""Negative feedback: a refusal, a return or an impression without a click takes back, and lowers the item."""

import math
import random

import numpy as np
import pytest

from models import dimensions as dim
from models.kernels.retrieval import popularity, refusals
from models.recommender.recommender import Recommender, new_state
from models.recommender.types import RecommenderOptions
from tests import naive
from tests.support.streams.shop import START, ShopEvent, facts, stream

ROOMY = RecommenderOptions(items=100, users=80, categories=8, brands=8, test_every=1)
IMPRESSION, UNFAVOURITE, DISLIKE, RETURN = 5, 6, 7, 8


def taught(seed=1, count=1500):
    recommender, events = Recommender(new_state(ROOMY, seed), ROOMY), stream(count, seed)
    recommender.learn_events(events, [event.timestamp for event in events], facts())
    return recommender


NOW = START + 1e6


def rank_of(recommender, item, by=None, past=("i1",), kinds=(0,)):
    ranking = recommender.rank(list(past), [NOW - n for n in range(len(past))], list(kinds), NOW, limit=1000, by=by)
    return ranking.items.index(item) if item in ranking.items else 10**6


def refuse(recommender, item, kind, times=1):
    events = [ShopEvent(kind, f"critic{n}", item, NOW - 1000 + n) for n in range(times)]
    recommender.learn_events(events, [event.timestamp for event in events], facts())


@pytest.mark.parametrize("kind", [UNFAVOURITE, DISLIKE, RETURN])
def test_an_item_that_people_refuse_falls_for_everybody(kind):
    for by in ("popularity_short", "popularity_middle", "popularity_long", "ranker"):
        recommender = taught(2)
        third = recommender.rank(["i1"], [NOW], [0], NOW, limit=1000, by=by).items[2]
        refuse(recommender, third, kind, 25)
        assert rank_of(recommender, third, by) > 2, by


def test_the_factorization_machine_steps_away_from_refused_items():
    recommender = taught()
    before = recommender.rank(["i1"], [NOW], [0], NOW, limit=1000, by="machine")
    refuse(recommender, before.items[0], DISLIKE, 25)
    after = recommender.rank(["i1"], [NOW], [0], NOW, limit=1000, by="machine")
    gap = before.scores[0] - before.scores[1]
    scores = dict(zip(after.items, after.scores.tolist(), strict=True))
    assert scores[before.items[0]] - scores[before.items[1]] < gap - 0.1 * dim.REPEL


def test_an_item_ranks_lower_for_a_user_who_refused_it():
    """In a shop where nobody comes back to a refused item."""
    rng, recommender, now = random.Random(7), Recommender(new_state(ROOMY), ROOMY), START
    refused, events = {f"u{n}": set() for n in range(60)}, []
    for turn in range(3000):
        now += 30
        user = f"u{turn % 60}"
        item = rng.choice([f"i{n}" for n in range(40) if f"i{n}" not in refused[user]])
        events.append(ShopEvent(0, user, item, now))
        if rng.random() < 0.2 and len(refused[user]) < 20:
            events.append(ShopEvent(DISLIKE, user, item, now + 1))
            refused[user].add(item)
    recommender.learn_events(events, [event.timestamp for event in events])
    for item in ("i3", "i11", "i25"):
        with_it = recommender.rank([item, "i1"], [now, now - 9], [DISLIKE, 0], now + 60, limit=1000, by="ranker")
        without = recommender.rank(["i1"], [now - 9], [0], now + 60, limit=1000, by="ranker")
        assert with_it.items.index(item) > without.items.index(item)


def test_impressions_without_a_click_lower_an_item():
    recommender, now = taught(5), NOW
    both = [ShopEvent(0, f"v{n}", item, now + n) for n in range(20) for item in ("i40", "i41")]
    recommender.learn_events(both, [event.timestamp for event in both], facts())
    ignored, other = sorted(("i40", "i41"), key=lambda item: rank_of(recommender, item, "popularity_middle"))
    looks = [ShopEvent(IMPRESSION, f"w{n % 40}", ignored, now + 30 + n) for n in range(300)]
    recommender.learn_events(looks, [event.timestamp for event in looks], facts())
    for by in ("popularity_short", "popularity_middle", "popularity_long"):
        assert rank_of(recommender, ignored, by) > rank_of(recommender, other, by), by
    popular = recommender.popular(40).items
    assert popular.index(ignored) > popular.index(other)


def test_popularity_falls_by_the_share_of_the_events_and_never_by_more_than_half():
    applied, rate = 1000, popularity.RATE_MIDDLE
    key = dim.NEVER
    for touch in (900, 950, 990):
        key = popularity.grown(key, rate, touch)
    count = math.exp(key - rate * applied)
    assert math.exp(refusals.shrunk(key, rate, applied, 1.0) - rate * applied) == pytest.approx(count - 1, rel=1e-6)
    assert math.exp(refusals.shrunk(key, rate, applied, 9.0) - rate * applied) == pytest.approx(count / 2, rel=1e-6)
    assert refusals.shrunk(dim.NEVER, rate, applied, 1.0) == dim.NEVER
    assert refusals.shrunk(1.0, rate, 10**9, 1.0) == pytest.approx(1.0 - math.log(2))


def test_a_list_shows_the_lower_popularity_of_an_item_it_holds():
    recommender = taught(3)
    best = recommender.popular(1).items[0]
    row = recommender.state.keys["item"].rows[best]
    refuse(recommender, best, RETURN, 3)
    tops, stats = recommender.state.served.top_items, recommender.state.served.item_stats
    for life in range(3):
        places = np.flatnonzero(tops.item[life * dim.TOP : (life + 1) * dim.TOP] == row)
        assert [float(tops.key[life * dim.TOP + at]) for at in places] == [float(stats.key[row, life])]


def test_a_return_takes_the_purchase_out_of_the_memories():
    for seed in range(5):
        recommender = taught(seed, 400)
        past = [ShopEvent(0, "new one", f"i{n}", NOW + 10 * n) for n in (11, 12, 13)]
        recommender.learn_events(past, [event.timestamp for event in past], facts())
        before = _memories(recommender)
        bought = [ShopEvent(3, "new one", "i55", NOW + 200)]
        recommender.learn_events(bought, [NOW + 200.0], facts())
        assert _memories(recommender) != before
        recommender.learn_events([bought[0]._replace(kind=RETURN)], [NOW + 201.0], facts())
        after = _memories(recommender)
        for name, pairs in after.items():
            full = {owner for owner, _ in before[name]}
            for pair, count in pairs.items():
                if pair[1] == _row(recommender, "i55") or pair[0] == _row(recommender, "i55"):
                    # The half count that a full row handed on to the newcomer stays.
                    assert count <= before[name].get(pair, 0.0) * 1.001 + 1e-5 or pair[0] in full


def _row(recommender, item):
    return recommender.state.keys["item"].rows[item]


def _memories(recommender):
    served, count = recommender.state.served, len(recommender.state.keys["item"])
    widths = {"lag_memory": dim.LAG_SLOTS, "forward_memory": dim.WINDOW_SLOTS, "backward_memory": dim.WINDOW_SLOTS}
    return {
        name: {
            (owner, other): amount
            for owner in range(count)
            for other, amount in naive.retrieval.row(getattr(served, name), owner, width).items()
        }
        for name, width in widths.items()
    }


def test_signals_are_counts_that_fade():
    state = new_state(RecommenderOptions(items=4, users=2, categories=2, brands=2))
    state.add("item", "tea")
    signals, twin = state.served.item_signals, [0.0, 0.0, 0.0]
    rng = random.Random(8)
    for _ in range(5000):
        kind = rng.choice([0, 3, IMPRESSION, RETURN, 4])
        refusals.note(signals, 0, kind, np.float32(-1.5 if kind == RETURN else 1.0))
        if kind != 4:
            at = {IMPRESSION: 0, RETURN: 2}.get(kind, 1)
            twin[at] += 1.5 if kind == RETURN else 1.0
        if sum(twin) > dim.SIGNALS:
            twin = [value / 2 for value in twin]
    assert [signals.shown[0], signals.liked[0], signals.refused[0]] == pytest.approx(twin)


@pytest.mark.parametrize("kind", [UNFAVOURITE, DISLIKE, RETURN])
def test_the_first_refusal_of_all_lowers_the_item_for_this_user_in_the_rankers_order(kind):
    """Nobody refused anything before, so the ranker has never seen a refusal in a list."""
    events = [event for event in stream(1500, 2) if event.kind < UNFAVOURITE]
    recommender = Recommender(new_state(ROOMY), ROOMY)
    recommender.learn_events(events, [event.timestamp for event in events], facts())
    for item in recommender.rank(["i1"], [NOW], [0], NOW, limit=3, by="ranker").items:
        without = dict(zip(*recommender.rank(["i1"], [NOW - 9], [0], NOW, limit=1000, by="ranker")[:2], strict=True))
        refused = recommender.rank([item, "i1"], [NOW - 5, NOW - 9], [kind, 0], NOW, limit=1000, by="ranker")
        scores = dict(zip(refused.items, refused.scores, strict=True))
        assert scores[item] < without[item] - 1, item
        # By how much counts move an own item depends on which others are own items.
        assert all(scores[other] == without[other] for other in without if other not in {item, "i1"})
