"""Untouched catalogue items: lists, ranker and gate against slow twins, and what is promised of them."""

import math
import random

import numpy as np
import pytest

from models import dimensions as dim
from models.features import FRESH_NAMES
from models.kernels.cold_start import (
    candidates as fresh_candidates,
)
from models.kernels.cold_start import (
    features as fresh_features,
)
from models.kernels.cold_start import (
    lists as fresh_lists,
)
from models.kernels.cold_start import (
    ranker as fresh,
)
from models.kernels.ranking import features
from models.kernels.ranking import listwise as ranking
from models.kernels.ranking import prequential as racing
from models.kernels.retrieval import candidates, history
from models.recommender.explanation import explained
from models.recommender.prequential import CONTENDERS
from models.recommender.ranker import UNTOUCHED
from models.recommender.recommender import Recommender, new_state
from models.recommender.scratch import new_scratch
from models.recommender.types import RecommenderOptions
from models.records.content import content_vector
from models.state.schema import SCHEMA
from models.state.state import State
from tests import naive
from tests.support.streams.shop import START, ShopEvent, ShopFacts, stream

ROOMY = RecommenderOptions(items=400, users=50, categories=8, brands=8)
RANKER = CONTENDERS.index("ranker")


def catalogue(items=240):
    """Items of `stream`, and as many that no event names; each category has both, a sixth is described."""
    return {
        f"i{n}": ShopFacts(
            f"c{n % 6}" if n % 10 else None,
            f"b{n % 4}",
            1.0 + n if n % 5 else None,
            content=content_vector(f"{n} of kind {n % 7}") if n % 6 == 1 else None,
        )
        for n in range(items)
    }


def taught(seed, settings=ROOMY, items=240, events=1500, test_every=1):
    settings = RecommenderOptions(**{**_options(settings), "test_every": test_every})
    recommender = Recommender(new_state(settings, seed), settings)
    recommender.describe(catalogue(items).items())
    past = stream(events, seed)
    recommender.learn_events(past, [event.timestamp for event in past], catalogue(items))
    return recommender


def _options(settings):
    return {name: getattr(settings, name) for name in RecommenderOptions.__dataclass_fields__}


@pytest.fixture(scope="module", params=[1, 2], ids=lambda seed: f"seed{seed}")
def learned(request):
    return taught(request.param)


def lists(state):
    """Rows of the linked lists, newest first, by category row, -1 for the catalogue. Both directions must agree."""
    served = state.served
    items = served.item_fresh
    found = {}
    heads = {category: (0, head) for category, head in enumerate(served.category_fresh.newest.tolist())}
    for owner, (which, head) in {**heads, -1: (1, int(served.fresh.newest[0]))}.items():
        rows, before, at = [], -1, head
        while at >= 0:
            assert items.newer[at, which] == before
            rows.append(at)
            before, at = at, int(items.older[at, which])
        if rows:
            found[owner] = rows
    return found


def test_the_lists_hold_exactly_the_items_that_entered_and_did_not_leave_newest_first():
    rng, state = random.Random(3), new_state(RecommenderOptions(items=60, users=2, categories=5, brands=2))
    for space, count in (("item", 60), ("category", 5)):
        for n in range(count):
            state.add(space, str(n))
    served, lent, twin = state.served, state.lent_served, naive.cold_start.Untouched()
    for turn in range(2000):
        item, category = rng.randrange(60), rng.randrange(-1, 5)
        if rng.random() < 0.5:
            fresh_lists.link(lent.item_fresh, lent.category_fresh, lent.fresh, category, item, turn)
            twin.enter(item, category)
        else:
            under = twin.category(item)
            fresh_lists.unlink(lent.item_fresh, lent.category_fresh, lent.fresh, under, item)
            twin.leave(item)
        if turn % 50 == 0:
            assert lists(state) == twin.lists()
            waiting = served.category_fresh.waiting[:5].tolist()
            assert waiting == [len(twin.lists().get(category, [])) for category in range(5)]


