"""The protocol of an evaluation: which events are evaluated, what was known before each, and the report."""

import json
import subprocess
import sys

import numpy as np
import pytest

from models.evaluation.contenders import UnknownContenderError, chosen
from models.evaluation.evaluation import NothingEvaluatedError, evaluate
from models.evaluation.prequential import run_recommender
from models.evaluation.protocol import LISTS, Plan, Stream, late, list_places, slices, targets
from models.evaluation.report import SINGLE
from models.recommender.prequential import CONTENDERS
from models.recommender.recommender import Recommender, new_state
from models.recommender.types import RecommenderOptions
from tests.support.streams.shop import START, ShopEvent, facts, stream

ROOMY = RecommenderOptions(items=100, users=50, categories=8, brands=8)
EVENTS = stream(1200, 11)


class Steps:
    """A clock that advances by a second at each call."""

    now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


@pytest.fixture(scope="module")
def result():
    plan = Plan(every=1, seed=3, lists=20)
    return evaluate(Stream(EVENTS, facts()), plan, Steps(), chosen(["river.LinearRegression"])[0], ROOMY)


def naive(events, every):
    """(places, cold, own, depth) by the protocol, written out."""
    rows = []
    for place, event in enumerate(events):
        before = events[:place]
        if place < 0.1 * len(events) or place % every or event.kind > 3 or event.item_id is None:
            continue
        past = [e for e in before if e.user_id == event.user_id and e.item_id and e.kind not in {4, 5}]
        cold = all(e.item_id != event.item_id for e in before)
        rows.append((place, cold, any(e.item_id == event.item_id for e in past), len(past)))
    return rows


@pytest.mark.parametrize("every", [1, 7])
def test_evaluated_events_and_their_slices_follow_the_protocol(every) -> None:
    events = EVENTS[:400]
    own = run_recommender(Stream(events, facts()), Plan(every=every), Steps(), ROOMY)
    places = own.tested.places[late(own.tested.places, len(events))]
    found = targets(Stream(events, facts()), places)
    rows = [found.places.tolist(), found.cold.tolist(), found.own.tolist(), found.depth.tolist()]
    assert list(zip(*rows, strict=True)) == naive(events, every)


def test_the_figures_of_a_run_are_those_of_the_learners_own_code() -> None:
    events = EVENTS[:700]
    settings = RecommenderOptions(items=100, users=50, categories=8, brands=8, test_every=3)
    recommender = Recommender(new_state(settings, 5), settings)
    tested = recommender.learn_events(events, [event.timestamp for event in events], facts())
    own = run_recommender(Stream(events, facts()), Plan(every=3, seed=5), Steps(), ROOMY)
    assert own.tested.ranks.tolist() == tested.ranks.tolist()
    assert own.running == recommender.scores()
    assert own.in_charge == recommender.chosen


def test_looking_at_lists_changes_no_rank() -> None:
    stream_ = Stream(EVENTS[:600], facts())
    with_lists = run_recommender(stream_, Plan(every=2, lists=20), Steps(), ROOMY)
    without = run_recommender(stream_, Plan(every=2, lists=0), Steps(), ROOMY)
    assert with_lists.tested.ranks.tolist() == without.tested.ranks.tolist()
    assert len(with_lists.lists["ranker"]) > 10
    assert without.lists["ranker"] == []


def test_lists_are_asked_for_distinct_users_at_most_as_many_as_planned() -> None:
    places = list_places(EVENTS, 10)
    assert 5 <= len(places) <= 10
    assert len({EVENTS[place].user_id for place in places}) == len(places)
    assert min(places) >= 0.1 * len(EVENTS)
    many = [ShopEvent(0, f"u{n}", f"i{n % 9}", float(n)) for n in range(20_000)]
    assert LISTS / 2 < len(list_places(many, LISTS)) <= LISTS


def test_the_report_has_the_shape_that_scripts_rely_on(result) -> None:
    json.dumps(result, allow_nan=False)
    assert {"protocol", "stream", "contenders", "served", "best_single_source"} <= set(result)
    assert {"events", "users", "items", "evaluated", "left_out_unseen"} <= set(result["stream"])
    assert set(result["contenders"]) == {*CONTENDERS, "river.LinearRegression"}
    for found in result["contenders"].values():
        for name in ("hr@20", "mrr@20", "ndcg@20", "n", "se", "us_per_event", "memory_bytes", "coverage", "novelty"):
            assert isinstance(found[name], int | float), name
        assert found["mrr@20"] <= found["ndcg@20"] <= found["hr@20"]
        assert found["against_best_source"]["hr@20"]["ratio_interval"][0] <= 1.5
    assert result["served"] in result["contenders"]


def test_the_best_single_source_is_one_of_the_list_and_its_own_ratio_is_one(result) -> None:
    for measure, name in result["best_single_source"].items():
        assert name in SINGLE
        best = result["contenders"][name]
        assert best[measure] == max(result["contenders"][each][measure] for each in SINGLE)
        assert best["against_best_source"][measure]["ratio_interval"] == [1.0, 1.0]


def test_slices_of_targets_and_of_histories_each_add_up_to_what_was_evaluated(result) -> None:
    evaluated = result["stream"]["evaluated"]
    for group in ("target", "order", "by_type", "by_history"):
        parts = result["slices"][group].values()
        assert sum(part["n"] for part in parts) == evaluated, group
        whole = sum(part["n"] * part["contenders"]["served"]["hr@20"] for part in parts)
        assert whole == pytest.approx(evaluated * result["contenders"]["served"]["hr@20"], abs=0.01)
    cold = result["slices"]["cold"]["cold"]["n"]
    assert result["stream"]["left_out_unseen"] == pytest.approx(cold / (cold + evaluated), abs=1e-6)


