"""The recommender as a whole: what it must never do, and that it learns at once."""

import math
import random

import numpy as np
import pytest

from models import dimensions as dim
from models.features import FEATURE_NAMES
from models.kernels import learning
from models.kernels.core.compile import kernel
from models.recommender.prequential import CONTENDERS
from models.recommender.recommender import Recommender, new_state
from models.recommender.scratch import new_scratch
from models.recommender.types import RecommenderOptions
from models.state.number_codes import codes, numbers
from models.state.schema import SCHEMA
from models.state.state import State
from tests.support.streams.shop import START, ShopEvent, facts, stream

SMALL = RecommenderOptions(items=40, users=20, categories=5, brands=4)
ROOMY = RecommenderOptions(items=100, users=50, categories=8, brands=8)


def learn(events, settings=ROOMY, seed=1, cuts=(10**9,)):
    recommender, start = Recommender(new_state(settings, seed), settings), 0
    turn = 0
    while start < len(events):
        part = events[start : start + cuts[turn % len(cuts)]]
        recommender.learn_events(part, [event.timestamp for event in part], facts())
        start, turn = start + len(part), turn + 1
    return recommender


HISTORY = (["i7", "nobody knows", "i13", "i1"], [START + 90, START + 80, START + 70, START + 60], [3, 0, 0, 1])


def answer(recommender, **options):
    return recommender.rank(*HISTORY, START + 100, **options)


@pytest.mark.parametrize("settings", [ROOMY, SMALL, RecommenderOptions(items=40, users=20, admit_after=3)])
@pytest.mark.parametrize("seed", [3, 4])
def test_one_by_one_equals_in_batches_even_when_rows_are_evicted(settings, seed):
    events = stream(700, seed)
    whole = learn(events, settings)
    assert whole.state.digest() == learn(events, settings, cuts=(1,)).state.digest()
    assert whole.state.digest() == learn(events, settings, cuts=(13, 90, 1)).state.digest()


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not():
    events = stream(400, 5)
    assert learn(events, seed=1).state.digest() == learn(events, seed=1).state.digest()
    assert learn(events, seed=1).state.digest() != learn(events, seed=2).state.digest()


def test_predicting_changes_nothing_and_allocates_no_row():
    recommender = learn(stream(400, 6))
    recommender.state.cut()
    before = recommender.state.digest()
    answer(recommender, extra=["i2", "never seen"])
    recommender.similar("i3")
    recommender.similar("never seen")
    recommender.popular(5, "no such category")
    assert recommender.state.digest() == before
    assert all(len(changes.rows) == 0 for changes in recommender.state.cut().tables.values())


def test_testing_changes_nothing_but_the_evaluation():
    events = stream(600, 7)
    often = learn(events, RecommenderOptions(items=100, users=50, categories=8, brands=8, test_every=1))
    seldom = learn(events, RecommenderOptions(items=100, users=50, categories=8, brands=8, test_every=10**9))
    for name, data in often.state.tables.items():
        if name in {"race", "chosen", "caution", "guard"}:
            continue
        for column, values in data.columns.items():
            if (name, column) != ("progress", "cold"):
                assert np.array_equal(values, seldom.state.tables[name].columns[column]), (name, column)
    assert often.scores()["ranker"]["n"] > 300


def test_a_state_rebuilt_from_its_rows_ranks_bit_for_bit_the_same():
    recommender = learn(stream(800, 8))
    copy = State(SCHEMA)
    copy.apply(recommender.state.full())
    ours, theirs = answer(recommender), answer(Recommender(copy))
    assert theirs.items == ours.items
    assert theirs.scores.tobytes() == ours.scores.tobytes()