def test_an_item_waits_until_its_first_interaction(learned):
    touched = {event.item_id for event in stream(1500, 1) + stream(1500, 2) if event.kind not in (4, 5)}
    rows, listed = learned.state.keys["item"].rows, learned.state.served.item_fresh.listed
    assert all(listed[rows[f"i{n}"]] == 1 for n in range(60, 240))
    assert {item for item, row in rows.items() if not listed[row]} <= touched
    assert sorted(row for row in lists(learned.state)[-1]) == np.flatnonzero(listed[: len(rows)]).tolist()


def prepare(recommender, past, scratch, now, extra=()):
    served, model, work = recommender.state.served, recommender.state.lent_served, scratch.lent
    columns = np.array(past, np.int64).reshape(-1, 3).T
    history.take(work.history, columns[0].astype(np.int32), columns[1], columns[2].astype(np.uint8), now)
    history.tally(work.history, served.item_stats.category, served.item_stats.brand)
    rows = np.array(extra, np.int32)
    candidates.gather(model, work, now, rows, False)
    features.compute(model, work, now)
    racing.set_sources(work.listed, work.union)
    ranking.measure(work.listed)
    weights = served.linear.weight, served.ranker.weight
    racing.set_rankers(work.listed, work.history, model.moments, *weights, now)
    return served, rows


NOW = 1_600_200_000


def histories(recommender):
    """Histories of a new user and of users of several lengths, as (row, time, kind)."""
    rng = random.Random(9)
    yield []
    for count in (1, 3, 30):
        yield [(rng.randrange(60), NOW - 700 * q, 0) for q in range(count)]


def test_untouched_candidates_are_the_newest_of_the_lists_that_fit(learned):
    scratch = new_scratch()
    for past in histories(learned):
        served, extra = prepare(learned, past, scratch, NOW, [150, 3])
        fresh_candidates.gather(learned.state.lent_served, scratch.lent, extra, False)
        start, end = int(scratch.listed.counts[0]), int(scratch.listed.counts[3])
        expected = naive.cold_start.untouched_candidates(
            served, [event[0] for event in past], [150, 3], lists(learned.state)
        )
        assert scratch.listed.items[start:end].tolist() == expected
        assert not set(expected) & set(scratch.listed.items[:start].tolist())


def test_features_of_untouched_items_equal_their_slow_twin(learned):
    scratch = new_scratch()
    for past in histories(learned):
        served, extra = prepare(learned, past, scratch, NOW)
        fresh_candidates.gather(learned.state.lent_served, scratch.lent, extra, False)
        fresh_features.compute(learned.state.lent_served, scratch.lent, NOW)
        start, end = int(scratch.listed.counts[0]), int(scratch.listed.counts[3])
        for place, item in enumerate(scratch.listed.items[start:end].tolist()):
            found = dict(zip(FRESH_NAMES, scratch.fresh.features[place].tolist(), strict=True))
            expected = naive.cold_start.untouched_features(served, past, item, NOW)
            expected["newest"] = found["newest"]
            assert found == pytest.approx({name: expected.get(name, 0.0) for name in FRESH_NAMES}, abs=1e-3)


def test_the_chances_of_all_untouched_items_sum_to_the_gate(learned):
    scratch = new_scratch()
    for past in histories(learned):
        served, extra = prepare(learned, past, scratch, NOW)
        served.caution.hits[0] = served.caution.ranks[0] = 0
        fresh.rank(learned.state.lent_served, scratch.lent, NOW, extra, False)
        start, end = int(scratch.listed.counts[0]), int(scratch.listed.counts[3])
        chances = naive.core.softmax(scratch.listed.scores[RANKER, :end].astype(float).tolist())
        odds = float(scratch.fresh.odds[0])
        assert sum(chances[start:]) == pytest.approx(1 / (1 + math.exp(-odds)), abs=1e-4)
        best = max(range(start, end), key=lambda at: chances[at]) - start
        assert best == int(np.argmax(scratch.fresh.features[: end - start] @ scratch.fresh.weights))


def test_the_gate_knows_how_often_the_user_discovers(learned):
    scratch = new_scratch()
    for past in histories(learned):
        served, extra = prepare(learned, past, scratch, NOW)
        fresh.rank(learned.state.lent_served, scratch.lent, NOW, extra, False)
        expected = naive.cold_start.discoveries(served, past)
        assert scratch.fresh.terms[6:8].tolist() == pytest.approx(expected, abs=1e-6)


