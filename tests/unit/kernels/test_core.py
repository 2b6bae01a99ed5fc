"""Small kernels of the core against their slow twins: selection, the map of rows, hashed shares, softmax."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.kernels.core import hashing, softmax
from models.kernels.core import top_k as selection
from tests import naive


@given(st.lists(st.floats(-5, 5, width=16), max_size=80), st.integers(1, 20))
@settings(deadline=None)
def test_selection_equals_sorting(scores, size):
    heap, keys, count = np.zeros(20, np.int32), np.zeros(20, np.float32), 0
    for place, score in enumerate(scores):
        count = selection.offer(heap, keys, count, size, place, score)
    selection.finish(heap, keys, count)
    assert heap[:count].tolist() == naive.core.best(scores, size)


@given(st.lists(st.integers(0, 2**31 - 2), unique=True, max_size=200))
@settings(deadline=None)
def test_the_map_finds_the_stored_keys_and_no_others(keys):
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


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_equals_its_twin_in_place_too_and_reports_what_is_not_finite(dtype):
    scores, chances = np.array([1.0, 3.0, -2.0, 99.0], dtype), np.zeros(3, dtype)
    assert softmax.softmax(scores, 3, chances)
    assert chances.tolist() == pytest.approx(naive.core.softmax([1.0, 3.0, -2.0]), rel=1e-5)
    assert softmax.softmax(scores, 3, scores)
    assert scores.tolist() == [*chances.tolist(), 99.0]
    assert not softmax.softmax(np.array([1.0, math.nan, 0.0], dtype), 3, chances)


def test_the_log_of_a_sum_of_exponentials_does_not_overflow():
    scores = np.array([900.0, 901.0, 5.0], np.float32)
    assert softmax.log_sum_exp(scores, 2) == pytest.approx(901 + math.log1p(math.exp(-1)))
    assert softmax.log_sum_exp(scores, 0) == 0
