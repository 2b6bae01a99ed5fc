"""Starts a state from what a shop already has: item vectors, counts of purchases. Stage 4.

Vectors become the factorization machine's own: items whose vectors have a large inner product go together. Counts
become popularity, as if the last events had been spread like them.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from models import dimensions as dim
from models.arrays import Array
from models.kernels.retrieval import popularity
from models.kernels.retrieval.pool import enter
from models.state import State

LENGTH: Final = 1.0
"""Root mean square length of imported vectors. Ratios between lengths are kept. If all were far longer, the softmax of
the first events would be all or nothing; if far shorter, it would tell nothing apart."""

TRUST: Final = 0.1
"""AdaGrad sum that an imported vector starts with, as after some ten learned events. With 0 the first event would throw
the vector far off; with ten times as much it would change three times as slowly."""

LONGEST_ID: Final = 256
"""Most characters of an id, as in models/records/events.py: no event could name a longer one."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class ImportRefusedError(ValueError):
    """The knowledge cannot be imported. The message says which part is wrong and what would be right."""


@dataclass(frozen=True)
class Knowledge:
    """Items and what a shop knows of them.

    Args:
        ids: Ids of the items, (n).
        vectors: A vector for each, (n, width), or None.
        counts: Past events of each, (n,), or None.
    """

    ids: list[str]
    vectors: Array | None
    counts: Array | None


class ImportOutcome(NamedTuple):
    """What an import did."""

    items: int  # items taken
    new: int  # of these, items that had no row
    left_out: int  # items beyond the ceiling
    vectors: int  # items that got a vector
    counts: int  # items that got a count
    width: int  # numbers per vector as given, 0 without vectors
    kept: float  # share of the vectors' squared lengths left after the reduction to the model's width


def check(knowledge: Knowledge, *, project: bool) -> None:
    """Check that the knowledge can be imported.

    Args:
        knowledge: What is to be imported.
        project: Whether vectors of another width may be projected on the model's.

    Raises:
        ImportRefusedError: For ids, shapes or values that cannot be used.
    """
    _check_ids(knowledge.ids)
    if knowledge.vectors is None and knowledge.counts is None:
        raise ImportRefusedError("neither vectors nor counts: there is nothing to import")
    if knowledge.vectors is not None:
        _check_vectors(knowledge.vectors, len(knowledge.ids), project)
    if knowledge.counts is not None:
        _check_counts(knowledge.counts, len(knowledge.ids))


def _check_ids(ids: list[str]) -> None:
    if not ids:
        raise ImportRefusedError("no items")
    seen: set[str] = set()
    for place, one in enumerate(ids):
        if not 1 <= len(one) <= LONGEST_ID or _CONTROL.search(one):
            raise ImportRefusedError(
                f"id {place} is {one[:40]!r}: must be 1 to {LONGEST_ID} characters without control characters"
            )
        if one in seen:
            raise ImportRefusedError(f"id {one!r} comes twice: one row per item")
        seen.add(one)


def _check_vectors(vectors: Array, count: int, project: bool) -> None:
    if vectors.ndim != 2 or len(vectors) != count or vectors.dtype.kind not in "fiu":
        raise ImportRefusedError(
            f"vectors are {vectors.dtype} of shape {vectors.shape}: must be numbers of shape ({count}, {dim.FACTORS})"
        )
    if vectors.shape[1] != dim.FACTORS and not project:
        raise ImportRefusedError(
            f"vectors have {vectors.shape[1]} numbers each, the model has {dim.FACTORS}: export them with "
            f"{dim.FACTORS} factors, or add --project to keep of their inner products what {dim.FACTORS} numbers can"
        )
    if not np.isfinite(vectors).all():
        raise ImportRefusedError("vectors hold a NaN or an infinity")
    if not vectors.any():
        raise ImportRefusedError("all vectors are zero")


def _check_counts(counts: Array, count: int) -> None:
    if counts.shape != (count,) or counts.dtype.kind not in "fiu":
        raise ImportRefusedError(f"counts are {counts.dtype} of shape {counts.shape}: must be {count} numbers")
    if not (np.isfinite(counts).all() and (counts >= 0).all()):
        raise ImportRefusedError("counts must be finite and not negative")


def fitted(vectors: Array) -> tuple[Array, float]:
    """Fit vectors to the model's width, keeping their inner products as nearly as possible.

    Wider vectors are projected on the directions in which they differ most (Eckart and Young, Psychometrika 1936),
    narrower ones are padded with zeros. All are scaled by one number to the root mean square length LENGTH.

    Args:
        vectors: Vectors of any width, (n, width).

    Returns:
        Vectors (n, FACTORS) f32, and the share of the squared lengths that is kept.
    """
    wide = np.asarray(vectors, np.float64)
    if wide.shape[1] > dim.FACTORS:
        _, axes = np.linalg.eigh(wide.T @ wide)  # ascending
        axes = axes[:, ::-1][:, : dim.FACTORS]
        axes = axes * np.where(axes[np.abs(axes).argmax(axis=0), np.arange(dim.FACTORS)] < 0, -1, 1)
        narrow = wide @ axes
    else:
        narrow = np.pad(wide, ((0, 0), (0, dim.FACTORS - wide.shape[1])))
    kept = float((narrow**2).sum() / (wide**2).sum())
    return (narrow * (LENGTH / math.sqrt((narrow**2).sum(axis=1).mean()))).astype(np.float32), kept


