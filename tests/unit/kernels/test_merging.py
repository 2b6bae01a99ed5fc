"""Kernels of the merging against their slow twins: memories, vectors, rows that several parts changed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import dimensions as dim
from models.kernels.core.marks import BITS, COUNT
from models.kernels.merging import neighbours, row_groups
from models.kernels.merging.vector_steps import add_steps
from models.merging import factors
from models.merging.touched import split
from models.state import SCHEMA, TableChanges
from models.state.marks import Marks
from tests import naive

WIDTH = dim.CATEGORY_NEXT
ROW = 1
"""The memory under test lies between two others."""


def memory(pairs: dict[int, float]) -> tuple[np.ndarray, np.ndarray]:
    others, counts = np.full(3 * WIDTH, -1, np.int32), np.zeros(3 * WIDTH, np.float32)
    others[0], counts[0], others[-1], counts[-1] = 3, 7.0, 4, 8.0
    for at, (other, count) in enumerate(pairs.items(), ROW * WIDTH):
        others[at], counts[at] = other, count
    return others, counts


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
    flat = [slot for part in touched for slot in part]
    if not flat:
        return
    others, counts = memory(base)
    marks = Marks(3 * WIDTH)
    slots, named, held = (np.array(each) for each in zip(*flat, strict=True))
    neighbours.merge(
        others,
        counts,
        marks.array,
        WIDTH,
        np.array([0, len(flat)]),
        slots.astype(np.int64) + ROW * WIDTH,
        named.astype(np.int32),
        held.astype(np.float32),
        np.ones(len(flat), np.float32),
        np.empty(len(flat) + WIDTH, np.int32),
        np.empty(len(flat) + WIDTH, np.float64),
    )
    expected = naive.merging.neighbours(base, [whole(base, part) for part in touched], WIDTH)
    own = slice(ROW * WIDTH, (ROW + 1) * WIDTH)
    found = {int(other): float(count) for other, count in zip(others[own], counts[own], strict=True) if other >= 0}
    # Of equal counts any may be the one that does not fit.
    assert sorted(found.values()) == pytest.approx(sorted(expected.values()))
    least = min(expected.values(), default=0.0)
    assert {other for other, count in found.items() if count > least} == {
        other for other, count in expected.items() if count > least
    }
    kept = [at for at, (other, _) in enumerate(base.items()) if other in found]
    assert all(others[ROW * WIDTH + at] == [*base][at] for at in kept)
    assert (others[0], counts[0], others[-1], counts[-1]) == (3, 7.0, 4, 8.0)


def test_a_part_that_halved_its_memory_counts_as_if_it_had_not() -> None:
    others, counts = memory({5: 100.0, 6: 40.0})
    first = ROW * WIDTH
    neighbours.merge(
        others,
        counts,
        Marks(3 * WIDTH).array,
        WIDTH,
        np.array([0, 4]),
        np.array([first, first + 1, first, first + 1]),
        np.array([5, 6, 5, 6], np.int32),
        np.array([52.0, 20.0, 101.0, 43.0], np.float32),
        np.array([2.0, 2.0, 1.0, 1.0], np.float32),
        np.empty(4 + WIDTH, np.int32),
        np.empty(4 + WIDTH, np.float64),
    )
    assert counts[first : first + 2].tolist() == [105.0, 43.0]


@given(st.lists(st.lists(st.integers(0, 30), max_size=12, unique=True).map(sorted), min_size=1, max_size=4).filter(any))
def test_rows_that_several_parts_changed_are_told_from_those_of_one(parts: list[list[int]]) -> None:
    changes = [
        TableChanges(np.array(rows, np.int32), {"n": np.array([100 * at + row for row in rows], np.int64)})
        for at, rows in enumerate(parts)
    ]
    found = split(changes, 31)
    times = {row: sum(row in rows for rows in parts) for row in range(31)}
    for rows, alone in zip(parts, found.alone, strict=True):
        assert [rows[place] for place in alone] == [row for row in rows if times[row] == 1]
    assert sorted(found.rows.tolist()) == [row for row, count in times.items() if count > 1]
    if not len(found.rows):
        return
    shared = found.shared(changes, {"n": np.arange(31)})
    for row, start, size in zip(shared.rows, shared.starts, shared.sizes, strict=True):
        owners = [at for at, rows in enumerate(parts) if row in rows]
        assert shared.values["n"][start : start + size].tolist() == [100 * at + row for at in owners]
        assert shared.parts[start : start + size].tolist() == owners
    assert shared.base["n"].tolist() == shared.rows.tolist()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_vectors_of_several_parts_move_as_if_their_steps_came_one_after_another(seed: int) -> None:
    random = np.random.default_rng(seed)
    base, before = random.normal(size=(4, dim.FACTORS)).astype(np.float32), random.uniform(0.1, 9.0, 4)
    before[3] = 0.0  # begins in both parts at once
    parts = []
    for rows in ([0, 1, 3], [1, 2, 3]):
        vectors = base[rows] + random.normal(size=(len(rows), dim.FACTORS)) * 0.1
        sums = before[rows] + random.uniform(0.1, 2.0, len(rows))
        parts.append(TableChanges(np.array(rows, np.int32), {"q": vectors.astype(np.float32), "q_sum": sums}))
    column, found = SCHEMA.tables["item_factors"].column("q"), split(parts, 4)
    shared = found.shared(parts, {"q_sum": before})
    moved = factors.merged(found, shared, column, base, parts)
    assert found.rows.tolist() == [1, 3]
    of_one = [(part.columns["q"][at], part.columns["q_sum"][at]) for part, at in zip(parts, (1, 0), strict=True)]
    for k in range(dim.FACTORS):
        steps = [(float(vector[k]), float(total)) for vector, total in of_one]
        expected, _ = naive.merging.adagrad(float(base[1, k]), float(before[1]), steps, dim.FACTOR_START)
        assert moved[0, k] == pytest.approx(expected, abs=1e-5)
    begun = [(part.columns["q"][2], part.columns["q_sum"][2]) for part in parts]
    total = sum(weight for _, weight in begun)
    np.testing.assert_allclose(moved[1], sum(vector * weight / total for vector, weight in begun), atol=1e-5)


def test_steps_are_added_to_the_rows_of_their_groups_alone() -> None:
    found, values = np.zeros((3, 2), np.float32), np.array([[1, 2], [3, 4]], np.float32)
    places, groups = np.array([1, 0]), np.array([2, 2], np.int32)
    add_steps(found, np.ones((3, 2), np.float32), values, places, groups, np.array([1.0, 0.5], np.float32))
    assert found.tolist() == [[0, 0], [0, 0], [2, 3.5]]


def test_marking_rows_marks_each_once() -> None:
    marks = Marks(70)
    row_groups.mark_all(marks.array, np.array([3, 65, 3], np.int32))
    assert marks.array[COUNT] == 2
    assert marks.array[BITS] == 8
    assert marks.take().tolist() == [3, 65]