def test_contributions_of_an_untouched_item_add_up_to_its_score(learned):
    scratch = new_scratch()
    ranking = learned.rank(
        ["i3", "i9"], [NOW - 9, NOW - 50], [0, 3], NOW, 1000, by="ranker", explain=True, scratch=scratch
    )
    assert {UNTOUCHED} < set(ranking.sources)
    assert ranking.features @ ranking.weights == pytest.approx(ranking.scores.astype(float), abs=1e-4)
    last = int(scratch.listed.counts[3]) - 1
    values, weights = explained(scratch, np.array([last]))
    total = float(values[0] @ weights)
    assert total == pytest.approx(float(scratch.listed.scores[RANKER, last]), abs=1e-4)


def test_training_raises_the_target_and_the_gate():
    recommender, scratch = taught(4), new_scratch()
    past = next(one for one in histories(recommender) if len(one) == 3)
    ranks, odds = [], []
    for _ in range(80):
        served, extra = prepare(recommender, past, scratch, NOW)
        fresh.rank(recommender.state.lent_served, scratch.lent, NOW, extra, False)
        start, end = int(scratch.listed.counts[0]), int(scratch.listed.counts[3])
        ranks.append(naive.ranking.rank_of(scratch.fresh.scores[: end - start].tolist(), 7))
        odds.append(float(scratch.fresh.odds[0]))
        tables = (served.fresh_ranker, served.fresh_gate, served.fresh_moments, served.fresh)
        fresh.train(scratch.listed, scratch.fresh, *tables, start + 7)
    assert ranks[-1] == 1 < ranks[0]
    assert odds[-1] > odds[0]


def test_the_caution_bounds_the_hits_that_untouched_items_cost():
    """Hits of touched items are lost more rarely the higher the caution: in the long run as often as allowed."""
    state = new_state(RecommenderOptions(items=4, users=2, categories=2, brands=2))
    scores = np.random.default_rng(5).normal(((0.0,), (1.0,)), 1.0, (30_000, 2, 30))
    listed, lost = new_scratch().listed, 0
    listed.counts[0], listed.counts[3] = 30, 60
    for turn, (touched, untouched) in enumerate(scores):
        state.served.caution.worth[0] = 1.0
        caution = min(state.served.caution.hits[0], state.served.caution.ranks[0])
        listed.scores[RANKER, :30] = touched
        listed.scores[RANKER, 30:60] = untouched + caution
        alone = racing.rank_of(listed.scores[RANKER], 30, turn % 20)
        beside = racing.rank_of(listed.scores[RANKER], 60, turn % 20)
        fresh.account(state.served.caution, listed, turn % 20)
        lost += turn >= 10_000 and alone <= 20 < beside
    assert lost / (20_000 * 20 / 30) < 1.1 * dim.COST_HITS
    assert -dim.CAUTION_MOST < min(state.served.caution.hits[0], state.served.caution.ranks[0]) < 0


def drawn(scratch, touched, untouched):
    """A list of touched items with these scores, and untouched ones whose gate and ranker give those."""
    listed, own = scratch.listed, scratch.fresh
    listed.counts[0], listed.counts[3] = len(touched), len(touched) + len(untouched)
    listed.scores[RANKER, : len(touched)] = touched
    own.scores[: len(untouched)] = untouched
    own.odds[2] = 0.0
    return listed, own


def placed(scratch, caution, touched, untouched):
    listed, own = drawn(scratch, touched, untouched)
    fresh.place(listed, own, scratch.union, caution, len(untouched))
    return listed.scores[RANKER, len(touched) : len(touched) + len(untouched)].astype(float)


def test_untouched_items_that_nobody_takes_lose_their_places_and_win_them_back():
    """Where one target in three is untouched and found, the cost is what is allowed; where none is, it goes to none."""
    state = new_state(RecommenderOptions(items=4, users=2, categories=2, brands=2))
    scores = np.random.default_rng(6).normal(((0.0,), (1.0,)), 1.0, (24_000, 2, 30))
    caution, scratch, lost = state.served.caution, new_scratch(), []
    for turn, (touched, untouched) in enumerate(scores):
        placed(scratch, caution, touched, untouched)
        if turn % 3 == 0 and not 8_000 <= turn < 16_000:
            fresh.credit(caution, scratch.listed, scratch.fresh, 30 + turn % 20)
        else:
            alone = racing.rank_of(scratch.listed.scores[RANKER], 30, turn % 20)
            beside = racing.rank_of(scratch.listed.scores[RANKER], 60, turn % 20)
            fresh.account(caution, scratch.listed, turn % 20)
            lost.append((turn, float(alone <= 20 < beside)))
    first, idle, last = (
        np.mean([cost for turn, cost in lost if stop - 4_000 <= turn < stop]) for stop in (8_000, 16_000, 24_000)
    )
    assert idle < 0.3 * min(first, last)


