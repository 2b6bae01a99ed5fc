"""Small kernels of the core against their slow twins: selection, the map of rows, hashed shares, softmax."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.kernels.core import hashing, short_numbers, softmax
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


CODES = st.integers(0, short_numbers.MOST)
COUNTS = st.floats(0.0, 2.0**26)


@given(CODES)
@settings(deadline=None)
def test_a_code_stands_for_the_number_of_its_twin_and_is_its_code(code):
    number = short_numbers.number(np.uint16(code))
    assert number == naive.core.number(code)
    assert (
        short_numbers.nearest(number)
        == short_numbers.rounded(number, 0.0)
        == short_numbers.rounded(number, 0.999)
        == code
    )


@given(COUNTS, st.floats(0.0, 1.0, exclude_max=True))
@settings(deadline=None)
def test_a_number_between_two_codes_is_rounded_up_where_the_draw_says_so(value, drawn):
    lower, upper, share = naive.core.around(value)
    if lower == upper:
        assert short_numbers.rounded(value, drawn) == short_numbers.MOST
    elif abs(share + drawn - 1.0) > 1e-9:
        assert short_numbers.rounded(value, drawn) == (upper if share + drawn >= 1.0 else lower)


def test_whole_numbers_are_exact_as_far_as_they_are_said_to_be():
    assert all(short_numbers.number(short_numbers.nearest(count)) == count for count in range(4097))
    assert short_numbers.number(short_numbers.nearest(4097)) != 4097


def test_a_count_grows_by_what_is_added_however_small_it_is():
    """20,000 times 0.2 on 4,096, where two codes are 2 apart: the mean of a rounded step has a standard error of 92."""
    code = short_numbers.nearest(4096.0)
    for event in range(20_000):
        code = short_numbers.changed(code, 0.2, event, 7)
    assert short_numbers.number(code) == pytest.approx(4096 + 4000, abs=300)


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
