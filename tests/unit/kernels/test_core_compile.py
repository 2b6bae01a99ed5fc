"""What the decorators make of a function: which machine code is shared, and how tables are handed on."""

import gc
from collections import namedtuple
from typing import Any, NamedTuple

import numpy as np
import pytest

from models.kernels.core.compile import by_width, entry, kernel, njit, types
from models.kernels.core.lending import lend
from models.recommender.recommender import new_state
from models.recommender.types import RecommenderOptions


class Table(NamedTuple):
    numbers: Any
    rows: Any


class Both(NamedTuple):
    first: Any
    table: Table
    last: Any


@kernel
def total(table, at):
    return table.numbers[at] + table.rows[0, at]


@kernel
def shared(array, place):
    return array[place]


@by_width
def apart(array, place):
    return array[place]


@entry
def called(both, narrow):
    sums = 0.0
    for at in range(both.first.shape[0]):
        sums += total(both.table, at) + both.last[at]
    both.last[0] = 7
    return sums + shared(both.first, 0) + shared(both.first, 2) + shared(both.first, narrow[0]) + apart(both.first, 1)


def view() -> Both:
    """Each array has values of its own, so that no two places can be mistaken for one another."""
    table = Table(np.array([1.0, 2.0, 4.0]), np.array([[10.0, 20.0, 40.0]], np.float32))
    return Both(np.array([1, 2, 4]), table, np.array([100, 200, 400], np.int32))


NARROW = np.array([1], np.int32)
SUM = 7 + 70 + 700 + 1 + 4 + 2 + 2


def test_a_lent_tuple_is_read_and_written_in_place() -> None:
    both = view()
    assert called(lend(both), NARROW) == SUM
    assert both.last.tolist() == [7, 200, 400]


def test_a_lent_tuple_keeps_its_arrays_alive() -> None:
    lent = lend(view())
    gc.collect()
    assert called(lent, NARROW) == SUM
    table = lend(view()).table
    gc.collect()
    assert total(table, 1) == 22


def test_members_of_a_lent_tuple_that_are_tuples_are_lent() -> None:
    lent = lend(view())
    assert [total(lent.table, at) for at in range(3)] == [11, 22, 44]
    with pytest.raises(AttributeError, match="first"):
        _ = lent.first


@entry
def first_of(pair):
    return pair.first[0]


def test_tuples_that_differ_in_the_order_of_their_members_alone_are_told_apart() -> None:
    arrays = np.array([1]), np.array([2])
    assert first_of(lend(namedtuple("Pair", ("first", "other"))(*arrays))) == 1
    assert first_of(lend(namedtuple("Pair", ("other", "first"))(*arrays))) == 2


def test_a_state_lends_the_arrays_that_it_has_now() -> None:
    state = new_state(RecommenderOptions(items=100, users=10, categories=5, brands=5))
    before = state.lent_served
    assert state.lent_served is before
    stats = state.served.item_stats
    while state.served.item_stats is stats:
        state.add("item", f"i{len(state.keys['item'].ids)}")
    assert state.lent_served is not before
    assert state.lent_served.view is state.served
    assert state.lent_private is not None
    assert state.lent_private.view is state.private


def test_constants_and_narrow_integers_share_machine_code_unless_asked_otherwise() -> None:
    array = types.Array(types.int64, 1, "C")
    for kind in (types.literal(3), types.int32, types.int64):
        assert shared.get_call_template([array, kind], {})[2][1] == types.int64
    assert shared.get_call_template([array, types.uint64], {})[2][1] == types.uint64
    assert apart.get_call_template([array, types.literal(1)], {})[2][1] == types.literal(1)
    assert {str(kinds[1]) for kinds in shared.signatures} == {"int64", "uint64"}


def test_a_kernel_gets_an_entry_from_python_when_python_first_calls_it() -> None:
    @kernel
    def double(value):
        return 2 * value

    @entry
    def through(value):
        return double(value)

    assert through(4) == 8
    assert double.from_python is None
    assert double(4) == 8
    assert double.from_python is not None


KINDS = (types.Array(types.int64, 1, "C"), types.int64)


def test_a_kernel_is_kept_without_machine_code_and_read_from_the_cache_by_the_kernels_that_call_it() -> None:
    shared.compile(KINDS)
    again = kernel(shared.py_func)

    @njit  # kept in no cache, so that it is compiled each time
    def through(array):
        return again(array, 1)

    assert through(np.array([3, 5])) == 5
    assert sum(again.stats.cache_hits.values()) == 1
    kept = again.overloads[KINDS]
    assert kept.library.get_pointer_to_function(kept.fndesc.llvm_func_name) == 0
