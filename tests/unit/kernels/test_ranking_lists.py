"""Candidates, features, the factorization machine and the rankers against slow twins, on a learned state."""

import numpy as np
import pytest

from models import dimensions as dim
from models.features import FEATURE_NAMES
from models.kernels.ranking import features
from models.kernels.ranking import listwise as ranking
from models.kernels.retrieval import candidates, history
from models.kernels.retrieval import factorization as machine
from models.recommender.explanation import explained
from models.recommender.recommender import Recommender, new_state
from models.recommender.scratch import new_scratch
from models.recommender.types import RecommenderOptions
from models.state import rings
from tests import naive
from tests.support.streams.shop import ShopFacts, facts, stream


@pytest.fixture(scope="module", params=[1, 2], ids=lambda seed: f"seed{seed}")
def learned(request):
    events = stream(1500, request.param)
    recommender = Recommender(new_state(RecommenderOptions(items=100, users=50, categories=8, brands=8), request.param))
    recommender.learn_events(events, [event.timestamp for event in events], facts())
    return recommender


@pytest.fixture(scope="module")
def requests(learned):
    """Histories as (item row, time, kind), newest first, of 30 users and of a new one."""
    users = range(len(learned.state.keys["user"]))
    did = [rings.read(learned.state, user) for user in users]
    return [[], *([*zip(*(column.tolist() for column in each), strict=True)] for each in did)]


def prepare(learned, request, scratch, now):
    stats, model, work = learned.state.served.item_stats, learned.state.lent_served, scratch.lent
    columns = np.array(request, np.int64).reshape(-1, 3).T
    history.take(work.history, columns[0].astype(np.int32), columns[1], columns[2].astype(np.uint8), now)
    history.tally(work.history, stats.category, stats.brand)
    candidates.gather(model, work, now, np.zeros(0, np.int32), False)
    features.compute(model, work, now)
    return naive.retrieval.history(request)


NOW = 1_600_200_000


def test_every_source_proposes_exactly_its_best(learned, requests):
    served, scratch = learned.state.served, new_scratch()
    for request in requests:
        past = prepare(learned, request, scratch, NOW)
        items = [event[0] for event in past]
        sums = naive.retrieval.sources(served, items)
        expected = set(items)
        expected |= set(sums["n1"]) | set(sums["n1b"])
        for name, size in (("n2", 60), ("nb", 30)):
            others = [j for j in sums[name] if j not in items]
            expected |= set(sorted(others, key=lambda j: -sums[name][j])[:size])
        tops = served.top_items.item
        expected |= {int(item) for item in tops if item >= 0}
        found = set(scratch.listed.items[: scratch.listed.counts[0]].tolist())
        assert expected <= found
        assert len(found) == scratch.listed.counts[0]


def compare_features(learned, request, scratch):
    past = prepare(learned, request, scratch, NOW)
    for place in range(0, int(scratch.listed.counts[0]), 5):
        item = int(scratch.listed.items[place])
        expected = naive.ranking.own_features(past, item, NOW) | naive.ranking.other_features(
            learned.state.served, past, item, NOW
        )
        expected |= naive.ranking.fact_features(learned.state.served, request, past, item)
        found = dict(zip(FEATURE_NAMES, scratch.listed.features[place].tolist(), strict=True))
        for name in FEATURE_NAMES:
            if not name.endswith(("_rank", "_in_list")) and not name.startswith("top_"):
                assert found[name] == pytest.approx(expected.get(name, 0.0), abs=2e-3), name


def test_every_feature_equals_its_twin(learned, requests):
    scratch = new_scratch()
    for request in requests[:8]:
        compare_features(learned, request, scratch)


def test_every_feature_of_a_history_out_of_order_equals_its_twin(learned, requests):
    """Accepted late events stand before newer ones, and clocks may run ahead of ours."""
    scratch, rng = new_scratch(), np.random.default_rng(8)
    for request in requests[1:8]:
        times = rng.permutation([time for _, time, _ in request])
        times[0] = NOW + 200
        mixed = [(item, int(time), kind) for (item, _, kind), time in zip(request, times, strict=True)]
        compare_features(learned, mixed, scratch)


