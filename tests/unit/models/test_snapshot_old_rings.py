"""Versions whose rings hold times, of schema 6, load as rings that hold pauses: a base, and deltas on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.dimensions import RING
from models.snapshot import Manifest, decode, encode, fill
from models.snapshot.chunks import Damaged
from models.snapshot.encoding import describe
from models.snapshot.old_rings import taken_out
from models.state import SCHEMA, Changes, Column, Schema, State, TableChanges, rings
from models.state.merges import PRIVATE

USERS = ("ann", "bob", "cid")
NOW = 1_500_000_000

Did = tuple[int, int, int, int]
"""User, item, seconds since NOW, kind."""


def _old() -> Schema:
    """Schema 6, as far as users go."""
    spaces = [space for space in SCHEMA.spaces.values() if space.name in {"user", "item", "query"}]
    user, query, ring = (SCHEMA.tables[name] for name in ("user", "user_query", "user_ring"))
    held = (Column("time", "u4", merge=PRIVATE), Column("kind", "u1", merge=PRIVATE))
    ring = replace(ring, columns=(ring.column("item"), *held))
    return Schema(6, spaces, (replace(user, columns=user.columns[:-1]), query, ring), __name__)


OLD = _old()


class Past:
    """A state of schema 6 that remembers what users did, and a copy in plain lists."""

    def __init__(self) -> None:
        self.state = State(OLD)
        self.done: dict[int, list[tuple[int, int, int]]] = {}
        for item in range(20):
            self.state.add("item", f"i{item}")

    def push(self, did: Sequence[Did]) -> None:
        users, ring = self.state.tables["user"], self.state.tables["user_ring"]
        for user, item, second, kind in did:
            row = self.state.add("user", USERS[user])
            slot = np.array([row * RING + int(users.columns["pushed"][row]) % RING])
            for name, value in zip(("item", "time", "kind"), (item, NOW + second, kind), strict=True):
                ring.columns[name][slot] = value
            users.columns["pushed"][row] += 1
            ring.mark(slot)
            users.mark(np.array([row]))
            self.done.setdefault(row, []).append((item, NOW + second, kind))

    def version(self, changes: Changes) -> tuple[Manifest, list[bytes]]:
        chunks = list(encode(changes, OLD))
        counts = {name: keys.capacity for name, keys in self.state.keys.items()}
        infos = [describe(at, chunk) for at, chunk in enumerate(chunks)]
        kind = "base" if changes.base else "delta"
        manifest = Manifest("a", 1, kind, schema_version=6, chunks=infos, counts=counts)
        return manifest, [chunk.data for chunk in chunks]


def holds(state: State, past: Past) -> None:
    """Check that every ring has its interactions, in their order and at their ages."""
    for row, done in past.done.items():
        did = rings.read(state, row)
        assert [*zip(did.items.tolist(), did.kinds.tolist(), strict=True)] == [
            (item, kind) for item, _, kind in done[: -RING - 1 : -1]
        ]
        moments = np.maximum.accumulate([second for _, second, _ in done[-RING:]])[::-1]
        assert did.times[0] == moments[0]
        # A delta is converted from what the base was converted to: two roundings.
        assert (abs(did.times - moments) <= 2 * (moments[0] - moments) / 256).all()


DONE = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 19), st.integers(0, 40_000_000), st.integers(0, 8)), max_size=300
)


@settings(max_examples=20, deadline=None)
@given(base=DONE, deltas=st.lists(DONE, max_size=3))
def test_rings_of_a_base_and_of_deltas_on_it_keep_items_kinds_and_ages(
    base: list[Did], deltas: list[list[Did]]
) -> None:
    past, state = Past(), State(SCHEMA)
    past.push(sorted(base, key=lambda did: did[2]))
    fill(state, *past.version(past.state.full()))
    past.state.forget_changes()
    holds(state, past)
    for delta in deltas:
        past.push(delta)
        manifest, chunks = past.version(past.state.cut())
        decode(manifest, chunks, SCHEMA).apply_to(state)
        holds(state, past)


def test_an_item_that_was_removed_leaves_the_ages_of_others() -> None:
    past, state = Past(), State(SCHEMA)
    past.push([(0, at, 1_000 * at, 0) for at in range(5)])
    fill(state, *past.version(past.state.full()))
    past.state.forget_changes()
    before = rings.read(state, 0)
    past.state.remove("item", ["i3"])
    manifest, chunks = past.version(past.state.cut())
    decode(manifest, chunks, SCHEMA).apply_to(state)
    did = rings.read(state, 0)
    assert did.items.tolist() == [4, -1, 2, 1, 0]
    assert (abs(did.times - before.times) <= 4000 / 128).all()


@pytest.mark.parametrize("missing", ["time", "kind"])
def test_rings_without_times_or_kinds_are_damage(missing: str) -> None:
    columns = {
        "item": np.zeros(1, np.int32),
        "time": np.zeros(1, np.uint32),
        "kind": np.zeros(1, np.uint8),
    }
    whole = Changes(False, {}, {"user_ring": TableChanges(np.zeros(1, np.int32), columns)})
    assert taken_out(whole)[1] is not None
    del columns[missing]
    with pytest.raises(Damaged, match="no times and kinds"):
        taken_out(whole)
