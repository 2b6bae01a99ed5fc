"""Vector instructions against the same sums in numpy."""

import math

import numpy as np
import pytest

from models.dimensions import FACTORS
from models.kernels.core import vectors
from models.kernels.core.compile import kernel


@kernel
def sums(a, row, b, other, z, out):
    out[0] = vectors.dot(a, row, z)
    out[1] = vectors.dot_both(a, row, b, other, z)
    out[2] = vectors.square(np.float32(0.5), z, np.float32(0.1), a, row)


@kernel
def changes(a, row, b, other, z, keep, along, total):
    vectors.add(total, np.float32(2), a, row)
    vectors.add_both(total, np.float32(3), a, row, b, other)
    vectors.move(a, row, keep, along, z)


@kernel
def transfers(a, b, weight):
    vectors.copy(a, 0, b, 2)
    vectors.shrink(a, 1, weight)
    vectors.add_row(a, 2, weight, b, 1)


@kernel
def searches(others, counts, start, item, out):
    out[0] = vectors.first(vectors.equal(others, start, item))
    least = vectors.least(others, counts, start)
    out[1] = vectors.first(vectors.at_most(others, counts, start, least))


@pytest.fixture
def rows():
    rng = np.random.default_rng(3)
    return [rng.normal(size=size).astype(np.float32) for size in ((5, FACTORS), (3, FACTORS), FACTORS)]


def test_sums_over_a_row_are_those_of_numpy(rows):
    a, b, z = rows
    out = np.zeros(3)
    sums(a, np.int32(4), b, 1, z, out)
    expected = [a[4] @ z, (a[4] + b[1]) @ z, np.square(0.5 * z + 0.1 * a[4]).sum()]
    assert out == pytest.approx(expected, rel=1e-5)


def test_rows_of_another_array_are_copied_and_added(rows):
    a, b, _ = rows
    before, weight = a.copy(), np.float32(0.3)
    transfers(a, b, weight)
    np.testing.assert_array_equal(a, [b[2], weight * before[1], before[2] + weight * b[1], *before[3:]])


def test_nan_and_infinity_stay_what_they_are(rows):
    a, b, z = rows
    for bad in (math.nan, math.inf):
        a[2, 7] = bad
        out = np.zeros(3)
        sums(a, 2, b, 1, z, out)
        assert not np.isfinite(out).any()


def test_only_the_named_row_changes(rows):
    a, b, z = rows
    before, total = a.copy(), np.ones(FACTORS, np.float32)
    changes(a, 3, b, 2, z, np.float32(0.9), np.float32(-0.1), total)
    assert total == pytest.approx(1 + 5 * before[3] + 3 * b[2], rel=1e-5)
    assert a[3] == pytest.approx(0.9 * before[3] - 0.1 * z, rel=1e-5)
    assert (np.delete(a, 3, 0) == np.delete(before, 3, 0)).all()


def test_searches_find_the_first_and_a_free_slot_is_the_least():
    others, counts = np.arange(100, 140, dtype=np.int32), np.full(40, 60_000, np.uint16)
    counts[[9, 12]] = 40_000
    out = np.zeros(2, np.int64)
    searches(others, counts, 3, 107, out)
    assert out.tolist() == [4, 6]
    others[11] = -1
    searches(others, counts, 3, 999, out)
    assert out.tolist() == [64, 8]