def test_ranks_within_sources_are_ranks(learned, requests):
    served, scratch = learned.state.served, new_scratch()
    past = prepare(learned, requests[1], scratch, NOW)
    own = {event[0] for event in past}
    sums = naive.retrieval.sources(served, [event[0] for event in past])
    best = sorted((value for j, value in sums["n1"].items() if j not in own), reverse=True)
    for place in range(int(scratch.listed.counts[0])):
        row = dict(zip(FEATURE_NAMES, scratch.listed.features[place].tolist(), strict=True))
        item = int(scratch.listed.items[place])
        if item in sums["n1"] and item not in own:
            rank = round(1 / row["follows_rank"])
            assert best[rank - 1] == pytest.approx(sums["n1"][item], rel=1e-4)
        else:
            assert row["follows_rank"] == 0


def test_the_machines_context_is_that_of_its_twin(learned, requests):
    served, scratch = learned.state.served, new_scratch()
    for request in requests[:6]:
        past = prepare(learned, request, scratch, NOW)
        z = naive.retrieval.context(served, [event[0] for event in past])
        assert scratch.work.z == pytest.approx(z, abs=1e-4)


def test_one_step_of_the_machine_follows_the_gradient_of_its_loss():
    """Finite differences of -log softmax against the change of a tiny first step."""
    rng = np.random.default_rng(5)
    state = new_state(RecommenderOptions(items=20, users=4, categories=4, brands=4))
    for n in range(12):
        state.add("item", f"i{n}")
    served, scratch = state.served, new_scratch()
    served.item_factors.q[:12] = rng.normal(0, 0.3, (12, dim.FACTORS))
    before = served.item_factors.q[:12].astype(float).copy()
    past = scratch.history
    past.items[:3], past.counts[0] = [9, 10, 11], 3
    kinds = served.item_stats.category
    count = machine.set_context(
        past, kinds, served.item_factors, served.item_last, served.category_factors, scratch.work.z
    )
    scratch.work.items[:4] = [0, 1, 2, 3]
    machine.step(
        past,
        count,
        4,
        np.float32(1),
        kinds,
        served.item_factors,
        served.item_last,
        served.category_factors,
        scratch.work,
    )
    moved = served.item_factors.q[:12] - before

    def loss(q):
        weights = np.array([1, 0.8, 0.64]) / 2.44
        z = weights @ q[[9, 10, 11]]
        return -np.log(naive.core.softmax((q[:4] @ z).tolist())[0])

    for row in (0, 1, 9, 11):
        slope = np.zeros(dim.FACTORS)
        for k in range(dim.FACTORS):
            up, down = before.copy(), before.copy()
            up[row, k] += 1e-4
            down[row, k] -= 1e-4
            slope[k] = (loss(up) - loss(down)) / 2e-4
        cosine = float(slope @ moved[row]) / np.sqrt(float(slope @ slope) * float(moved[row] @ moved[row]))
        assert cosine < -0.99, row


def test_a_step_whose_gradient_is_not_finite_changes_nothing():
    state = new_state(RecommenderOptions(items=20, users=4, categories=4, brands=4))
    for n in range(12):
        state.add("item", f"i{n}")
    served, scratch = state.served, new_scratch()
    served.item_factors.q[0] = 3e38
    past = scratch.history
    past.items[:3], past.counts[0] = [9, 10, 11], 3
    scratch.work.z[:] = 0
    scratch.work.items[:4] = [0, 1, 2, 3]
    before = state.digest()
    tables = (served.item_stats.category, served.item_factors, served.item_last, served.category_factors)
    assert not machine.step(past, 3, 4, np.float32(1.9), *tables, scratch.work)
    assert state.digest() == before


def test_the_rankers_score_is_the_sum_of_its_contributions(learned):
    scratch = new_scratch()
    learned.rank(["i3", "i9"], [NOW - 9, NOW - 50], [0, 3], NOW, by="ranker", scratch=scratch)
    for place in range(0, int(scratch.listed.counts[0]), 7):
        values, weights = explained(scratch, np.array([place]))
        total = float(values[0] @ weights)
        assert total == pytest.approx(float(scratch.listed.scores[dim.RANKER, place]), abs=1e-4)


def test_standardising_is_shift_scale_and_clip(learned, requests):
    scratch = new_scratch()
    prepare(learned, requests[2], scratch, NOW)
    count = int(scratch.listed.counts[0])
    raw = scratch.listed.features[:count].astype(float)
    moments = learned.state.served.moments
    ranking.standardise(scratch.listed, moments.mean, moments.square)
    spread = np.sqrt(np.maximum(moments.square - moments.mean**2, 0))
    expected = np.where(spread > 1e-4, (raw - moments.mean) / np.maximum(spread, 1e-4), 0).clip(-dim.CLIP, dim.CLIP)
    refused = FEATURE_NAMES.index("own_refused")
    expected[:, refused] = dim.CLIP * raw[:, refused]
    assert scratch.listed.features[:count] == pytest.approx(expected, abs=2e-2)


