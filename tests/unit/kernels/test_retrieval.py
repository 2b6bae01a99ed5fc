"""Small kernels against their slow twins: popularity, lists, memories, selection, history, the pool."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import dimensions as dim
from models.kernels import learning
from models.kernels.core import hashing
from models.kernels.core import top_k as selection
from models.kernels.ranking import fallback as guard
from models.kernels.ranking import listwise as ranking
from models.kernels.ranking import newton
from models.kernels.ranking import prequential as racing
from models.kernels.retrieval import co_visitation as transitions
from models.kernels.retrieval import history, pool, popularity
from models.recommender.recommender import new_state
from models.recommender.scratch import new_scratch
from models.recommender.types import RecommenderOptions
from models.state.marks import Marks
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
    expected = naive.popularity(touches, 3000, naive.RATES[0])
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
    assert items[out[:count]].tolist() == naive.best(keys.tolist(), 5)


def prices_noted(prices):
    state = new_state(RecommenderOptions(items=100, users=50, categories=8, brands=8))
    state.add("item", "thing")
    stats = state.served.item_stats
    for price in prices:
        learning.note_price(stats, 0, price)
    return float(stats.log_price[0])


def test_the_mean_price_is_that_of_its_twin(rng):
    prices = [0.0, math.inf, *rng.lognormal(3.0, 1.5, 200).tolist(), math.nan]
    assert prices_noted(prices) == pytest.approx(naive.mean_log_price(prices), rel=1e-5)


def test_a_price_in_the_wrong_unit_counts_as_one_that_rose_by_two_thirds():
    usual = [9.9] * 10
    for wrong, moved in ((990.0, 0.05), (0.099, -0.05), (12.0, 0.1 * math.log(12.0 / 9.9))):
        assert prices_noted([*usual, wrong]) == pytest.approx(math.log(9.9) + moved, abs=1e-6)


@pytest.mark.parametrize("width", [6, 16, 20, dim.LAG_SLOTS, dim.WINDOW_SLOTS])
def test_a_memory_keeps_what_its_twin_keeps(rng, width):
    memory = naive.Memory(width)
    others, counts = np.full(2 * width, -1, np.int32), np.zeros(2 * width, np.float32)
    for _ in range(60 * width):
        item, weight = int(rng.zipf(1.3) % (4 * width)), float(rng.random()) + 0.01
        memory.add(item, weight)
        transitions.add(others, counts, marks(2 * width), 1, width, item, weight)
    found = {int(i): float(c) for i, c in zip(others[width:], counts[width:], strict=True)}
    assert found == pytest.approx({int(i): c for i, c in memory.pairs}, rel=1e-4)
    assert others[:width].tolist() == [-1] * width


@pytest.mark.parametrize("width", [2, 30, 50])
def test_a_removed_neighbour_hands_on_nothing(width):
    others, counts = np.arange(width, dtype=np.int32), np.full(width, 5.0, np.float32)
    others[width - 2], counts[width - 2] = -1, 9.0
    transitions.add(others, counts, marks(width), 0, width, 77, 1.0)
    assert (others[width - 2], counts[width - 2]) == (77, 1.0)
    assert others.sum() == sum(range(width)) - (width - 2) + 77
    assert counts.sum() == 5.0 * (width - 1) + 1.0


@given(st.lists(st.floats(-5, 5, width=16), max_size=80), st.integers(1, 20))
@settings(deadline=None)
def test_selection_equals_sorting(scores, size):
    heap, keys, count = np.zeros(20, np.int32), np.zeros(20, np.float32), 0
    for place, score in enumerate(scores):
        count = selection.offer(heap, keys, count, size, place, score)
    selection.finish(heap, keys, count)
    assert heap[:count].tolist() == naive.best(scores, size)


@given(st.lists(st.integers(0, 2**31 - 2), unique=True, max_size=200))
@settings(deadline=None)
def test_the_map_finds_what_was_put_and_nothing_else(keys):
    table, slots = np.full(512, -1, np.int32), np.zeros(512, np.int32)
    for slot, key in enumerate(keys):
        assert hashing.find(table, slots, key) == -1
        hashing.put(table, slots, key, slot)
    assert [hashing.find(table, slots, key) for key in keys] == list(range(len(keys)))


def test_hashed_shares_are_even_and_independent():
    trained = np.array([hashing.share(np.uint64(1), number, 0) for number in range(4000)])
    tested = np.array([hashing.share(np.uint64(1), number, 1) for number in range(4000)])
    assert abs((trained < 0.25).mean() - 0.25) < 0.03
    assert abs(((trained < 0.25) & (tested < 0.25)).mean() - 0.0625) < 0.02


EVENTS = st.lists(st.tuples(st.integers(-1, 6), st.integers(0, 9), st.integers(0, 8)), max_size=60)


@given(EVENTS)
@settings(deadline=None)
def test_a_list_from_outside_and_the_ring_are_one_history(steps):
    now, when = 1_000_000, 1_000_000
    events = []
    for item, pause, kind in steps:
        when -= pause * 500
        events.append((item, when, kind))
    columns = np.array(events or np.zeros((0, 3)), np.int64).T.reshape(3, -1)
    history.take(SCRATCH.history, columns[0].astype(np.int32), columns[1], columns[2].astype(np.uint8), now)
    outside = read()
    assert [event[:3] for event in outside] == naive.history(events)
    assert [event[3] for event in outside] == naive.sessions([event[1] for event in naive.history(events)], now)
    ring = [np.zeros(2 * dim.RING, dtype) for dtype in (np.int32, np.uint32, np.uint8)]
    for at, event in enumerate(reversed(events)):
        for column, value in zip(ring, event, strict=True):
            column[dim.RING + at] = value
    history.recall(SCRATCH.history, *ring, 1, len(events), now, dim.RING)
    assert read() == outside


def read():
    past, count = SCRATCH.history, SCRATCH.history.counts[0]
    columns = (past.items, past.times, past.kinds, past.sessions)
    return list(zip(*(column[:count].tolist() for column in columns), strict=True))


def test_the_ring_overwrites_its_oldest():
    ring = [np.zeros(dim.RING, dtype) for dtype in (np.int32, np.uint32, np.uint8)]
    for at in range(dim.RING + 5):
        for column, value in zip(ring, (at, 1000 + at, 0), strict=True):
            column[at % dim.RING] = value
    history.recall(SCRATCH.history, *ring, 0, dim.RING + 5, 5000, dim.RING)
    assert [event[0] for event in read()] == list(range(dim.RING + 4, 4, -1))


@given(st.lists(st.sampled_from([0.0, 1.0, 2.0, dim.ABSENT]), min_size=1, max_size=12), st.data())
@settings(deadline=None)
def test_a_rank_counts_ties_against_the_target(scores, data):
    target = data.draw(st.integers(-1, len(scores) - 1))
    assert racing.rank_of(np.array(scores, np.float32), len(scores), target) == naive.rank_of(
        [float(np.float32(score)) for score in scores], target
    )


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 1.0, dim.ABSENT]), st.sampled_from([-2.0, 5.0])), min_size=1), st.data()
)
@settings(deadline=None)
def test_a_source_is_judged_with_popularity_behind_what_it_proposes(pairs, data):
    target = data.draw(st.integers(-1, len(pairs) - 1))
    scores, rest = (np.array(column, np.float32) for column in zip(*pairs, strict=True))
    expected = naive.rank_with_rest(scores.tolist(), rest.tolist(), target)
    assert racing.rank_with_rest(scores, rest, len(pairs), target) == expected


def test_chances_are_a_softmax_and_know_when_they_are_not():
    scores, chances = np.array([1.0, 3.0, -2.0], np.float32), np.zeros(3, np.float32)
    assert ranking.set_chances(scores, 3, chances)
    assert chances.tolist() == pytest.approx(naive.softmax([1.0, 3.0, -2.0]), rel=1e-5)
    assert not ranking.set_chances(np.array([1.0, math.nan, 0.0], np.float32), 3, chances)


def test_newton_steps_are_those_of_the_inverted_curvature(rng):
    size = 7
    gradients = [rng.normal(0, 1, size).astype(np.float32) for _ in range(300)]
    for gradient in gradients:
        gradient[5], gradient[6] = 0, gradient[0] + 0.1 * gradient[6]
    weights, inverse, direction = np.zeros(size, np.float32), np.eye(size) * dim.NEWTON_SPREAD, np.zeros(size)
    for gradient in gradients:
        assert newton.step(weights, inverse, gradient, direction)
    expected = naive.newton(np.zeros(size), [gradient.astype(float) for gradient in gradients])
    assert weights == pytest.approx(expected, abs=1e-4)
    assert np.linalg.eigvalsh(inverse).min() > 0
    assert np.diag(inverse).max() <= dim.NEWTON_SPREAD * (1 + 1e-9)


def test_a_newton_step_along_no_number_changes_nothing():
    weights, inverse, direction = np.zeros(3, np.float32), np.eye(3), np.zeros(3)
    assert not newton.step(weights, inverse, np.array([1, np.nan, 0], np.float32), direction)
    assert weights.tolist() == [0, 0, 0]
    assert inverse.tolist() == np.eye(3).tolist()


def test_the_guard_decides_like_its_twin(rng):
    """Forms of the ranker and the sources come and go, so that every rule is used."""
    state, twin = new_state(RecommenderOptions(items=4, users=4, categories=4, brands=4)), naive.Guard(dim.MIDDLE)
    table, chosen, served = state.private.guard, state.served.chosen, []
    for number in range(1500):
        spread = 8 + 30 * ((np.arange(dim.CONTENDERS) + number // 250) % 4)
        spread[dim.RANKER] = 4 if number // 250 % 2 else 60
        ranks = rng.integers(0, spread).astype(np.int32)
        guard.choose(table, ranks, chosen)
        served.append(twin.choose(ranks.tolist()))
        assert chosen.contender[0] == served[-1], number
    assert dim.RANKER in served
    assert len(set(served)) > 2


def test_a_ranker_that_breaks_is_replaced_and_comes_back_when_it_is_sound():
    state = new_state(RecommenderOptions(items=4, users=4, categories=4, brands=4))
    table, chosen = state.private.guard, state.served.chosen
    good, bad = np.full(dim.CONTENDERS, 9, np.int32), np.full(dim.CONTENDERS, 9, np.int32)
    good[dim.RANKER], bad[dim.RANKER], bad[dim.LAG] = 2, 0, 3
    spans = []
    for ranks, expected in ((good, dim.RANKER), (bad, dim.LAG), (good, dim.RANKER)):
        spans.append(0)
        while chosen.contender[0] != expected and spans[-1] < 3000:
            guard.choose(table, ranks, chosen)
            spans[-1] += 1
        assert chosen.contender[0] == expected
    assert spans[1] < 50


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
    expected = naive.pool(
        touches, {item: float(keys[item, 2]) for item in range(1500)}, dim.POOL, lambda size: hashing.draw(copy, size)
    )
    assert served.pool.item[: served.clock.pooled[0]].tolist() == expected
    slots = private.item_pool.slot[:1500]
    assert {item: place for item, place in enumerate(slots.tolist()) if place >= 0} == {
        item: place for place, item in enumerate(expected)
    }