def take(state: State, knowledge: Knowledge, now: int) -> ImportOutcome:
    """Give every item a row and write what is known of it. Call `check` first.

    When the ceiling leaves no room for all, the items with the highest counts get a row; on a tie, the first of the
    file.

    Args:
        state: The state to write to.
        knowledge: Items, vectors and counts.
        now: Epoch seconds, written as the first and last time of new items.
    """
    keys = state.keys["item"]
    order = np.arange(len(knowledge.ids)) if knowledge.counts is None else np.argsort(-knowledge.counts, kind="stable")
    known = {key for key in knowledge.ids if key in keys.rows}
    room = keys.space.ceiling - len(keys)
    chosen: list[int] = []
    for place in order.tolist():
        if knowledge.ids[place] in known:
            chosen.append(place)
        elif room > 0:
            chosen.append(place)
            room -= 1
    rows = np.array([state.add("item", knowledge.ids[place]) for place in chosen], np.int32)
    fresh = np.array([knowledge.ids[place] not in known for place in chosen])
    _set_times(state, rows[fresh], now)
    width, kept = 0, 1.0
    if knowledge.vectors is not None:
        vectors, kept = fitted(knowledge.vectors)
        width = knowledge.vectors.shape[1]
        _set_vectors(state, rows, vectors[chosen])
    if knowledge.counts is not None:
        _add_counts(state, rows, np.asarray(knowledge.counts, np.float64)[chosen])
    _fill_pool(state, rows)
    missed = len(knowledge.ids) - len(rows)
    with_vectors, with_counts = knowledge.vectors is not None, knowledge.counts is not None
    return ImportOutcome(
        len(rows), int(fresh.sum()), missed, len(rows) * with_vectors, len(rows) * with_counts, width, kept
    )


def _set_times(state: State, rows: Array, now: int) -> None:
    stats = state.tables["item_stats"]
    stats.columns["first"][rows] = stats.columns["last"][rows] = now
    stats.mark(rows)


def _set_vectors(state: State, rows: Array, vectors: Array) -> None:
    factors = state.tables["item_factors"]
    factors.columns["q"][rows] = vectors
    factors.columns["q_sum"][rows] = np.maximum(factors.columns["q_sum"][rows], TRUST)
    factors.mark(rows)


def _add_counts(state: State, rows: Array, counts: Array) -> None:
    """Add popularity as if the last events were spread like the counts: at most as many as each half-life remembers."""
    rows, counts = rows[counts > 0], counts[counts > 0]
    if not len(rows):
        return
    stats, applied = state.tables["item_stats"], int(state.tables["clock"].columns["applied"][0])
    for life, half in enumerate(dim.HALF_LIVES):
        remembered = half / math.log(2)
        keys = np.log(counts * min(1.0, remembered / counts.sum())) + math.log(2) / half * applied
        stats.columns["key"][rows, life] = np.logaddexp(stats.columns["key"][rows, life], keys)
        _enlist(state, "top_items", life * dim.TOP, dim.TOP, rows, stats.columns["key"][rows, life])
    stats.mark(rows)


def enlist_categories(state: State, ids: list[str]) -> None:
    """Enter imported items into the lists of their categories, once their facts are known."""
    stats = state.tables["item_stats"].columns
    rows = np.array([state.keys["item"].rows[one] for one in ids if one in state.keys["item"].rows], np.int32)
    rows = rows[(stats["category"][rows] >= 0) & (stats["key"][rows, 1] > dim.NEVER)]
    for category in np.unique(stats["category"][rows]).tolist():
        own = rows[stats["category"][rows] == category]
        keys = stats["key"][own, 1]
        kinds = state.tables["category_stats"]
        kinds.columns["key"][category] = np.logaddexp(kinds.columns["key"][category], np.logaddexp.reduce(keys))
        kinds.mark(np.array([category], np.int32))
        _enlist(state, "category_top", category * dim.CATEGORY_TOP, dim.CATEGORY_TOP, own, keys)


def _enlist(state: State, table: str, start: int, size: int, rows: Array, keys: Array) -> None:
    """Enter the rows with the `size` largest keys into a list, which keeps no more."""
    lists = state.tables[table]
    columns = lists.columns
    for at in np.argsort(-keys, kind="stable")[:size].tolist():
        popularity.enlist(
            columns["item"], columns["key"], lists.marks.array, start, size, int(rows[at]), float(keys[at])
        )


def _fill_pool(state: State, rows: Array) -> None:
    """Enter the most popular rows (on a tie the first of the file) into the pool that the machine ranks."""
    served, private = state.lent_served, state.lent_private
    assert private is not None
    keys, random = state.served.item_stats.key, state.private.progress.random
    for row in rows[np.argsort(-keys[rows, 2], kind="stable")][: dim.POOL].tolist():
        enter(served.pool, served.clock, private.item_pool, keys, row, random)
    for name in ("clock", "progress"):
        state.tables[name].mark(np.zeros(1, np.int32))