def test_the_service_ranks_like_the_learner_from_base_and_deltas_of_served_rows():
    events = stream(900, 9)
    recommender = learn(events[:500])
    served = State(SCHEMA, served_only=True)
    served.apply(recommender.state.full())
    recommender.state.cut()
    part = events[500:]
    recommender.learn_events(part, [event.timestamp for event in part], facts())
    served.apply(recommender.state.cut())
    service = Recommender(served)
    for by in (None, *CONTENDERS[:10]):
        ours, theirs = answer(recommender, by=by), answer(service, by=by)
        assert (theirs.items, theirs.scores.tobytes(), theirs.sources) == (
            ours.items,
            ours.scores.tobytes(),
            ours.sources,
        )
    assert service.scores() == recommender.scores()
    assert service.similar("i7").items == recommender.similar("i7").items
    assert service.popular(5).items == recommender.popular(5).items


def test_memory_is_bounded_on_ids_never_seen_before():
    recommender = Recommender(new_state(SMALL), SMALL)
    for start in range(0, 2000, 100):
        events = [ShopEvent(0, f"user{n}", f"item{n % 977}", START + n) for n in range(start, start + 100)]
        recommender.learn_events(events, [event.timestamp for event in events])
        if start == 500:
            size = recommender.state.nbytes()
    assert recommender.state.nbytes() == size
    assert len(recommender.state.keys["item"]) <= 40
    assert len(recommender.state.keys["user"]) <= 20
    counters = recommender.counters()
    assert counters["applied"] == 2000
    assert counters["evicted_items"] > 900
    assert counters["evicted_users"] > 1900
    assert recommender.state.full().not_finite() == []


def test_eviction_spares_the_popular_and_the_active():
    events = [ShopEvent(0, f"user{n % 3}", f"item{n % 3}", START + n) for n in range(200)]
    events += [ShopEvent(0, "user0", f"once{n}", START + 1000 + n) for n in range(300)]
    recommender = learn(events, SMALL)
    assert {"item0", "item1", "item2"} <= set(recommender.state.keys["item"].rows)


def test_an_item_is_admitted_at_its_nth_event():
    settings = RecommenderOptions(items=10, users=10, admit_after=3)
    recommender = Recommender(new_state(settings), settings)
    for n in range(3):
        assert "tea" not in recommender.state.keys["item"].rows
        recommender.learn_events([ShopEvent(0, "ann", "tea", START + n)], [START + n])
    assert "tea" in recommender.state.keys["item"].rows
    assert recommender.counters()["deferred"] == 2


@pytest.mark.parametrize("price", [math.nan, math.inf, -math.inf, 1e308, 0.0, -5.0])
def test_an_odd_price_never_enters_a_weight(price):
    events = [event._replace(price=price) if n % 3 else event for n, event in enumerate(stream(500, 11))]
    recommender = learn(events)
    assert recommender.state.full().not_finite() == []
    assert np.isfinite(answer(recommender).scores).all()


def test_a_refused_step_is_counted():
    recommender = learn(stream(300, 11))
    assert recommender.counters()["refused"] == 0
    recommender.state.tables["item_factors"].columns["q"][:] = 3e38
    later = stream(50, 12)
    recommender.learn_events(later, [event.timestamp for event in later], facts())
    assert recommender.counters()["refused"] > 20


def rates(times, progress=None):
    """The rate after each record."""
    progress = progress or new_state(SMALL).private.progress
    return [learning.watch_clock(progress, time) for time in times]


def test_a_record_from_the_future_does_not_distort_the_rate_forever():
    progress, times = new_state(SMALL).private.progress, START + 0.01 * np.arange(5_000)
    assert rates(times, progress)[-1] == pytest.approx(100, rel=0.05)
    rates([times[-1] + 10 * 365 * 86_400], progress)
    assert rates(times[-1] + 0.01 * np.arange(5_000), progress)[-1] == pytest.approx(100, rel=0.05)


@pytest.mark.parametrize("seconds", [1.0, 15.0])
def test_partitions_read_in_turns_are_tested_as_often_as_if_they_came_at_once(seconds):
    turn = np.arange(0.0, seconds, 0.002)  # (n,) records of one partition
    times = [START + cycle * seconds + turn + partition / 1e4 for cycle in range(40) for partition in range(4)]
    told = rates(np.concatenate(times))[-4 * len(turn) :]
    assert 900 < min(told) <= max(told) < 4_000
    assert 2_000 * np.mean([learning.testing_share(rate) for rate in told]) == pytest.approx(50, rel=0.1)


