"""The rules by which values of shards become one: steps add up, counts are exact, halved is halved once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import dimensions as dim
from models.features import FEATURES
from models.merging import column_rules, rankers
from models.merging.column_rules import Steps
from models.merging.memories import counted
from models.merging.rankers import informed, newton
from models.merging.touched import AllParts, all_parts, split
from models.recommender import RecommenderOptions, new_state
from models.state import SCHEMA, Column, TableChanges
from tests import naive

FEW = RecommenderOptions(items=48, users=64, categories=6, brands=4, queries=16)


def all_changed(
    columns: Sequence[Column], base: dict[str, Sequence[float]], values: dict[str, Sequence[Sequence[float]]]
) -> tuple[dict[str, np.ndarray], AllParts]:
    """Rows that all parts changed, with each column's own type: the base's values, and the parts'."""
    targets = {column.name: np.array(base[column.name], column.dtype) for column in columns}
    rows = np.arange(len(targets[columns[0].name]), dtype=np.int32)
    changed = [
        TableChanges(rows, {column.name: np.array(values[column.name][part], column.dtype) for column in columns})
        for part in range(len(values[columns[0].name]))
    ]
    return targets, all_parts(changed, targets)


def no_steps(name: str) -> tuple[int, np.ndarray]:
    raise AssertionError(f"this rule counts no steps: {name}")


def merged(
    table: str,
    base: dict[str, Sequence[float]],
    values: dict[str, Sequence[Sequence[float]]],
    steps: Steps = no_steps,
) -> dict[str, np.ndarray]:
    """What rules make of rows that all parts changed; `values` has each part's value of each row."""
    columns = [column_of(table, name) for name in base]
    targets, changes = all_changed(columns, base, values)
    column_rules.merge(targets, columns, changes, split(changes), steps)
    return targets


def column_of(table: str, column: str) -> Column:
    return SCHEMA.tables[table].column(column)


POSITIVE = st.floats(0.0, 50.0)
WEIGHT = st.floats(-3.0, 3.0)


@given(base=WEIGHT, before=st.floats(0.001, 50.0), steps=st.lists(st.tuples(WEIGHT, POSITIVE), min_size=2, max_size=5))
def test_weights_move_as_if_all_steps_came_one_after_another(
    base: float, before: float, steps: list[tuple[float, float]]
) -> None:
    grown = [(weight, before + more) for weight, more in steps]
    found = merged(
        "item_factors",
        {"bias": [base], "bias_sum": [before]},
        {"bias": [[weight] for weight, _ in grown], "bias_sum": [[total] for _, total in grown]},
    )
    expected = naive.merging.adagrad(base, before, grown, dim.BIAS_START)
    assert (found["bias"][0], found["bias_sum"][0]) == pytest.approx(expected, rel=1e-5, abs=1e-4)


@given(
    before=st.floats(0.5, 20.0),
    slopes=st.lists(st.lists(st.floats(-0.05, 0.05), min_size=1, max_size=4), min_size=2, max_size=4),
)
def test_small_steps_of_several_parts_are_those_of_one_learner(before: float, slopes: list[list[float]]) -> None:
    rate, start = dim.FACTOR_RATE, dim.BIAS_START
    alone = [naive.merging.one_after_another(0.0, before, [part], rate, start) for part in slopes]
    totals = [before + sum(slope * slope for slope in part) for part in slopes]
    found = merged(
        "item_factors",
        {"bias": [0.0], "bias_sum": [before]},
        {"bias": [[weight] for weight in alone], "bias_sum": [[total] for total in totals]},
    )["bias"][0]
    expected = naive.merging.one_after_another(0.0, before, slopes, rate, start)
    assert found == pytest.approx(expected, abs=2e-2 * sum(map(len, slopes)) * rate)


TESTS = dim.CAUTION_TESTS
"""Tested events that take the caution most of its way."""


def caution(column: str, base: float, values: Sequence[float], tested: Sequence[int]) -> float:
    found = merged(
        "caution", {column: [base]}, {column: [[value] for value in values]}, lambda _: (0, np.array(tested))
    )
    return float(found[column][0])


