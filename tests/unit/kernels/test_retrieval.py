"""Small kernels of the retrieval against their slow twins: popularity, lists, memories, history, the pool."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import dimensions as dim
from models.kernels import learning
from models.kernels.core import hashing
from models.kernels.retrieval import co_visitation as transitions
from models.kernels.retrieval import history, pool, popularity
from models.recommender.recommender import new_state
from models.recommender.scratch import new_scratch
from models.recommender.types import RecommenderOptions
from models.state.marks import Marks
from models.state.number_codes import codes, numbers
from tests import naive

SCRATCH = new_scratch()


@pytest.fixture(params=[1, 2, 3], ids=lambda seed: f"seed{seed}")
def rng(request):
    return np.random.default_rng(request.param)


def marks(rows):
    return Marks(rows).array


def test_forward_decay_is_the_sum_of_decayed_touches(rng):
    touches = [(number, int(rng.integers(8))) for number in range(3000)]
    keys = np.full(8, dim.NEVER)
    for number, item in touches:
        keys[item] = popularity.grown(keys[item], popularity.RATE_SHORT, number)
    expected = naive.retrieval.popularity(touches, 3000, naive.retrieval.RATES[0])
    for item, value in expected.items():
        assert popularity.log_popularity(keys[item], popularity.RATE_SHORT, 3000) == pytest.approx(value, abs=1e-9)


def test_the_top_list_is_exactly_the_largest_keys(rng):
    keys, items, listed = np.full(30, dim.NEVER), np.full(5, -1, np.int32), np.zeros(5)
    for number in range(500):
        item = int(rng.integers(30))
        keys[item] = popularity.grown(keys[item], popularity.RATE_SHORT, number)
        popularity.enlist(items, listed, marks(5), 0, 5, item, keys[item])
    out = np.zeros(5, np.int32)
    count = popularity.order(items, listed, 0, 5, out)
    assert items[out[:count]].tolist() == naive.core.best(keys.tolist(), 5)


def prices_noted(prices):
    state = new_state(RecommenderOptions(items=100, users=50, categories=8, brands=8))
    state.add("item", "thing")
    stats = state.served.item_stats
    for price in prices:
        learning.note_price(stats, 0, price)
    return float(stats.log_price[0])


def test_the_mean_price_is_that_of_its_twin(rng):
    prices = [0.0, math.inf, *rng.lognormal(3.0, 1.5, 200).tolist(), math.nan]
    assert prices_noted(prices) == pytest.approx(naive.retrieval.mean_log_price(prices), rel=1e-5)


def test_a_price_in_the_wrong_unit_counts_as_one_that_rose_by_two_thirds():
    usual = [9.9] * 10
    for wrong, moved in ((990.0, 0.05), (0.099, -0.05), (12.0, 0.1 * math.log(12.0 / 9.9))):
        assert prices_noted([*usual, wrong]) == pytest.approx(math.log(9.9) + moved, abs=1e-6)


@pytest.mark.parametrize("width", [6, 16, 20, dim.LAG_SLOTS, dim.WINDOW_SLOTS])
def test_a_memory_keeps_the_pairs_of_its_twin(rng, width):
    memory = naive.retrieval.Memory(width)
    others, counts = np.full(2 * width, -1, np.int32), np.zeros(2 * width, np.uint16)
    for event in range(60 * width):
        item, weight = int(rng.zipf(1.3) % (4 * width)), float(rng.random()) + 0.01
        memory.add(item, weight)
        transitions.add(others, counts, marks(2 * width), 1, width, item, weight, event)
    found = {int(i): float(c) for i, c in zip(others[width:], numbers(counts[width:]), strict=True)}
    assert found == pytest.approx({int(i): c for i, c in memory.pairs}, rel=1e-2)
    assert others[:width].tolist() == [-1] * width


@pytest.mark.parametrize("width", [2, 30, 50])
def test_a_removed_neighbour_hands_on_nothing(width):
    others, counts = np.arange(width, dtype=np.int32), codes(np.full(width, 5.0))
    others[width - 2], counts[width - 2] = -1, codes(np.array(9.0))
    transitions.add(others, counts, marks(width), 0, width, 77, 1.0, 3)
    assert (others[width - 2], numbers(counts)[width - 2]) == (77, 1.0)
    assert others.sum() == sum(range(width)) - (width - 2) + 77
    assert numbers(counts).sum() == 5.0 * (width - 1) + 1.0


EVENTS = st.lists(st.tuples(st.integers(-1, 6), st.integers(0, 9), st.integers(0, 8)), max_size=60)


@given(EVENTS)
@settings(deadline=None)
def test_a_list_from_a_request_and_the_ring_are_one_history(steps):
    now, when = 1_000_000, 1_000_000
    events = []
    for item, pause, kind in steps:
        when -= naive.core.kept_pause(pause * 500)
        events.append((item, when, kind))
    columns = np.array(events or np.zeros((0, 3)), np.int64).T.reshape(3, -1)
    history.take(SCRATCH.history, columns[0].astype(np.int32), columns[1], columns[2].astype(np.uint8), now)
    outside = read()
    assert [event[:3] for event in outside] == naive.retrieval.history(events)
    assert [event[3] for event in outside] == naive.retrieval.sessions(
        [event[1] for event in naive.retrieval.history(events)], now
    )
    learner = ring_of(reversed(events))
    history.recall(SCRATCH.history, *learner, 1, len(events), now, dim.RING)
    assert read() == outside


def ring_of(events):
    """Items, entries and time of the newest of the second of two users, who did these events, oldest first."""
    state = new_state(RecommenderOptions(items=300, users=2))
    for user in ("ann", "bob"):
        state.add("user", user)
    for item, when, kind in events:
        history.push(state.private.user_ring, state.private.user, 1, item, when, kind)
    return state.private.user_ring.item, state.private.user_ring.did, state.private.user.newest


@given(st.lists(st.integers(0, 40_000_000), min_size=1, max_size=150))
@settings(deadline=None)
def test_the_age_of_an_event_in_a_ring_is_within_a_two_hundred_and_fiftieth(pauses):
    moments = 1_500_000_000 + np.cumsum(pauses)
    learner = ring_of([(at, int(moment), dim.CART) for at, moment in enumerate(moments)])
    history.recall(SCRATCH.history, *learner, 1, len(pauses), int(moments[-1]), dim.RING)
    found, expected = read(), [*enumerate(moments.tolist())][: -dim.RING - 1 : -1]
    assert [(item, kind) for item, _, kind, _ in found] == [(item, dim.CART) for item, _ in expected]
    for (_, time, _, _), (_, moment) in zip(found, expected, strict=True):
        assert abs(time - moment) <= (moments[-1] - moment) / 256 + 1e-9


def test_an_event_behind_the_newest_of_its_user_counts_as_done_with_it():
    learner = ring_of([(1, 1_000, 0), (2, 1_060, 3), (3, 1_020, 0), (4, 1_100, 0)])
    history.recall(SCRATCH.history, *learner, 1, 4, 1_100, dim.RING)
    assert [(item, time) for item, time, _, _ in read()] == [(4, 1_100), (3, 1_060), (2, 1_060), (1, 1_000)]


def read():
    past, count = SCRATCH.history, SCRATCH.history.counts[0]
    columns = (past.items, past.times, past.kinds, past.sessions)
    return list(zip(*(column[:count].tolist() for column in columns), strict=True))


def put(events, now):
    columns = np.array(events or np.zeros((0, 3)), np.int64).T.reshape(3, -1)
    history.take(SCRATCH.history, columns[0].astype(np.int32), columns[1], columns[2].astype(np.uint8), now)


def test_the_history_without_an_order_is_the_one_from_before_it(rng):
    now = 100_000
    for _ in range(50):
        older = [(int(rng.integers(9)), now - 1 - 900 * int(rng.integers(9)), int(rng.integers(4))) for _ in range(12)]
        older.sort(key=lambda event: -event[1])
        lines = [(20 + n, now, dim.PURCHASE) for n in range(rng.integers(5))]
        put(older, now)
        before = read()
        put(lines + older, now)
        assert history.leave_order(SCRATCH.history, 50, now) == len(lines)
        assert read() == before
        count = int(SCRATCH.history.counts[0])
        assert SCRATCH.history.items[count : count + len(lines)].tolist() == [line[0] for line in lines]


@pytest.mark.parametrize(
    ("events", "item", "now"),
    [
        ([(1, 500, dim.CLICK), (2, 400, dim.PURCHASE)], 7, 500),
        ([(1, 500, dim.PURCHASE), (2, 500, dim.PURCHASE)], 2, 500),
        ([(1, 500, dim.PURCHASE), (2, 500, dim.PURCHASE)], 7, 501),
        ([], 7, 500),
    ],
    ids=["a click came last", "the item is in the order", "another moment", "nothing"],
)
def test_a_history_stays_as_it_is_where_no_order_can_be_left_out(events, item, now):
    put(events, now)
    before = read()
    assert history.leave_order(SCRATCH.history, item, now) == 0
    assert read() == before


def test_the_ring_overwrites_its_oldest():
    learner = ring_of([(at, 1000 + at, 0) for at in range(dim.RING + 5)])
    history.recall(SCRATCH.history, *learner, 1, dim.RING + 5, 5000, dim.RING)
    assert [event[:2] for event in read()] == [(at, 1000 + at) for at in range(dim.RING + 4, 4, -1)]


def test_a_full_pool_gives_the_place_of_the_least_popular_of_eight(rng):
    settings = RecommenderOptions(items=3000, users=4, categories=4, brands=4)
    state = new_state(settings)
    for item in range(1500):
        state.add("item", f"i{item}")
    served, private = state.served, state.private
    keys = served.item_stats.key
    keys[:1500, 2] = rng.normal(0, 1, 1500)
    random, copy = np.array([7], np.uint64), np.array([7], np.uint64)
    touches = rng.integers(0, 1500, 4000).tolist()
    for item in touches:
        pool.enter(served.pool, served.clock, private.item_pool, keys, item, random)
    expected = naive.retrieval.pool(
        touches, {item: float(keys[item, 2]) for item in range(1500)}, dim.POOL, lambda size: hashing.draw(copy, size)
    )
    assert served.pool.item[: served.clock.pooled[0]].tolist() == expected
    slots = private.item_pool.slot[:1500]
    assert {item: place for item, place in enumerate(slots.tolist()) if place >= 0} == {
        item: place for place, item in enumerate(expected)
    }
