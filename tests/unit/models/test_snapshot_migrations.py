"""A version of an older schema of the model loads: what has another meaning now begins again, the rest stays."""

from __future__ import annotations

import lzma
from pathlib import Path

import numpy as np
import pytest

from models import dimensions as dim
from models.recommender.types import RecommenderOptions
from models.snapshot import Manifest
from models.snapshot.decoding import decode
from models.snapshot.manifest import unseal, verify
from models.snapshot.migrations import MIGRATIONS
from models.state import SCHEMA, Changes, State, TableChanges

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
    state.apply(decode(manifest, read, SCHEMA).changes)
    assert list(state.keys["item"].rows) == ["tea", "mug ✓", "pot"]
    assert state.tables["item_totals"].columns["forward"][0] == 2.0**24
    assert state.tables["item_stats"].columns["category"][:3].tolist() == [0, 1, -1]
    assert state.tables["lag_memory"].columns["other"][:2].tolist() == [1, 2]
    assert state.tables["item_factors"].columns["q"][:3].all()
    if not served_only:
        assert list(state.keys["user"].rows) == ["ann", "bob"]
        assert not state.tables["sightings"].columns["count"].any()


def version_4(*, base: bool, rows: slice = slice(None)) -> Changes:
    """The tables that depend on the list of features, as schema 4 had them: 77 features, all numbers told apart."""
    places, inverse = np.arange(dim.BLOCKS * 77, dtype=np.int32), np.arange(77.0 * 77).reshape(77, 77)
    weights = {name: places[rows] + offset for name, offset in (("weight", 0.5), ("total", 1.0))}
    return Changes(
        base,
        {},
        {
            "moments": TableChanges(places[:77][rows], {"mean": places[:77][rows] + 1.0}),
            "ranker": TableChanges(places[rows], weights),
            "linear": TableChanges(places[:78][rows], {"weight": places[:78][rows] + 0.5}),
            "curvature": TableChanges(places[:77][rows], {"inverse": inverse[rows]}),
        },
    )


def test_features_of_schema_4_keep_what_was_learned_of_them() -> None:
    found = MIGRATIONS[4](version_4(base=True)).tables
    weights = np.zeros(dim.BLOCKS * 79)
    weights[found["ranker"].rows] = found["ranker"].columns["weight"]
    by_block = weights.reshape(dim.BLOCKS, 79)
    assert (by_block[:, :77].ravel() == np.arange(dim.BLOCKS * 77) + 0.5).all()
    assert not by_block[:, 77:].any()
    assert dict(zip(found["linear"].rows, found["linear"].columns["weight"], strict=True))[79] == 77.5
    assert found["moments"].rows.tolist() == list(range(77))
    inverse = found["curvature"].columns["inverse"]
    assert found["curvature"].rows.tolist() == list(range(79))
    assert (inverse[:77, :77] == np.arange(77.0 * 77).reshape(77, 77)).all()
    assert (inverse[77:, 77:] == dim.NEWTON_SPREAD * np.eye(2)).all()
    assert not inverse[:77, 77:].any()
    assert not inverse[77:, :77].any()


def test_a_delta_of_schema_4_changes_the_rows_of_the_same_features() -> None:
    found = MIGRATIONS[4](version_4(base=False, rows=slice(70, 77))).tables
    assert found["curvature"].rows.tolist() == list(range(70, 77))
    assert found["curvature"].columns["inverse"].shape == (7, 79)
    later = MIGRATIONS[4](version_4(base=False, rows=slice(76, 79))).tables["ranker"].rows
    assert later.tolist() == [76, 79, 80], "the second block begins behind the new features of the first"