def test_the_rate_follows_a_stream_that_slows_down_and_one_that_starts_again():
    progress = new_state(SMALL).private.progress
    rates(START + np.arange(100_000) / 10_000, progress)
    slow = rates(START + 10 + np.arange(3_000) / 20, progress)
    assert next(n for n, rate in enumerate(slow) if rate <= 400) / 20 < 30
    assert slow[-1] == pytest.approx(20, rel=0.05)
    again = rates(START + 86_400 + np.arange(100_000) / 10_000, progress)
    assert sum(map(learning.testing_share, again)) < 3_000  # lists, until it is known how many come


def test_a_removed_item_vanishes_from_every_answer():
    recommender = learn(stream(600, 12))
    assert "i13" in answer(recommender, limit=1000).items
    assert recommender.remove("item", ["i13", "never seen"]) == 1
    assert "i13" not in answer(recommender, limit=1000).items
    assert "i13" not in recommender.popular(40).items
    assert "i13" not in recommender.similar("i7", 100).items
    later = stream(200, 13)
    recommender.learn_events(later, [event.timestamp for event in later], facts())
    assert recommender.state.full().not_finite() == []


def test_an_event_changes_the_users_recommendations_at_once():
    recommender = learn(stream(1500, 14))
    before = recommender.rank(["i1"], [START], [0], START + 10).items
    after = recommender.rank(["i8", "i1"], [START + 5, START], [3, 0], START + 10).items
    assert before[:20] != after[:20]


def test_a_negative_event_hides_the_item_from_the_history_and_lowers_its_score():
    recommender = learn(stream(900, 15))
    liked = recommender.rank(["i8"], [START], [3], START + 10, by="own_recent")
    taken_back = recommender.rank(["i8", "i8"], [START + 5, START], [8, 3], START + 10, by="own_recent")
    assert liked.items[0] == "i8"
    assert liked.scores[0] > taken_back.scores[0]
    row = recommender.state.keys["item"].rows["i8"]
    bias = recommender.state.tables["item_factors"].columns["bias"]
    before = float(bias[row])
    recommender.learn_events([ShopEvent(7, "u1", "i8", START + 9e5)], [START + 9e5])
    assert bias[row] < before


def test_scores_descend_and_every_item_names_its_source():
    ranking = answer(learn(stream(600, 16)), limit=30)
    assert len(ranking.items) == len(ranking.scores) == len(ranking.sources) == 30
    assert len(set(ranking.items)) == 30
    assert (np.diff(ranking.scores) <= 0).all()
    assert set(ranking.sources) <= set(CONTENDERS[: dim.SOURCES])
    assert ranking.served_by in CONTENDERS


def test_a_stranger_and_an_empty_model_get_an_answer():
    assert Recommender(new_state(SMALL)).rank([], [], [], START).items == []
    recommender = learn(stream(600, 17))
    assert recommender.rank([], [], [], START + 1e6, limit=10).items[:3]


def test_extra_rows_become_candidates():
    recommender = learn([*stream(600, 18), ShopEvent(0, "odd one", "lonely", START + 1e6)])
    recommender.state.tables["item_stats"].columns["key"][:, :] = -1e9
    wanted = answer(recommender, extra=["lonely"], limit=1000)
    assert "lonely" in wanted.items


def test_counts_are_those_of_the_events():
    events = stream(800, 19)
    recommender = learn(events)
    counts = recommender.state.tables["item_stats"].columns["events"]
    for item, row in recommender.state.keys["item"].rows.items():
        assert counts[row] == sum(event.item_id == item for event in events)
    counts = recommender.state.tables["user"].columns["events"]
    for user, row in recommender.state.keys["user"].rows.items():
        assert counts[row] == sum(event.user_id == user for event in events)