@given(base=st.floats(-6.0, -1.0), parts=st.lists(st.tuples(st.floats(-6.0, -1.0), st.integers(1, 900)), min_size=2))
def test_numbers_that_settle_go_as_far_as_the_work_of_all_parts(base: float, parts: list[tuple[float, int]]) -> None:
    found = caution("hits", base, *zip(*parts, strict=True))
    work = [(value, tested / TESTS) for value, tested in parts]
    expected = naive.merging.settling(base, work, sum(each for _, each in work))
    assert found == pytest.approx(min(max(expected, -dim.CAUTION_MOST), 0.0), rel=1e-4, abs=1e-4)


@given(base=st.floats(-6.0, 0.0), aim=st.floats(-6.0, 0.0), tested=st.lists(st.integers(0, 2_000), min_size=2))
def test_numbers_of_one_aim_arrive_where_one_learner_would(base: float, aim: float, tested: list[int]) -> None:
    def arrived(count: int) -> float:
        return aim + (base - aim) * float(np.exp(-count / TESTS))

    found = caution("ranks", base, [arrived(count) for count in tested], tested)
    assert found == pytest.approx(arrived(sum(tested)), rel=1e-4, abs=1e-3)


def test_steps_of_a_short_round_add_up_and_those_that_have_settled_are_averaged() -> None:
    assert caution("hits", -3.0, [-3.2, -2.9], [1, 1]) == pytest.approx(-3.1, abs=1e-3)
    assert caution("hits", -3.0, [-5.0, -4.0], [9_000, 9_000]) == pytest.approx(-4.5, abs=1e-6)


def test_a_caution_that_shards_all_lowered_stays_within_its_bounds() -> None:
    assert caution("hits", -7.5, [-8.0] * 8, [5] * 8) == -dim.CAUTION_MOST
    assert caution("ranks", -0.2, [0.0] * 8, [5] * 8) == 0.0


@given(
    base=WEIGHT,
    before=st.floats(0.0, 1e4),
    parts=st.lists(st.tuples(WEIGHT, st.just(0.0) | st.floats(0.01, 50.0)), min_size=2, max_size=8),
)
def test_weights_settle_by_their_squared_gradients(
    base: float, before: float, parts: list[tuple[float, float]]
) -> None:
    values = [base + (value if more else 0.0) for value, more in parts]
    column = column_of("fresh_gate", "weight")
    found = merged(
        "fresh_gate",
        {"weight": [base], "total": [before]},
        {"weight": [[value] for value in values], "total": [[before + more] for _, more in parts]},
    )["weight"][0]
    start = before + dim.RANK_START
    work = [column.merge.number * (np.sqrt(start + more) - np.sqrt(start)) for _, more in parts]
    learned = [(value, each) for value, each in zip(values, work, strict=True) if each > 0]
    together = column.merge.number * (np.sqrt(start + sum(more for _, more in parts)) - np.sqrt(start))
    expected = naive.merging.settling(base, learned, together) if learned else base
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-4)


@given(base=st.floats(-2.0, 4.0), more=st.lists(st.floats(0.0, 3.0), min_size=2, max_size=5))
def test_decayed_counts_add_up(base: float, more: list[float]) -> None:
    keys = [base + each for each in more]
    found = merged("category_stats", {"key": [base]}, {"key": [[key] for key in keys]})["key"][0]
    assert found == pytest.approx(naive.merging.decayed(base, keys), abs=1e-9)


def test_a_popularity_that_shards_lowered_stays_a_number() -> None:
    keys = [[1.4, dim.NEVER], [1.3, dim.NEVER], [1.35, 5.0]]
    found = merged("category_stats", {"key": [2.0, dim.NEVER]}, {"key": keys})["key"]
    assert np.isfinite(found).all()
    assert found[0] <= 1.3
    assert found[1] == pytest.approx(5.0)


@given(
    base=st.floats(-5.0, 5.0),
    values=st.lists(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=6), min_size=2, max_size=4),
)
def test_fading_sums_of_evidence_add_up(base: float, values: list[list[float]]) -> None:
    column = column_of("race", "fading_hits")
    weight = column.merge.number
    ends = [naive.merging.fading(base, [part], weight) for part in values]
    steps = np.array([len(part) for part in values])
    found = merged("race", {"fading_hits": [base]}, {"fading_hits": [[end] for end in ends]}, lambda _: (0, steps))
    assert found["fading_hits"][0] == pytest.approx(naive.merging.fading(base, values, weight), abs=1e-9)