def test_the_worth_of_untouched_items_does_not_depend_on_the_caution():
    state, scratch = new_state(RecommenderOptions(items=4, users=2, categories=2, brands=2)), new_scratch()
    caution, gained = state.served.caution, []
    for strict in (0.0, -3.0, -dim.CAUTION_MOST):
        caution.hits[0], caution.ranks[0], caution.worth[0] = strict, -1.0, 0.0
        placed(scratch, caution, np.arange(30), np.arange(30) + 0.5)
        for target in range(30, 60):
            fresh.credit(caution, scratch.listed, scratch.fresh, target)
        gained.append(float(caution.worth[0]))
    assert gained == pytest.approx([10 * (1 - dim.WORTH_FADE)] * 3)  # the best ten have at most 19 items above them


@pytest.mark.parametrize(("hits", "ranks"), [(-1.0, -3.0), (-3.0, -1.0), (0.0, 0.0)])
def test_the_caution_for_ranks_counts_in_the_first_places_alone(hits, ranks):
    rng, scratch = np.random.default_rng(4), new_scratch()
    caution = new_state(RecommenderOptions(items=4, users=2, categories=2, brands=2)).served.caution
    caution.hits[0], caution.ranks[0] = hits, ranks
    for _ in range(50):
        touched, untouched = rng.normal(0, 2, 30), rng.normal(1, 2, 20)
        scores = placed(scratch, caution, touched, untouched)
        assert np.argsort(-scores, kind="stable").tolist() == np.argsort(-untouched, kind="stable").tolist()
        bar = sorted(touched)[-dim.PROTECTED]
        for score, own in zip(scores, untouched, strict=True):
            expected = max(own + min(hits, ranks), min(own + hits, bar))
            assert expected - 0.01 < score <= expected + 1e-5


def test_with_few_touched_items_no_place_is_protected():
    state, scratch = new_state(RecommenderOptions(items=4, users=2, categories=2, brands=2)), new_scratch()
    caution = state.served.caution
    caution.hits[0], caution.ranks[0] = -1.0, -5.0
    assert placed(scratch, caution, [3.0, 2.0], [9.0, 1.0]) == pytest.approx([8.0, 0.0])


@pytest.mark.parametrize("past", [[], ["i7"], ["i7", "i13", "i1", "nobody knows"]], ids=["stranger", "one", "some"])
def test_untouched_items_are_ranked_for_everybody(learned, past):
    ranking = learned.rank(past, [NOW - 60.0 * q for q in range(len(past))], [0] * len(past), NOW, limit=1000)
    untouched = [item for item, source in zip(ranking.items, ranking.sources, strict=True) if source == UNTOUCHED]
    assert untouched
    assert all(int(item[1:]) >= 60 for item in untouched)
    if past:
        assert int(untouched[0][1:]) % 6 == 1  # the category of all that was looked at


def test_new_arrivals_that_everybody_takes_at_once_come_first():
    """A shop whose users always take the newest item of their category, which nobody had touched before."""
    settings = RecommenderOptions(items=4000, users=20, categories=4, brands=4, test_every=1)
    recommender, now = Recommender(new_state(settings), settings), START
    ranks = []
    for turn in range(1500):
        now += 60
        user, item = turn % 4, f"n{turn}"
        facts = {item: ShopFacts(f"c{user}", None, 10.0)}
        recommender.describe(facts.items())
        tested = recommender.learn_events([ShopEvent(0, f"u{user}", item, now)], [now], facts)
        if len(tested.known):
            assert tested.known[0] == -1
            ranks.append(int(tested.ranks[0, RANKER]))
    assert sum(0 < rank <= 3 for rank in ranks[-200:]) > 190


