"""Tables: a cut carries the changed rows, and a state rebuilt from cuts has the same bytes."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.state.copies import combined, duplicate
from models.state.marks import Marks
from models.state.merges import SUM
from models.state.state import State
from models.state.table_data import read_rows, write_rows
from models.state.tables import Column, Schema, Space, Table

ITEM = Column("item", "i4", default=-1, refers="item", merge=SUM)
SCHEMA = Schema(
    1,
    [Space("item", 6), Space("user", 4, served=False)],
    [
        Table("weights", "item", (Column("q", "f4", (3,), merge=SUM), Column("n", "u4", merge=SUM))),
        Table("slots", "item", (replace(ITEM, name="other"), Column("c", "f4", merge=SUM)), width=4),
        Table("rings", "user", (ITEM,), width=3, served=False),
        Table("clock", "model", (Column("a", "i8", merge=SUM),)),
    ],
    __name__,
)
for name, made in SCHEMA.classes.items():
    setattr(sys.modules[__name__], name, made)


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 3), st.booleans()), max_size=40))
@settings(deadline=None)
def test_a_state_rebuilt_from_base_and_cuts_has_the_same_bytes(steps):
    state, follower = State(SCHEMA), State(SCHEMA)
    follower.apply(state.full())
    for number, (key, slot, cut) in enumerate(steps):
        if state.keys["item"].full and key not in state.keys["item"].rows:
            state.remove("item", [next(iter(state.keys["item"].rows))])
        row = state.add("item", key)
        state.tables["weights"].columns["q"][row, slot % 3] = number
        state.tables["weights"].mark(np.array([row], np.int32))
        state.tables["slots"].columns["other"][row * 4 + slot] = row
        state.tables["slots"].mark(np.array([row * 4 + slot], np.int32))
        if cut:
            follower.apply(state.cut())
    follower.apply(state.cut())
    assert follower.digest() == state.digest()
    late = State(SCHEMA)
    late.apply(state.full())
    assert late.digest() == state.digest()
    assert [late.keys["item"].add(f"new{i}") for i in range(6 - len(late.keys["item"]))] == [
        state.keys["item"].add(f"new{i}") for i in range(6 - len(state.keys["item"]))
    ]


def test_a_row_that_was_used_before_begins_again_from_the_defaults():
    state, follower = State(SCHEMA), State(SCHEMA)
    rows = [state.add("item", key) for key in ("tea", "cup")]
    state.tables["weights"].columns["n"][rows] = 7
    state.tables["weights"].mark(np.array(rows, np.int32))
    follower.apply(state.cut())
    state.remove("item", ["tea"])
    assert [state.add("item", key) for key in ("pot", "jug")] == [0, 2]
    follower.apply(state.cut())
    assert follower.keys["item"].rows == {"pot": 0, "cup": 1, "jug": 2}
    assert follower.tables["weights"].columns["n"][:3].tolist() == [0, 7, 0]
    assert follower.digest() == state.digest()


def test_a_removed_row_leaves_no_reference_behind():
    state = State(SCHEMA)
    tea, cup, ann = state.add("item", "tea"), state.add("item", "cup"), state.add("user", "ann")
    state.tables["slots"].columns["other"][cup * 4] = tea
    state.tables["rings"].columns["item"][ann * 3 + 1] = tea
    state.cut()
    state.remove("item", ["tea"])
    assert state.tables["slots"].columns["other"][cup * 4] == -1
    assert state.tables["rings"].columns["item"][ann * 3 + 1] == -1
    assert state.cut().tables["rings"].rows.tolist() == [ann * 3 + 1]


def test_a_served_only_state_has_no_user():
    state, served = State(SCHEMA), State(SCHEMA, served_only=True)
    state.add("user", "ann")
    state.add("item", "tea")
    served.apply(state.full())
    assert "user" not in served.keys
    assert "rings" not in served.tables
    assert served.keys["item"].rows == {"tea": 0}


def test_a_not_finite_value_is_named():
    state = State(SCHEMA)
    row = state.add("item", "tea")
    state.tables["weights"].columns["q"][row, 1] = np.nan
    assert state.full().not_finite() == ["weights.q"]


def test_more_rows_than_the_list_of_touched_ones_holds_are_all_carried(monkeypatch):
    monkeypatch.setattr("models.state.table_data.Marks", lambda rows: Marks(rows, capacity=2))
    state = State(SCHEMA)
    rows = [state.add("item", key) for key in "abcde"]
    for row in rows:
        state.tables["weights"].mark(np.array([row], np.int32))
    assert state.cut().tables["weights"].rows.tolist() == rows
    assert state.cut().tables["weights"].rows.tolist() == []


@pytest.mark.parametrize("shape", [(), (3,), (2, 2)])
@pytest.mark.parametrize("dtype", ["u1", "i4", "f4", "f8"])
@pytest.mark.parametrize("rows", [0, 9, 200])
def test_many_rows_are_read_as_numpy_would(dtype, shape, rows):
    rng = np.random.default_rng(5)
    table = rng.integers(0, 99, (500, *shape)).astype(dtype)
    chosen = np.sort(rng.choice(500, rows, replace=False)).astype(np.int32)
    found = read_rows(table, chosen)
    assert (found.tobytes(), found.dtype, found.shape) == (table[chosen].tobytes(), table.dtype, (rows, *shape))
    assert not np.shares_memory(found, table)


def odd(values):
    """The same values at an address that is no multiple of their size."""
    room = np.zeros(values.nbytes + 1, np.uint8)
    moved = room[1:].view(values.dtype).reshape(values.shape)
    moved[...] = values
    return moved


@pytest.mark.parametrize("shape", [(), (3,), (2, 2)])
@pytest.mark.parametrize("dtype", ["u1", "i4", "f4", "f8"])
@pytest.mark.parametrize("run", [False, True])
def test_many_rows_are_written_as_numpy_would(dtype, shape, run):
    rng = np.random.default_rng(5)
    target = rng.integers(0, 99, (500, *shape)).astype(dtype)
    expected = target.copy()
    rows = (np.arange(100, 300) if run else np.sort(rng.choice(500, 200, replace=False))).astype(np.int32)
    values = rng.integers(0, 99, (200, *shape)).astype(dtype)
    values = odd(values)
    values.flags.writeable = False
    expected[rows] = values
    write_rows(target, rows, values)
    assert target.tobytes() == expected.tobytes()


def test_a_state_is_copied_in_slices(monkeypatch):
    monkeypatch.setattr("models.state.table_data.COPIED", 40)
    monkeypatch.setattr("models.state.keys.TOGETHER", 2)
    state = State(SCHEMA, served_only=False)
    for number, key in enumerate(["tea", "cup", "pot", "jug", "tin"]):
        row = state.add("item", key)
        state.tables["weights"].columns["q"][row] = number + 0.5
        state.tables["slots"].columns["other"][row * 4 + 1] = row
    state.remove("item", ["pot"])
    twin = duplicate(state)
    assert twin.digest() == state.digest()
    assert twin.add("item", "new") == state.add("item", "new")


class Left(Exception):
    """A copy was left at a look."""


class Looks:
    """Counts looks, and leaves at the one after `most`."""

    def __init__(self, most=10_000):
        self.asked, self.most = 0, most

    def __call__(self):
        self.asked += 1
        if self.asked > self.most:
            raise Left


def slices_of(state):
    """How often 8 bytes, or a row of more, are copied when all is."""
    rows = {name: state.keys[data.table.keys].capacity * data.table.width for name, data in state.tables.items()}
    wide = [
        (rows[name], max(1, 8 * len(c) // c.nbytes)) for name, d in state.tables.items() for c in d.columns.values()
    ]
    return sum(-(-count // together) for count, together in wide)


def grown_state():
    state = State(SCHEMA)
    for number, key in enumerate(["tea", "cup", "pot", "jug", "tin"]):
        row = state.add("item", key)
        state.tables["weights"].columns["q"][row] = number + 0.5
    state.add("user", "ann")
    for data in state.tables.values():
        data.mark(np.arange(state.keys[data.table.keys].capacity * data.table.width))
    return state


@pytest.mark.parametrize("copy", ["full", "changed", "combined", "cut"])
def test_a_long_copy_is_looked_at_after_each_slice_and_can_be_left_there(monkeypatch, copy):
    monkeypatch.setattr("models.state.table_data.SLICE", 8)
    state, looks, follower = grown_state(), Looks(), State(SCHEMA)
    work = {"combined": lambda look: combined(state, state, look).full()}.get(copy) or getattr(state, copy)
    changes = state.changed()
    for most in range(10_000):
        looks = Looks(most)
        try:
            made = work(looks)
        except Left:
            again = state.changed()
            assert all(again.tables[name].rows.tolist() == part.rows.tolist() for name, part in changes.tables.items())
            assert again.keys["item"].ids == changes.keys["item"].ids
        else:
            break
    assert looks.asked >= slices_of(state)
    follower.apply(made)
    assert follower.digest() == state.digest()
    assert len(state.changed().tables["weights"].rows) == (0 if copy == "cut" else 5)


def test_what_is_taken_over_is_looked_at_after_each_column():
    state, looks = grown_state(), Looks()
    State(SCHEMA).apply(state.full(), looks)
    assert looks.asked >= sum(len(data.columns) for data in state.tables.values()) + len(SCHEMA.spaces) - 1


def test_references_to_removed_rows_are_swept_and_the_next_cut_carries_that():
    state, follower = State(SCHEMA), State(SCHEMA)
    for key in ("tea", "cup", "pot"):
        row = state.add("item", key)
        state.tables["slots"].columns["other"][row * 4 : row * 4 + 3] = (0, 1, 2)
    follower.apply(state.full())
    state.cut()
    state.remove("item", ["cup"])
    assert state.tables["slots"].columns["other"][:12].tolist() == [0, -1, 2, -1, -1, -1, -1, -1, 0, -1, 2, -1]
    follower.apply(state.cut())
    assert follower.digest() == state.digest()
