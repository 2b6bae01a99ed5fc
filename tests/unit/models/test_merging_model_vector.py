"""The vector of a model's own numbers: every number is merged as its column's rule merges it row by row."""

from __future__ import annotations

import numpy as np
import pytest

from models.merging import column_rules
from models.merging.model_vector import layout
from models.merging.touched import all_parts, split
from models.recommender import RecommenderOptions, new_state
from models.state import SCHEMA, TableChanges

FEW = RecommenderOptions(items=8, users=8, categories=4, brands=4, queries=4)
LISTS = {("clock", "lists"), ("fresh", "lists")}


def trained(random: np.random.Generator, base: np.ndarray, share: float, lists: int) -> np.ndarray:
    """A part that trained on some lists, by which a share of its numbers moved."""
    found, own = base.copy(), layout(SCHEMA)
    for (table, column), place in own.slices.items():
        size = place.stop - place.start
        moves = random.random(size) < share
        if (table, column) in LISTS:
            found[place] += lists
        elif lists and column == "total":
            found[place] += moves * random.uniform(0.1, 2.0, size)
        elif lists and SCHEMA.tables[table].column(column).merge.rule == "settling":
            moves = found[own.slices[table, "total"]] != base[own.slices[table, "total"]]
            found[place] += moves * random.normal(size=size)
        elif lists:
            found[place] += random.normal(size=size)
        found[place] = found[place].astype(SCHEMA.tables[table].column(column).dtype)
    return found


def drawn(random: np.random.Generator) -> np.ndarray:
    """The vector of a model that has learned."""
    base = np.empty(layout(SCHEMA).size)
    for (table, column), place in layout(SCHEMA).slices.items():
        values = random.uniform(0.5, 9.0, place.stop - place.start)
        base[place] = 700 if (table, column) in LISTS else values.astype(SCHEMA.tables[table].column(column).dtype)
    return base


@pytest.mark.parametrize("seed", range(6))
def test_each_number_is_merged_by_the_rule_of_its_column(seed: int) -> None:
    random, own = np.random.default_rng(seed), layout(SCHEMA)
    base = drawn(random)
    counts = random.integers(1, 40, int(random.integers(2, 9))).tolist()
    parts = [trained(random, base, 0.5, count) for count in counts]
    found = base.copy()
    own.merge(found, parts)
    for (table, name), place in own.slices.items():
        column = SCHEMA.tables[table].column(name)
        names = [name, "total"] if column.merge.rule == "settling" else [name]
        columns = [SCHEMA.tables[table].column(each) for each in names]
        targets = {each.name: base[own.slices[table, each.name]].astype(each.dtype) for each in columns}
        changed = []
        for part in parts:
            rows = np.flatnonzero(np.any([part[own.slices[table, each]] != targets[each] for each in names], axis=0))
            values = {each: part[own.slices[table, each]][rows].astype(targets[each].dtype) for each in names}
            changed.append(TableChanges(rows.astype(np.int32), values))
        changes = all_parts(changed, names)
        column_rules.merge(targets, columns, changes, split(changes), lambda _: (700, np.array(counts)))
        np.testing.assert_allclose(found[place], targets[name], rtol=1e-5, atol=1e-6, err_msg=f"{table}.{name}")


def test_what_one_part_alone_changed_is_taken_over_to_the_bit_and_a_part_that_trained_on_nothing_changes_nothing() -> (
    None
):
    random = np.random.default_rng(7)
    base = drawn(random)
    part, found = trained(random, base, 0.7, 12), base.copy()
    layout(SCHEMA).merge(found, [base.copy(), part, base.copy()])
    np.testing.assert_array_equal(found, part)


def test_a_vector_that_is_written_holds_what_was_read() -> None:
    state, own = new_state(FEW), layout(SCHEMA)
    vector = drawn(np.random.default_rng(8))
    own.write(vector, state)
    np.testing.assert_array_equal(own.read(state), vector)