def test_figures_over_all_events_count_those_whose_item_nobody_had_touched(result) -> None:
    evaluated, sampled = result["stream"]["evaluated"], result["stream"]["sampled"]
    assert sampled > evaluated
    for found in result["contenders"].values():
        assert found["all_events"]["n"] == sampled
        hits = evaluated * found["hr@20"]  # of a stream without a catalogue: nobody can propose an untouched item
        assert found["all_events"]["hr@20"] == pytest.approx(hits / sampled, abs=1e-5)


def test_what_is_served_is_held_against_the_best_rival(result) -> None:
    rival = result["contenders"]["river.LinearRegression"]["hr@20"]
    found = result["best_rival"]["hr@20"]
    assert found["rival"] == "river.LinearRegression"
    assert found["ratio"] == pytest.approx(result["contenders"]["served"]["hr@20"] / rival, abs=1e-3)
    assert evaluate(Stream(EVENTS[:300], facts()), Plan(every=1), Steps(), {}, ROOMY)["best_rival"] is None


def test_an_item_of_the_catalogue_that_nobody_touched_is_a_slice_of_its_own() -> None:
    events = [ShopEvent(0, f"u{n % 4}", f"i{n}", START + n) for n in range(20)]
    found = targets(Stream(events, {}, {"i12": facts()["i12"]}), np.arange(10, 20))
    parts = slices(found, ["click"])
    assert parts["cold"]["cold"].sum() == 10
    assert parts["cold"]["cold_in_catalogue"].tolist() == [False, False, True] + [False] * 7


def test_the_first_lines_of_orders_are_a_slice_of_their_own() -> None:
    """What an order's later lines are asked with holds its earlier ones, which no shop knows when it asks."""
    lines = [ShopEvent(3, f"u{order % 2}", f"i{line}", START + order) for order in range(6) for line in range(3)]
    found = targets(Stream(lines, {}), np.arange(3, 18))
    parts = slices(found, ["click", "favourite", "cart", "purchase"])
    assert parts["order"]["first_line"].tolist() == [True, False, False] * 5
    assert (parts["order"]["first_line"] ^ parts["order"]["later_lines"]).all()


def test_a_log_in_which_nothing_can_be_evaluated_says_why() -> None:
    strangers = [ShopEvent(0, "u", f"i{n}", START + n) for n in range(30)]
    with pytest.raises(NothingEvaluatedError, match=r"of 30 events 27 are .* 27 of those name an item that nobody had"):
        evaluate(Stream(strangers, {}), Plan(), Steps(), {}, ROOMY)
    with pytest.raises(NothingEvaluatedError, match="of 1 events"):
        evaluate(Stream(strangers[:1], {}), Plan(), Steps(), {}, ROOMY)


def test_three_events_are_enough_for_a_report() -> None:
    few = [ShopEvent(0, "u", "i", START + n) for n in range(3)]
    found = evaluate(Stream(few, {}), Plan(), Steps(), chosen(["river"])[0], ROOMY)
    json.dumps(found, allow_nan=False)
    assert found["stream"]["evaluated"] == 2
    assert found["contenders"]["served"]["hr@20"] == 1.0
    assert found["contenders"]["river.FMRegressor"]["hr@20"] == 1.0
    assert found["contenders"]["served"]["personalisation"] is None


def test_the_same_seed_gives_the_same_report(result) -> None:
    plan = Plan(every=1, seed=3, lists=20)
    again = evaluate(Stream(EVENTS, facts()), plan, Steps(), chosen(["river.LinearRegression"])[0], ROOMY)
    assert again == result


def test_k_decides_which_ranks_count() -> None:
    narrow = evaluate(Stream(EVENTS[:500], facts()), Plan(k=5, every=1), Steps(), {}, ROOMY)
    wide = evaluate(Stream(EVENTS[:500], facts()), Plan(k=30, every=1), Steps(), {}, ROOMY)
    assert narrow["contenders"]["served"]["hr@5"] < wide["contenders"]["served"]["hr@30"]


def test_contenders_are_chosen_by_name_or_group_and_an_error_lists_them() -> None:
    assert list(chosen(["river.BiasedMF"])[0]) == ["river.BiasedMF"]
    assert len(chosen(["builtin,"[:-1], "river"])[0]) == 3
    with pytest.raises(UnknownContenderError, match=r"no contender 'als': there are builtin, river .*als\.daily"):
        chosen(["als"])


def test_a_contender_whose_package_is_absent_is_left_out_with_the_command_that_installs_it(monkeypatch) -> None:
    monkeypatch.setattr("models.evaluation.contenders.NEEDS", {"batch": "no_such_package"})
    runs, absent = chosen([])
    assert "als.daily" not in runs
    assert absent["als.daily"].endswith("pip install no_such_package")
    with pytest.raises(UnknownContenderError, match=r"als\.daily needs the package no_such_package"):
        chosen(["als.daily"])


def test_the_door_loads_no_library_of_a_rival_before_one_is_made() -> None:
    script = """
import json, sys
from models import evaluation
names = ("river", "implicit", "vowpalwabbit", "threadpoolctl", "torch", "pandas")
loaded = lambda: [name for name in names if name in sys.modules]
makers, _ = evaluation.chosen(["river"])
before = loaded()
makers["river.LinearRegression"](1)
print(json.dumps([before, "river" in loaded()]))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [[], True]
