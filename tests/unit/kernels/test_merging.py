"""Kernels of the merging against their slow twins: memories, vectors, rows that several parts changed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import dimensions as dim
from models.kernels.core.marks import BITS, COUNT, mark_all
from models.kernels.merging import neighbours, top_lists
from models.kernels.merging.alternation import take_turns
from models.merging import column_rules
from models.merging.touched import all_parts, split
from models.recommender import RecommenderOptions, new_state
from models.state import SCHEMA, Column, TableChanges
from models.state.marks import Marks
from models.state.number_codes import codes, numbers
from tests import naive

WIDTH = dim.CATEGORY_NEXT
MOST = 2**32 - 1
ROW = 1
"""The memory under test lies between two others."""


def memory(pairs: dict[int, float]) -> tuple[np.ndarray, np.ndarray]:
    others, counts = np.full(3 * WIDTH, -1, np.int32), np.zeros(3 * WIDTH)
    others[0], counts[0], others[-1], counts[-1] = 3, 7.0, 4, 8.0
    for at, (other, count) in enumerate(pairs.items(), ROW * WIDTH):
        others[at], counts[at] = other, count
    return others, codes(counts)


def learned(random: np.random.Generator, base: dict[int, float], size: int) -> list[tuple[int, int, float]]:
    """Slots that a part touched: some counts changed, some slots taken over by a neighbour that it did not know."""
    slots, found = [*base], []
    for at in sorted(random.choice(WIDTH, size, replace=False).tolist()):
        if at < len(slots) and random.random() < 0.6:
            found.append((at, slots[at], float(np.float32(base[slots[at]] + random.integers(-2, 6)))))
        else:
            new = int(random.integers(100, 120))
            if new not in base and new not in {other for _, other, _ in found}:
                found.append((at, new, float(random.integers(1, 9))))
    return [(at, other, max(count, 0.0)) for at, other, count in found]


def merge_memories(
    others: np.ndarray,
    counts: np.ndarray,
    parts: list[list[tuple[int, int, float]]],
    factors: np.ndarray | None = None,
) -> None:
    """Merge what parts made of the memory at ROW, each as (slot, neighbour, count)."""
    flat = [slot for part in parts for slot in part]
    slots, named, held = (np.array([each[at] for each in flat]) for at in range(3))
    working = (len(parts) + 1) * WIDTH
    neighbours.merge(
        others,
        counts,
        Marks(3 * WIDTH).array,
        WIDTH,
        (slots + ROW * WIDTH).astype(np.int32),
        np.cumsum([0, *map(len, parts)]),
        named.astype(np.int32),
        codes(held),
        np.empty(0, np.float32) if factors is None else factors,
        np.empty(len(parts), np.int64),
        np.empty(len(parts), np.int64),
        np.empty(working, np.int32),
        np.empty(working, np.float64),
    )


def whole(base: dict[int, float], touched: list[tuple[int, int, float]]) -> dict[int, float]:
    """The memory of a part: the base with the slots that it touched."""
    slots: list[tuple[int, float]] = [*base.items()]
    slots += [(-1, 0.0)] * (WIDTH - len(slots))
    for at, other, count in touched:
        slots[at] = (other, count)
    return {other: count for other, count in slots if other >= 0}


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), filled=st.integers(0, WIDTH), parts=st.integers(2, 4))
def test_a_memory_is_merged_by_what_its_slots_name(seed: int, filled: int, parts: int) -> None:
    random = np.random.default_rng(seed)
    base = {int(other): float(random.integers(1, 40)) for other in random.choice(90, filled, replace=False)}
    touched = [learned(random, base, int(random.integers(1, 8))) for _ in range(parts)]
    others, counts = memory(base)
    merge_memories(others, counts, touched)
    expected = naive.merging.neighbours(base, [whole(base, part) for part in touched], WIDTH)
    own = slice(ROW * WIDTH, (ROW + 1) * WIDTH)
    found = {
        int(other): float(count) for other, count in zip(others[own], numbers(counts[own]), strict=True) if other >= 0
    }
    # Of equal counts any may be the one that does not fit.
    assert sorted(found.values()) == pytest.approx(sorted(expected.values()))
    least = min(expected.values(), default=0.0)
    assert {other for other, count in found.items() if count > least} == {
        other for other, count in expected.items() if count > least
    }
    kept = [at for at, (other, _) in enumerate(base.items()) if other in found]
    assert all(others[ROW * WIDTH + at] == [*base][at] for at in kept)
    assert (others[0], others[-1], *numbers(counts[[0, -1]])) == (3, 4, 7.0, 8.0)


def test_a_part_that_halved_its_memory_counts_as_if_it_had_not() -> None:
    others, counts = memory({5: 100.0, 6: 40.0})
    parts = [[(0, 5, 52.0), (1, 6, 20.0)], [(0, 5, 101.0), (1, 6, 43.0)]]
    merge_memories(others, counts, parts, np.array([2.0, 2.0, 1.0, 1.0], np.float32))
    assert numbers(counts[ROW * WIDTH : ROW * WIDTH + 2]).tolist() == [105.0, 43.0]


def test_a_slot_that_no_part_touched_stays_as_every_part_has_it() -> None:
    others, counts = memory({5: 0.0, 6: 40.0})
    merge_memories(others, counts, [[(1, 6, 41.0)], [(1, 6, 43.0)]])
    assert others[ROW * WIDTH : ROW * WIDTH + 2].tolist() == [5, 6]
    assert numbers(counts[ROW * WIDTH : ROW * WIDTH + 2]).tolist() == [0.0, 44.0]


def test_a_memory_that_one_part_touched_is_taken_over_as_it_is() -> None:
    others, counts = memory({5: 100.0, 6: 40.0})
    merge_memories(others, counts, [[], [(1, 9, 3.5)], []])
    assert others[ROW * WIDTH : ROW * WIDTH + 2].tolist() == [5, 9]
    assert numbers(counts[ROW * WIDTH : ROW * WIDTH + 2]).tolist() == [100.0, 3.5]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), parts=st.integers(2, 4), life=st.integers(-1, 1))
def test_a_list_keeps_the_items_with_the_largest_keys_of_all_that_any_part_lists(
    seed: int, parts: int, life: int
) -> None:
    random, size, lists = np.random.default_rng(seed), 4, 3
    popularity = random.integers(0, 5, (12, 3)).astype(np.float64)
    items, keys = np.full(lists * size, -1, np.int32), np.zeros(lists * size)
    for owner in range(lists):
        held = random.choice(12, int(random.integers(0, size + 1)), replace=False)
        items[owner * size : owner * size + len(held)] = held
        keys[owner * size : owner * size + len(held)] = random.integers(0, 5, len(held))
    before, marks = (items.copy(), keys.copy()), Marks(lists * size)
    touched = []
    for _ in range(parts):
        rows = np.sort(random.choice(lists * size, int(random.integers(0, 6)), replace=False)).astype(np.int32)
        touched.append(TableChanges(rows, {"item": random.integers(-1, 12, len(rows)).astype(np.int32)}))
    changes = all_parts(touched, ["item"])
    working = np.empty((parts + 1) * size, np.int32), np.empty((parts + 1) * size), np.zeros(12, np.int32)
    top_lists.merge(
        items, keys, marks.array, size, changes.rows, changes.bounds, changes.columns["item"], popularity, life,
        *changes.cursors(), *working,
    )  # fmt: skip
    for owner in range(lists):
        own = slice(owner * size, (owner + 1) * size)
        listed = {
            int(item)
            for row, item in zip(changes.rows, changes.columns["item"], strict=True)
            if row // size == owner and item >= 0
        }
        expected = [*zip(before[0][own].tolist(), before[1][own].tolist(), strict=True)]
        if owner in changes.rows // size:
            held = {item: key for item, key in expected if item >= 0}
            column = owner if life < 0 else life
            expected = naive.merging.top(held, {item: float(popularity[item, column]) for item in listed}, size)
        assert [*zip(items[own].tolist(), keys[own].tolist(), strict=True)] == expected
    changed = np.flatnonzero((items != before[0]) | (keys != before[1]))
    assert marks.take().tolist() == changed.tolist()


@given(st.lists(st.lists(st.integers(0, 30), max_size=12, unique=True).map(sorted), min_size=1, max_size=4).filter(any))
def test_rows_that_several_parts_changed_are_told_from_those_of_one(parts: list[list[int]]) -> None:
    changes = all_parts(
        [
            TableChanges(np.array(rows, np.int32), {"n": np.array([100 * at + row for row in rows], np.int64)})
            for at, rows in enumerate(parts)
        ],
        ["n"],
    )
    found = split(changes)
    times = {row: sum(row in rows for rows in parts) for row in range(31)}
    alone = {row: at for row in range(31) for at, rows in enumerate(parts) if row in rows and times[row] == 1}
    assert sorted(changes.columns["n"][found.alone].tolist()) == sorted(100 * at + row for row, at in alone.items())
    assert sorted(found.rows.tolist()) == [row for row, count in times.items() if count > 1]
    shared = found.shared(changes, {"n": np.arange(31)})
    for row, start, size in zip(shared.rows, shared.starts, shared.sizes, strict=True):
        owners = [at for at, rows in enumerate(parts) if row in rows]
        assert shared.values["n"][start : start + size].tolist() == [100 * at + row for at in owners]
        assert shared.parts[start : start + size].tolist() == owners
    assert shared.base["n"].tolist() == shared.rows.tolist()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_vectors_of_several_parts_move_as_if_their_steps_came_one_after_another(seed: int) -> None:
    random = np.random.default_rng(seed)
    base = random.normal(size=(4, dim.FACTORS)).astype(np.float32)
    before = random.uniform(0.1, 9.0, 4).astype(np.float32)
    before[3] = 0.0  # begins in both parts at once
    parts = []
    for rows in ([0, 1, 3], [1, 2, 3]):
        vectors = base[rows] + random.normal(size=(len(rows), dim.FACTORS)) * 0.1
        sums = (before[rows] + random.uniform(0.1, 2.0, len(rows))).astype(np.float32)
        parts.append(TableChanges(np.array(rows, np.int32), {"q": vectors.astype(np.float32), "q_sum": sums}))
    changes, targets = all_parts(parts, ["q_sum"], ["q"]), {"q": base.copy(), "q_sum": before.copy()}
    found, columns = split(changes), [SCHEMA.tables["item_factors"].column(name) for name in targets]
    column_rules.merge(targets, columns[::-1], changes, found, no_steps)
    assert found.rows.tolist() == [1, 3]
    np.testing.assert_array_equal(targets["q"][[0, 2]], [parts[0].columns["q"][0], parts[1].columns["q"][1]])
    assert targets["q_sum"][0] == parts[0].columns["q_sum"][0]
    moved = targets["q"][found.rows]
    of_one = [(part.columns["q"][at], part.columns["q_sum"][at]) for part, at in zip(parts, (1, 0), strict=True)]
    for k in range(dim.FACTORS):
        steps = [(float(vector[k]), float(total)) for vector, total in of_one]
        expected, _ = naive.merging.adagrad(float(base[1, k]), float(before[1]), steps, dim.FACTOR_START)
        assert moved[0, k] == pytest.approx(expected, abs=1e-5)
    begun = [(part.columns["q"][2], part.columns["q_sum"][2]) for part in parts]
    total = sum(weight for _, weight in begun)
    np.testing.assert_allclose(moved[1], sum(vector * weight / total for vector, weight in begun), atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), parts=st.integers(2, 8))
def test_numbers_of_several_parts_are_to_the_bit_what_the_rules_in_plain_python_say(seed: int, parts: int) -> None:
    random, size = np.random.default_rng(seed), 12
    columns = [column_of(name) for name in ("bias", "bias_sum", "events")]
    base = {
        "bias": random.normal(size=size).astype(np.float32),
        "bias_sum": random.uniform(0.0, 9.0, size).astype(np.float32),
        "events": random.integers(0, MOST, size, np.uint32),
    }
    changed = []
    for _ in range(parts):
        rows = np.flatnonzero(random.random(size) < 0.6).astype(np.int32)
        values = {
            "bias": base["bias"][rows] + random.normal(size=len(rows)).astype(np.float32),
            "bias_sum": (base["bias_sum"][rows] + random.uniform(-0.1, 3.0, len(rows))).astype(np.float32),
            "events": (base["events"][rows] + random.integers(0, 2**16, len(rows))).clip(0, MOST).astype(np.uint32),
        }
        changed.append(TableChanges(rows, values))
    targets = {name: values.copy() for name, values in base.items()}
    changes = all_parts(changed, targets)
    column_rules.merge(targets, columns, changes, split(changes), no_steps)
    for row in range(size):
        own = [(part, int(np.flatnonzero(part.rows == row)[0])) for part in changed if row in part.rows]
        if len(own) < 2:
            continue
        bias, total, events = ([part.columns[name][at].item() for part, at in own] for name in targets)
        before = [base[name][row].item() for name in targets]
        steps = [*zip(bias, total, strict=True)]
        weight = naive.merging.adagrad_in_order(before[0], before[1], steps, dim.BIAS_START)
        assert targets["bias"][row] == np.float32(weight)
        assert targets["bias_sum"][row] == np.float32(naive.merging.added(before[1], total))
        assert targets["events"][row] == min(before[2] + sum(each - before[2] for each in events), MOST)


def no_steps(name: str) -> tuple[int, np.ndarray]:
    raise AssertionError(f"these rules count no steps: {name}")


def column_of(name: str) -> Column:
    return SCHEMA.tables["item_stats" if name == "events" else "item_factors"].column(name)


@given(counts=st.lists(st.integers(1, 30), min_size=1, max_size=5), most=st.integers(1, 40))
def test_parts_take_turns_as_evenly_as_their_numbers_allow(counts: list[int], most: int) -> None:
    turns = [
        ((number + 0.5) / count, part, 100 * part + number)
        for part, count in enumerate(counts)
        for number in range(max(0, count - most), count)
    ]
    items = np.array([item for _, _, item in turns], np.int32)
    heads, starts, working = np.empty(len(counts), np.int64), np.empty(len(counts), np.int64), np.empty(len(counts))
    found = np.empty(len(items), np.int32)
    take_turns(items, np.array(counts, np.int64), most, heads, working, starts, found)
    assert found.tolist() == [item for _, _, item in sorted(turns)]


def test_marking_rows_marks_each_once() -> None:
    marks = Marks(70)
    mark_all(marks.array, np.array([3, 65, 3], np.int32))
    assert marks.array[COUNT] == 2
    assert marks.array[BITS] == 8
    assert marks.take().tolist() == [3, 65]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_items_that_others_made_popular_enter_every_list_that_their_keys_are_enough_for(seed: int) -> None:
    random, count = np.random.default_rng(seed), 90
    options = RecommenderOptions(items=count, users=8, categories=4, brands=4)
    state = new_state(options)
    for at in range(count):
        state.add("item", f"i{at}")
    state.add("category", "c")
    stats = state.tables["item_stats"].columns
    stats["key"][:count] = random.random((count, 3))
    stats["category"][:count] = random.integers(-1, 1, count)
    first, second = (np.sort(random.permutation(count)[:60]).astype(np.int32) for _ in range(2))
    lent = state.lent_served
    top_lists.enlist_all(lent.item_stats, lent.top_items, lent.category_top, first)
    before = {name: state.tables[name].read(slice(0, None)) for name in ("top_items", "category_top")}
    stats["key"][second] += random.random((len(second), 3))
    top_lists.enlist_all(lent.item_stats, lent.top_items, lent.category_top, second)
    in_category = second[stats["category"][second] == 0]
    lists = [("top_items", life * dim.TOP, dim.TOP, life, second) for life in range(3)]
    for name, start, size, life, rows in [*lists, ("category_top", 0, dim.CATEGORY_TOP, 1, in_category)]:
        place = slice(start, start + size)
        held = dict(zip(*(before[name][each][place].tolist() for each in ("item", "key")), strict=True))
        held.pop(-1, None)
        known = held | {row: float(stats["key"][row, life]) for row in rows.tolist()}
        found = dict(zip(*(state.tables[name].columns[each][place].tolist() for each in ("item", "key")), strict=True))
        found.pop(-1, None)
        assert found == dict(sorted(known.items(), key=lambda each: -each[1])[:size])