def test_a_checkerboard_is_learned_completely():
    """Users of one colour buy only items of that colour: the remaining ones of it must come first."""
    rng, events = random.Random(21), []
    for turn in range(2000):
        user = rng.randrange(20)
        events.append(ShopEvent(0, f"u{user}", f"i{2 * rng.randrange(10) + user % 2}", START + 20 * turn))
    recommender = learn(events)
    now = START + 40_100
    for colour in (0, 1):
        seen = [f"i{item}" for item in range(colour, 16, 2)]
        left = {f"i{item}" for item in range(16 + colour, 20, 2)}
        times = [now - 100 - 400 * n for n in range(len(seen))]
        for by in ("window", "cosine", "machine", "linear", "ranker"):
            ranking = recommender.rank(seen, times, [0] * len(seen), now, by=by)
            first = [item for item in ranking.items if item not in seen][: len(left)]
            assert set(first) == left, by


def test_the_contender_in_charge_is_the_ranker_at_first_and_the_best_one_later():
    recommender = Recommender(new_state(ROOMY), ROOMY)
    assert recommender.chosen == "ranker"
    recommender = learn(stream(3000, 20))
    scores = recommender.scores()
    best = max(scores[name]["hr"] + scores[name]["rr"] for name in CONTENDERS[: dim.SOURCES])
    chosen = scores[recommender.chosen]
    assert chosen["hr"] + chosen["rr"] > 0.9 * best


def test_contenders_are_named_in_one_order():
    numbers = {"popularity_short": dim.SHORT, "popularity_middle": dim.MIDDLE, "popularity_long": dim.LONG}
    numbers |= {"own_recent": dim.OWN, "follows": dim.LAG, "window": dim.FORWARD, "cosine": dim.COSINE}
    numbers |= {"machine": dim.MACHINE, "linear": dim.LINEAR, "ranker": dim.RANKER, "served": dim.SERVED}
    assert {name: number for number, name in enumerate(CONTENDERS)} == numbers


def test_served_is_a_name_of_the_contender_in_charge():
    recommender = learn(stream(900, 9))
    for past in (HISTORY, ([], [], []), (["i2"], [START + 95], [0])):
        expected = recommender.rank(*past, START + 100)
        recommender.rank(["i9"], [START + 50], [0], START + 60, by="popularity_long")
        found = recommender.rank(*past, START + 100, by="served")
        assert (found.items, found.scores.tolist(), found.served_by) == (
            expected.items,
            expected.scores.tolist(),
            recommender.chosen,
        )


GIVEN = ["i33", "never seen", "i7", "i40", "i7", "i2", "waiting", "i13"]


def test_sources_score_given_items_alone_as_they_do_among_all():
    recommender = learn(stream(900, 10))
    recommender.describe([("waiting", facts()["i3"])])
    known = {item for item in GIVEN if item in recommender.state.keys["item"].rows}
    assert "waiting" in known
    for by in CONTENDERS[: dim.SOURCES]:
        alone = answer(recommender, extra=GIVEN, only=True, by=by, limit=1000)
        among = answer(recommender, extra=GIVEN, by=by, limit=1000)
        assert sorted(alone.items) == sorted(known)
        scores = dict(zip(among.items, among.scores.tolist(), strict=True))
        assert alone.scores.tolist() == [scores[item] for item in alone.items], by
    assert answer(recommender, only=True).items == []
    assert answer(recommender, extra=["waiting"], only=True).items == ["waiting"]


def test_given_items_have_the_same_features_except_those_within_the_list():
    recommender, scratch = learn(stream(900, 11)), new_scratch()
    alone = answer(recommender, extra=GIVEN, only=True, limit=1000, explain=True, scratch=scratch)
    among = answer(recommender, extra=GIVEN, limit=1000, explain=True, scratch=scratch)
    rows = dict(zip(among.items, among.features, strict=True))
    same = [at for at, name in enumerate(FEATURE_NAMES) if not name.endswith("in_list")]
    for item, found in zip(alone.items, alone.features, strict=True):
        assert found[same].tolist() == rows[item][same].tolist()