def test_cold_targets_are_ranked_apart_and_leave_the_race_alone():
    recommender = Recommender(new_state(ROOMY), RecommenderOptions(**{**_options(ROOMY), "test_every": 1}))
    recommender.describe(catalogue().items())
    events = [ShopEvent(0, f"u{n % 5}", f"i{n}", START + n) for n in range(150)]
    events += [ShopEvent(0, "u1", "never told of", START + 200)]
    tested = recommender.learn_events(events, [event.timestamp for event in events], catalogue())
    assert set(tested.known[:-1].tolist()) == {-1}
    assert tested.known[-1] == -2
    assert recommender.scores()["ranker"]["n"] == 0
    assert recommender.counters()["cold"] == 151
    singles = tested.ranks[:, : dim.SOURCES]
    assert not singles.any()
    assert (tested.ranks[:, RANKER] > 0).any()


def test_catalogue_rows_never_push_out_touched_items():
    settings = RecommenderOptions(items=32, users=20, categories=8, brands=8)
    recommender = Recommender(new_state(settings), settings)
    touched = {f"i{n}" for n in range(30)}
    events = [ShopEvent(0, "u", item, START + n) for n, item in enumerate(sorted(touched))]
    recommender.learn_events(events, [event.timestamp for event in events])
    waiting = recommender.describe(catalogue(2000).items())
    assert touched <= set(recommender.state.keys["item"].rows)
    assert len(recommender.state.keys["item"]) == 32
    assert waiting == 0  # each new one took the place of an untouched one
    newest = [recommender.state.keys["item"].ids[row] for row in lists(recommender.state)[-1]]
    assert newest == ["i1999", "i1998"]
    more = [ShopEvent(0, "u", f"other{n}", START + 100 + n) for n in range(2)]
    recommender.learn_events(more, [event.timestamp for event in more])
    assert touched <= set(recommender.state.keys["item"].rows)  # the untouched made room for the new ones
    assert recommender.describe([("one more", ShopFacts("c1", None, 1.0))]) == 1
    assert "one more" not in recommender.state.keys["item"].rows


def test_unavailable_and_removed_items_are_no_candidates():
    recommender = taught(6)
    shown = catalogue()["i101"]
    assert _among(recommender, "i101")
    recommender.describe([("i101", shown._replace(available=False))])
    assert not _among(recommender, "i101")
    recommender.describe([("i101", shown)])
    assert _among(recommender, "i101")
    recommender.remove("item", ["i101"])
    assert not _among(recommender, "i101")
    recommender.describe([("i101", shown._replace(category="c4"))])
    assert _among(recommender, "i101", "i4")
    assert lists(recommender.state)[-1][0] == recommender.state.keys["item"].rows["i101"]


def _among(recommender, item, last="i5"):
    ranking = recommender.rank([last], [NOW - 5.0], [0], NOW, limit=1000)
    return item in ranking.items


@pytest.mark.parametrize("settings", [ROOMY, RecommenderOptions(items=70, users=20, categories=5, brands=4)])
def test_one_by_one_equals_in_batches_with_a_catalogue(settings):
    digests = set()
    for cut in (10**9, 1, 37):
        recommender, events = Recommender(new_state(settings), settings), stream(500, 8)
        recommender.describe(catalogue(64).items())
        for start in range(0, len(events), cut):
            part = events[start : start + cut]
            recommender.learn_events(part, [event.timestamp for event in part], catalogue(64))
        digests.add(recommender.state.digest())
    assert len(digests) == 1


def test_a_service_ranks_untouched_items_as_the_learner_does(learned):
    follower = State(SCHEMA, ROOMY.ceilings(), served_only=True)
    follower.apply(learned.state.full())
    service = Recommender(follower, ROOMY)
    for past in ([], ["i7"], ["i8", "i2"]):
        arguments = past, [NOW - 9.0] * len(past), [0] * len(past), NOW
        ours, theirs = service.rank(*arguments, limit=1000), learned.rank(*arguments, limit=1000)
        assert (ours.items, ours.sources, ours.scores.tobytes()) == (
            theirs.items,
            theirs.sources,
            theirs.scores.tobytes(),
        )
