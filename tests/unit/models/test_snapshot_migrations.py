"""A version of an older schema of the model loads: what has another meaning now begins again, the rest stays."""

from __future__ import annotations

import lzma
from pathlib import Path

import numpy as np
import pytest

from models.dimensions import BLOCKS
from models.recommender.types import RecommenderOptions
from models.snapshot import Manifest
from models.snapshot.chunks import Damaged
from models.snapshot.filling import fill
from models.snapshot.manifest import unseal, verify
from models.snapshot.migrations import MEMORIES, MIGRATIONS
from models.state import SCHEMA, Changes, State, TableChanges
from models.state.number_codes import numbers

GOLDEN = Path(__file__).parents[2] / "golden"
"""`version_3` is a base that the program of schema 3 wrote, with rows in every key space."""


def stored(name: str) -> tuple[Manifest, list[bytes]]:
    manifest = unseal((GOLDEN / name / "manifest").read_bytes())
    files = [GOLDEN / name / f"chunk{info.index}.xz" for info in manifest.chunks]
    chunks = [
        verify(info, lzma.decompress(file.read_bytes())) for info, file in zip(manifest.chunks, files, strict=True)
    ]
    return manifest, chunks


@pytest.mark.parametrize("served_only", [False, True])
def test_a_version_of_schema_3_loads_and_counts_items_without_a_row_again(served_only: bool) -> None:
    manifest, chunks = stored("version_3")
    assert manifest.schema_version == 3 < SCHEMA.version
    read = [chunk for info, chunk in zip(manifest.chunks, chunks, strict=True) if info.served or not served_only]
    options = RecommenderOptions(items=1000, users=1000, categories=100, brands=100, queries=100)
    state = State(SCHEMA, options.ceilings(), served_only=served_only)
    fill(state, manifest, read)
    assert list(state.keys["item"].rows) == ["tea", "mug ✓", "pot"]
    assert state.tables["item_totals"].columns["forward"][0] == 2.0**24
    assert state.tables["item_stats"].columns["category"][:3].tolist() == [0, 1, -1]
    assert state.tables["lag_memory"].columns["other"][:2].tolist() == [1, 2]
    assert numbers(state.tables["lag_memory"].columns["count"][:2]).tolist() == [0.542724609375, 0.16802978515625]
    assert state.tables["item_factors"].columns["q"][:3].all()
    if not served_only:
        assert list(state.keys["user"].rows) == ["ann", "bob"]
        assert not state.tables["sightings"].columns["count"].any()


@pytest.mark.parametrize(
    ("schema", "table", "before", "after"),
    [(4, "fresh_ranker", 20, 24), (4, "fresh_gate", 6, 8), (5, "fresh_ranker", 24, 25)],
)
def test_weights_of_untouched_items_keep_their_places_in_wider_blocks(
    schema: int, table: str, before: int, after: int
) -> None:
    """Weight f of block b, row b * before + f, is row b * after + f of the next schema."""
    assert after == SCHEMA.tables[table].width // BLOCKS or schema + 1 < SCHEMA.version
    rows = np.array([0, before - 1, before, 3 * before + 2], np.int32)
    weights = np.arange(4, dtype=np.float32)
    moved = MIGRATIONS[schema](Changes(False, {}, {table: TableChanges(rows, {"weight": weights})})).tables[table]
    assert moved.rows.tolist() == [0, before - 1, after, 3 * after + 2]
    assert moved.rows.dtype == np.int32
    assert moved.columns["weight"] is weights


@pytest.mark.parametrize("name", MEMORIES)
def test_counts_of_memories_keep_their_values_in_two_bytes(name: str) -> None:
    rows, counts = np.array([2, 5], np.int32), np.array([3.25, 2.0**24], np.float32)
    changes = Changes(False, {}, {name: TableChanges(rows, {"count": counts})})
    part = MIGRATIONS[6](changes).tables[name]
    assert part.columns["count"].dtype == np.dtype(SCHEMA.tables[name].column("count").dtype)
    assert (part.rows.tolist(), numbers(part.columns["count"]).tolist()) == ([2, 5], [3.25, 2.0**24])
    counts[1] = np.nan
    with pytest.raises(Damaged, match=name):
        MIGRATIONS[6](changes)