@given(
    before=st.integers(0, 2_000),
    steps=st.lists(st.integers(1, 200), min_size=2, max_size=4),
    target=st.floats(-3.0, 3.0),
)
def test_a_running_mean_takes_as_many_steps_as_all_parts_took(before: int, steps: list[int], target: float) -> None:
    def stepped(count: int) -> float:
        value = 1.0
        for number in range(before + 1, before + count + 1):
            value += max(1.0 / number, dim.MOMENT_STEP) * (target - value)
        return value

    values = {"mean": [[stepped(count)] for count in steps]}
    found = merged("moments", {"mean": [1.0]}, values, lambda _: (before, np.array(steps)))["mean"][0]
    assert found == pytest.approx(stepped(sum(steps)), abs=1e-6)


@given(st.lists(st.integers(0, 200), min_size=2, max_size=6), st.integers(0, 2**32 - 201))
def test_counts_are_exact_and_stay_within_their_type(more: list[int], base: int) -> None:
    values = [[min(base + each, 2**32 - 1)] for each in more]
    found = merged("item_stats", {"events": [base]}, {"events": values})["events"][0]
    assert found == min(base + sum(more), 2**32 - 1)


def test_counts_never_fall_below_zero() -> None:
    assert merged("item_stats", {"returns": [3]}, {"returns": [[1], [0]]})["returns"].tolist() == [0]


def trained(inverse: np.ndarray, weights: np.ndarray) -> dict[str, TableChanges]:
    """A part that moved all shared weights."""
    rows = np.arange(FEATURES, dtype=np.int32)
    return {
        "curvature": informed(TableChanges(rows, {"inverse": inverse})),
        "ranker": TableChanges(rows, {"weight": weights.astype(np.float32)}),
    }


def test_curvatures_whose_differences_leave_none_are_averaged() -> None:
    state = new_state(FEW)
    before, weights = np.eye(FEATURES) * 0.01, np.zeros(FEATURES)
    parts = [trained(np.eye(FEATURES) * 0.03, np.full(FEATURES, moved)) for moved in (1.0, 3.0)]
    newton(state, parts, rankers.Shared(weights, before, None), np.array([3, 1]))
    np.testing.assert_allclose(state.tables["curvature"].columns["inverse"], before * 3, atol=1e-12)
    np.testing.assert_allclose(state.tables["ranker"].columns["weight"][:FEATURES], 1.5, atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), lists=st.lists(st.integers(1, 30), min_size=2, max_size=5))