def test_training_raises_the_rank_of_the_target(learned, requests):
    served, scratch = learned.state.served, new_scratch()
    state = new_state(RecommenderOptions(items=4, users=4, categories=4, brands=4))
    prepare(learned, requests[3], scratch, NOW)
    ranking.standardise(scratch.listed, served.moments.mean, served.moments.square)
    ranker, curvature = state.served.ranker, state.private.curvature
    out, target = np.zeros(dim.CANDIDATES, np.float32), 4
    ranks = []
    for _ in range(60):
        ranking.set_weights(scratch.listed, scratch.history, ranker.weight, NOW)
        ranking.score(scratch.listed.features, scratch.listed.counts[0], scratch.listed.weights, out)
        ranks.append(naive.ranking.rank_of(out[: scratch.listed.counts[0]].tolist(), target))
        ranking.train(scratch.listed, ranker, curvature, out, target)
    assert ranks[-1] == 1


def test_the_machine_proposes_the_best_of_the_pool_that_the_user_does_not_have(learned, requests):
    served, scratch = learned.state.served, new_scratch()
    for request in requests[1:8]:
        past = prepare(learned, request, scratch, NOW)
        items = [event[0] for event in past]
        z = naive.retrieval.context(served, items)
        pool = [int(item) for item in served.pool.item[: served.clock.pooled[0]] if item not in items]
        ranked = sorted(pool, key=lambda item: -naive.retrieval.machine_score(served, z, item))[: dim.POOL_TOP]
        listed = scratch.listed.items[: scratch.listed.counts[0]].tolist()
        ranks = [scratch.union.sums[scratch.listed.entries[listed.index(j)], candidates.RANK_MACHINE] for j in ranked]
        assert ranks == list(range(1, len(ranked) + 1))


def test_return_rates_count_who_had_the_item():
    events = [event for event in stream(1500, 3, users=4) if event.kind <= dim.PURCHASE]
    learned = Recommender(new_state(RecommenderOptions(items=100, users=50, categories=8, brands=8)))
    learned.learn_events(events, [event.timestamp for event in events], facts())
    keys = learned.state.keys
    rows = [(keys["user"].rows[event.user_id], keys["item"].rows[event.item_id]) for event in events]
    every, held = naive.retrieval.returns(rows)
    stats = learned.state.served.item_stats
    for item in range(len(keys["item"])):
        assert (int(stats.positives[item]), int(stats.returns[item])) == (every[item], held[item])
    assert any(0 < held[item] < every[item] for item in every)


def test_a_category_lists_its_most_popular_items():
    catalogue = {f"i{n}": ShopFacts(f"c{n % 2}", None, None) for n in range(120)}
    events = [event for event in stream(2500, 4, items=120) if event.kind <= dim.PURCHASE]
    learned = Recommender(new_state(RecommenderOptions(items=200, users=50, categories=8, brands=8)))
    learned.learn_events(events, [event.timestamp for event in events], catalogue)
    items, served = learned.state.keys["item"].rows, learned.state.served
    touches = [(items[event.item_id], int(served.item_stats.category[items[event.item_id]])) for event in events]
    assert min(map(len, naive.retrieval.category_lists(touches, 1000).values())) > dim.CATEGORY_TOP
    for category, expected in naive.retrieval.category_lists(touches, dim.CATEGORY_TOP).items():
        listed = served.category_top.item[category * dim.CATEGORY_TOP : (category + 1) * dim.CATEGORY_TOP]
        assert set(listed.tolist()) == expected


def test_lines_of_an_order_are_no_candidates_of_its_first_question(learned, requests):
    scratch = new_scratch()
    for request in requests[:8]:
        prepare(learned, request, scratch, NOW)
        listed, past = scratch.listed, scratch.history
        before, count = listed.items[: listed.counts[0]].tolist(), int(past.counts[0])
        lines = [before[0], before[-1], 99]  # the last one is no candidate
        past.items[count : count + 3] = lines
        candidates.leave_out(scratch.lent.union, scratch.lent.listed, scratch.lent.history, 3)
        assert listed.items[: listed.counts[0]].tolist() == [item for item in before if item not in lines]