def test_items_that_tie_keep_the_order_in_which_they_were_given():
    recommender = learn(stream(300, 12))
    unknown_to_sources = [item for item in GIVEN if item in recommender.state.keys["item"].rows]
    for given in (unknown_to_sources, unknown_to_sources[::-1]):
        ranking = recommender.rank([], [], [], START + 100, extra=given, only=True, by="own_recent")
        pairs = sorted(zip(ranking.scores.tolist(), ranking.items, strict=True), key=lambda pair: -pair[0])
        assert [item for _, item in pairs] == ranking.items
        tied = [item for score, item in pairs if ranking.scores.tolist().count(score) > 1]
        assert tied == [item for item in dict.fromkeys(given) if item in tied]


def test_popular_counts_people_and_not_the_visits_of_one():
    events = [ShopEvent(0, "bot", "i1", START + n / 10) for n in range(600)]
    events += [ShopEvent(3, f"u{n}", "i2", START + n) for n in range(60)]
    events.sort(key=lambda event: event.timestamp)
    recommender = learn(events)
    assert recommender.popular(2).items == ["i2", "i1"]
    assert recommender.popular(2, facts()["i2"].category).items[0] == "i2"


@kernel
def steps_between_categories(nexts, stats, target, number):
    for event in range(number):
        learning.learn_category(nexts, stats, 0, target, event)


def test_a_memory_follows_a_change_of_taste_beyond_where_a_32_bit_float_stops_counting():
    state = new_state(ROOMY)
    for name in ("tea", "mugs", "pots"):
        state.add("category", name)
    nexts, stats = state.served.category_next, state.served.category_stats
    steps_between_categories(nexts, stats, 1, 1 << 25)
    steps_between_categories(nexts, stats, 2, 1 << 23)
    shares = numbers(nexts.count[: dim.CATEGORY_NEXT]) / stats.total[0]
    by_target = {int(other): float(share) for other, share in zip(nexts.other, shares, strict=False) if other >= 0}
    assert by_target[2] > 0.99
    assert sum(by_target.values()) == pytest.approx(1.0, rel=0.05)  # rounded by chance: a standard error of 0.016
    assert stats.total[0] <= dim.REMEMBERED


@pytest.mark.parametrize("name", ["lag", "forward", "backward"])
def test_a_memory_of_an_item_that_counted_to_the_end_of_a_32_bit_float_learns_again(name):
    """An older version holds such a memory: both its counts and its total stand still."""
    recommender = learn([ShopEvent(0, user, item, START) for user in ("ann", "bob") for item in ("i1", "i2", "i3")])
    row = recommender.state.keys["item"].rows["i1"]
    totals, memory = recommender.state.served.item_totals, getattr(recommender.state.served, f"{name}_memory")
    width = dim.LAG_SLOTS if name == "lag" else dim.WINDOW_SLOTS
    getattr(totals, name)[row], memory.count[row * width] = 2.0**24, codes(np.array(2.0**24))
    later = [ShopEvent(0, "bob", item, START + 99 + n) for n, item in enumerate(["i3", "i1", "i3", "i1", "i3"] * 9)]
    recommender.learn_events(later, [event.timestamp for event in later], facts())
    assert getattr(totals, name)[row] <= dim.REMEMBERED
    assert numbers(memory.count[row * width]) <= dim.REMEMBERED


def test_each_later_line_of_an_order_also_trains_the_question_before_the_order():
    """Lists by which the rankers are trained: one for each event, and one more for a line that has others before it."""
    recommender = Recommender(new_state(ROOMY), ROOMY)
    clock = recommender.state.tables["clock"].columns["lists"]
    trained = []
    for order in range(4):
        before = int(clock[0])
        lines = [ShopEvent(3, f"u{order % 2}", f"i{line}", START + 90_000.0 * order) for line in range(4)]
        recommender.learn_events(lines, [line.timestamp for line in lines], facts())
        trained.append(int(clock[0]) - before)
    clicks = [ShopEvent(0, "u1", f"i{line}", START + 500_000.0) for line in range(4)]
    recommender.learn_events(clicks, [click.timestamp for click in clicks], facts())
    assert trained == [0, 7, 7, 7], "nobody had touched the items of the first order"
    assert int(clock[0]) - sum(trained) == 4