def test_shared_weights_are_those_of_the_curvatures_added_up(seed: int, lists: list[int]) -> None:
    """Each part steps with its own gradients; the merge is where one would be that had taken all of them."""
    random, state = np.random.default_rng(seed), new_state(FEW)
    half = random.normal(size=(FEATURES, 2 * FEATURES))
    base, weights = half @ half.T, random.normal(size=FEATURES)
    curvatures, moved = [], []
    for count in lists:
        gradients = random.normal(size=(count, FEATURES))
        curvatures.append(dim.NEWTON_FORGET**count * base + gradients.T @ gradients)
        moved.append((weights + 0.1 * random.normal(size=FEATURES)).astype(np.float32).astype(np.float64))
    parts = [trained(np.linalg.inv(own), to) for own, to in zip(curvatures, moved, strict=True)]
    newton(state, parts, rankers.Shared(weights, np.linalg.inv(base), None), np.array(lists))
    total, expected = naive.merging.newton(base, weights, curvatures, moved, lists, dim.NEWTON_FORGET)
    np.testing.assert_allclose(state.tables["curvature"].columns["inverse"], np.linalg.inv(total), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(state.tables["ranker"].columns["weight"][:FEATURES], expected, rtol=1e-4, atol=1e-4)
    told = [rankers.Shared(to, None, own) for to, own in zip(moved, curvatures, strict=True)]
    found = rankers.combined(rankers.Shared(weights, None, base), told, np.array(lists))
    np.testing.assert_allclose(found.weights, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found.curvature, total, rtol=1e-6, atol=1e-6)


def test_the_shared_weights_of_the_only_part_that_trained_are_taken_over_to_the_bit() -> None:
    state, inverse = new_state(FEW), np.eye(FEATURES) * 0.03 + 0.001
    parts = [trained(inverse, np.arange(FEATURES) / 7), trained(np.eye(FEATURES), np.zeros(FEATURES))]
    newton(state, parts, rankers.held(state), np.array([2, 0]))
    np.testing.assert_array_equal(state.tables["curvature"].columns["inverse"], inverse)
    weights = state.tables["ranker"].columns["weight"][:FEATURES]
    np.testing.assert_array_equal(weights, (np.arange(FEATURES) / 7).astype(np.float32))


@given(base=st.integers(0, 9), values=st.lists(st.integers(0, 9), min_size=2, max_size=5))
def test_the_first_touch_is_the_earliest_and_the_last_touch_the_latest(base: int, values: list[int]) -> None:
    times = {name: [[value] for value in values] for name in ("first", "last")}
    found = merged("item_stats", {"first": [base], "last": [base]}, times)
    assert found["first"][0] == min((each for each in (base, *values) if each), default=0)
    assert found["last"][0] == max(values)


def test_an_item_is_described_by_the_first_part_that_says_anything_new() -> None:
    found = merged("item_stats", {"category": [-1, 4]}, {"category": [[-1, 4], [3, 4], [2, 4]]})
    assert found["category"].tolist() == [3, 4]
    content = np.zeros((3, 1, dim.CONTENT))
    content[1, 0, 7], content[2, 0, 9] = 5, 6
    described = merged("item_content", {"v": np.zeros((1, dim.CONTENT))}, {"v": content})["v"]
    assert described[0].tolist() == content[1, 0].tolist()


@given(base=st.just(dim.NO_PRICE) | st.floats(0.0, 5.0, width=32), steps=st.lists(st.integers(0, 6), min_size=2))
def test_a_price_is_a_mean_of_as_many_steps_as_the_parts_took(base: float, steps: list[int]) -> None:
    aim, least = 7.0, column_of("item_stats", "log_price").merge.number

    def stepped(count: int) -> float:
        value = base
        for _ in range(count):
            value = aim if value == dim.NO_PRICE else value + least * (aim - value)
        return value

    found = merged(
        "item_stats",
        {"log_price": [base], "events": [10]},
        {"log_price": [[stepped(count)] for count in steps], "events": [[10 + count] for count in steps]},
    )
    known = aim if base == dim.NO_PRICE and any(steps) else stepped(sum(steps))
    assert found["log_price"][0] == pytest.approx(known, rel=1e-4, abs=1e-4)
    assert found["events"][0] == 10 + sum(steps)


def test_rates_of_records_add_up() -> None:
    """Two parts that each saw a record every two seconds saw one every second together."""
    found = merged(
        "progress",
        {"interval": [2.0], "watermark": [100.0]},
        {"interval": [[2.0], [2.0]], "watermark": [[1e6], [1e6]]},
    )
    assert found["interval"][0] == pytest.approx(1.0)
    assert found["watermark"][0] == 1e6


def test_signals_that_two_shards_halved_are_halved_once() -> None:
    base = {"shown": [900.0], "liked": [80.0], "refused": [10.0]}
    part = [(900.0 + 20) / 2, 40.0, 5.0]
    found = merged("item_signals", base, {name: [[part[at]], [part[at]]] for at, name in enumerate(base)})
    assert {name: values.tolist() for name, values in found.items()} == {
        "shown": [470.0],
        "liked": [40.0],
        "refused": [5.0],
    }


def test_a_memory_that_two_shards_halved_is_halved_once() -> None:
    base, column = dim.REMEMBERED - 10, column_of("query_stats", "total")
    target, changes = all_changed(
        [column], {"total": [base, 50.0]}, {"total": [[(base + 12) / 2, 60.0], [(base + 16) / 2, 55.0]]}
    )
    halvings = counted(target["total"], column, changes, split(changes))
    assert target["total"].tolist() == [(base + 28) / 2, 65.0]
    assert (halvings.parts.tolist(), halvings.keys.tolist()) == ([0, 1], [0, 0])
    assert (halvings.merged.tolist(), halvings.times.tolist()) == ([0], [1])


@given(st.lists(st.floats(0.0, 2.0 * dim.REMEMBERED, width=32), min_size=2, max_size=6), st.floats(0.0, 1e6, width=32))
def test_totals_of_memories_are_to_the_bit_what_the_rule_in_plain_python_says(values: list[float], base: float) -> None:
    column = column_of("item_totals", "forward")
    target, changes = all_changed([column], {"forward": [base]}, {"forward": [[value] for value in values]})
    halvings = counted(target["forward"], column, changes, split(changes))
    total, fell, times = naive.merging.counted(base, values, dim.REMEMBERED)
    assert target["forward"][0] == np.float32(total)
    assert (halvings.parts.tolist(), halvings.times.tolist()) == (fell, [times] if times else [])
