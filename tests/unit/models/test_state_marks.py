"""Marks of changed rows against a set: from kernels and from Python, while the table grows, and beyond their list."""

from __future__ import annotations

import numpy as np
import pytest

from models.kernels.core.marks import mark
from models.state.marks import Marks


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("capacity", [None, 1 << 18, 40, 3])
def test_marked_rows_are_taken_once_each_and_in_order(seed: int, capacity: int | None) -> None:
    rng = np.random.default_rng(seed)
    rows, marks, expected = 50, Marks(50, capacity), set[int]()
    for _ in range(300):
        chosen = rng.integers(rows, size=int(rng.integers(1, 9)))
        if rng.random() < 0.5:
            marks.add(chosen)
        else:
            for row in chosen:
                mark(marks.array, row)
        expected |= set(chosen.tolist())
        if rng.random() < 0.05 and rows < 400:
            rows += int(rng.integers(1, 70))
            marks.grow(rows)
        if rng.random() < 0.03:
            assert marks.take().tolist() == sorted(expected)
            expected = set()
    assert marks.take().tolist() == sorted(expected)
    assert marks.take().tolist() == []
