"""Searches: items taken after one are remembered, within bounds, and come first when it is repeated."""

import random
from collections import defaultdict

import numpy as np
import pytest

from models import dimensions as dim
from models.kernels.retrieval import candidates, searches
from models.recommender.ranker import QUERY
from models.recommender.recommender import Recommender, new_state
from models.recommender.scratch import new_scratch
from models.recommender.types import RecommenderOptions
from models.records.queries import LONGEST, normalised
from tests import naive
from tests.support.streams.shop import START, ShopEvent

SETTINGS = RecommenderOptions(items=200, users=60, categories=4, brands=4, queries=16)
CLICK, SEARCH = 0, 4


def learn(events, settings=SETTINGS, cut=10**9):
    recommender = Recommender(new_state(settings), settings)
    for start in range(0, len(events), cut):
        part = events[start : start + cut]
        recommender.learn_events(part, [event.timestamp for event in part])
    return recommender


def searchers(count=600, queries=6, seed=3):
    """Users search one of a few things, in changing spelling, and click on one of three items that belong to it."""
    rng, now, events = random.Random(seed), START, []
    for _ in range(count):
        now += rng.choice([5, 60, 4000])
        user, wanted = f"u{rng.randrange(50)}", rng.randrange(queries)
        text = rng.choice([f"thing {wanted}", f" THING   {wanted}", f"Thíng {wanted}"])
        item = f"i{3 * wanted + rng.randrange(3)}"
        if rng.random() < 0.5:
            events += [ShopEvent(SEARCH, user, None, now, query=text), ShopEvent(CLICK, user, item, now + 3)]
        else:
            events.append(ShopEvent(CLICK, user, item, now, query=text))
        events.append(ShopEvent(CLICK, f"v{rng.randrange(9)}", f"i{rng.randrange(40)}", now + 4))
    return events


@pytest.mark.parametrize(
    ("text", "expected"),
    [("  Café  CRÈME\t", "cafe creme"), ("STRASSE", "strasse"), ("straße", "strasse"), (" \n", ""), ("ﬁn", "fin")],
)
def test_spelling_that_means_the_same_is_one_query(text, expected):
    assert normalised(text) == expected


def test_a_long_query_is_cut():
    assert len(normalised("ab " * 1000)) <= LONGEST


def test_items_taken_after_a_search_come_first_when_it_is_repeated():
    recommender = learn(searchers())
    now = START + 5e6
    for wanted in range(6):
        ranking = recommender.rank([], [], [], now, query=f"thing  {wanted}", limit=200)
        assert {f"i{3 * wanted + n}" for n in range(3)} == set(ranking.items[:3])
        assert ranking.sources[:3] == [QUERY] * 3
        plain = recommender.rank([], [], [], now, limit=200)
        assert set(plain.items[:3]) != set(ranking.items[:3])
        assert QUERY not in plain.sources
    assert recommender.rank([], [], [], now, query="never searched", limit=200).items == plain.items


def test_the_memory_holds_the_items_taken_with_each_query_or_within_a_session_of_it():
    events, expected, last = searchers(300), defaultdict(lambda: defaultdict(float)), {}
    recommender = learn(events)
    for event in events:
        text = normalised(event.query) if event.query else None
        if text is None and event.user_id in last:
            searched, when = last[event.user_id]
            text = searched if event.timestamp - when <= dim.SESSION_GAP else None
        if event.kind == SEARCH:
            last[event.user_id] = text, event.timestamp
        elif text is not None:
            expected[text][event.item_id] += 1
    served, ids = recommender.state.served, recommender.state.keys["item"].ids
    for text, row in recommender.state.keys["query"].rows.items():
        found = naive.retrieval.row(served.query_memory, row, dim.QUERY_SLOTS)
        assert {ids[item]: count for item, count in found.items()} == dict(expected[text])
        assert served.query_stats.total[row] == sum(expected[text].values())


def test_a_search_is_forgotten_after_half_an_hour_or_when_another_one_comes():
    state = new_state(SETTINGS)
    state.add("user", "ann")
    pending = state.private.user_query
    assert searches.in_force(pending, -1, 0, 100) == -1
    searches.wait(pending, 0, 7, 100)
    assert searches.in_force(pending, -1, 0, 100 + dim.SESSION_GAP) == 7
    assert searches.in_force(pending, 3, 0, 100) == 3
    assert searches.in_force(pending, -1, 0, 101 + dim.SESSION_GAP) == -1
    searches.wait(pending, 0, 2, 200)
    assert searches.in_force(pending, -1, 0, 210) == 2


def test_queries_are_bounded_and_the_least_recently_used_go():
    events = [ShopEvent(CLICK, "ann", f"i{n % 9}", START + n, query=f"text {n}") for n in range(400)]
    events = [e for pair in zip(events, (e._replace(query="kept") for e in events), strict=True) for e in pair]
    recommender = learn(events)
    queries = recommender.state.keys["query"].rows
    assert len(queries) <= 16
    assert {"kept", "text 399"} <= set(queries)
    assert "text 1" not in queries
    assert recommender.counters()["evicted_queries"] > 300
    assert recommender.state.digest() == learn(events, cut=7).state.digest()


def test_asking_with_a_query_allocates_nothing():
    recommender = learn(searchers(50))
    before = recommender.state.digest()
    recommender.rank([], [], [], START + 1e6, query="quite another thing")
    assert recommender.state.digest() == before


def test_candidates_of_a_query_are_its_whole_memory():
    recommender, scratch = learn(searchers(200)), new_scratch()
    served = recommender.state.served
    for row in range(len(recommender.state.keys["query"])):
        candidates.clear(scratch.union)
        candidates.add_query(scratch.union, served.query_memory, served.query_stats, row)
        count = int(scratch.union.counts[0])
        found = dict(
            zip(scratch.union.items[:count].tolist(), scratch.union.sums[:count, candidates.QUERY], strict=True)
        )
        total = float(served.query_stats.total[row])
        memory = naive.retrieval.row(served.query_memory, row, dim.QUERY_SLOTS)
        assert found == pytest.approx({item: amount / (total + 1) for item, amount in memory.items()}, rel=1e-5)
    candidates.clear(scratch.union)
    candidates.add_query(scratch.union, served.query_memory, served.query_stats, np.int64(-1))
    assert scratch.union.counts[0] == 0
