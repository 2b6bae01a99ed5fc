"""The working memory of one thread: no request allocates any, and its size does not depend on the catalogue's."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from models import dimensions as dim
from models.arrays import Array
from models.features import FEATURES, FRESH_FEATURES
from models.kernels.core.lending import Lent, lend

COLUMNS = 29
"""Sums per item of the union, named in models/kernels/retrieval/candidates.py."""


class HistoryScratch(NamedTuple):
    """The history of one user, newest first, as the kernels read it."""

    items: Array  # (RING,) i32
    times: Array  # (RING,) i64 seconds
    kinds: Array  # (RING,) u8
    sessions: Array  # (RING,) i32 session breaks between now and then
    cancelled: Array  # (RING,) i32 items cancelled by a later negative event
    counts: Array  # (5,) i64: events, cancelled, categories, brands, row of the query in force or -1
    category_keys: Array  # (512,) i32 open addressing
    category_slots: Array
    category_sums: Array  # (RING, 3) f32: decayed share, events, events of this session
    category_rows: Array  # (RING,) i32 distinct, newest first
    brand_keys: Array
    brand_slots: Array
    brand_sums: Array  # (RING, 1) f32


class Union(NamedTuple):
    """Every item that any source proposes for one request, with the sums of each source."""

    keys: Array  # (2 * UNION,) i32 open addressing
    slots: Array
    items: Array  # (UNION,) i32
    sums: Array  # (UNION, COLUMNS) f32
    counts: Array  # (2,) i64: entries; 1 while no new item may get an entry
    heap: Array  # (POOL_TOP + EXTRA,) i32 best entries of a selection
    heap_keys: Array  # f32


class Work(NamedTuple):
    """Vectors of the factorization machine."""

    z: Array  # (FACTORS,) f32 the context
    gradient: Array  # (FACTORS,) f32
    items: Array  # (NEGATIVES + 1,) i32, target first
    scores: Array  # (NEGATIVES + 1,) f32
    pool: Array  # (POOL,) f32 scores of the pool
    norms: Array  # (8,) f32
    means: Array  # (2, FACTORS) f32 means of the whole history
    steps: Array  # (CATEGORY_NEXT, 2) f64 categories that follow the last one, and their share
    contents: Array  # (2, CONTENT) f32 unit vectors of the descriptions of the last item, and of the last ten


class Listed(NamedTuple):
    """The candidates of one request."""

    entries: Array  # (LISTED,) i32 into the union
    items: Array  # (LISTED,) i32: touched candidates, then untouched ones
    features: Array  # (CANDIDATES, FEATURES) f32
    scores: Array  # (CONTENDERS, LISTED) f32
    weights: Array  # (FEATURES,) f32 the ranker's weights in this context
    gradient: Array  # (FEATURES,) f32
    direction: Array  # (FEATURES,) f64 of the Newton step
    means: Array  # (FEATURES,) f64 of the raw features over the list
    squares: Array  # (FEATURES,) f64
    scale: Array  # (FEATURES,) f32 one over the spread, 0 for a constant feature
    centre: Array  # (FEATURES,) f32
    chances: Array  # (CANDIDATES,) f32
    counts: Array  # (4,) i64: touched candidates, length bucket, gap bucket, candidates with the untouched ones


class Fresh(NamedTuple):
    """The untouched candidates of one request."""

    features: Array  # (FRESH, FRESH_FEATURES) f32
    places: Array  # (FRESH,) f32 place in its list, newest 0
    scores: Array  # (FRESH,) f32 x . w
    weights: Array  # (FRESH_FEATURES,) f32 in this context
    gradient: Array  # (FRESH_FEATURES,) f32
    means: Array  # (FRESH_FEATURES,) f64 of the raw features over the list
    squares: Array  # (FRESH_FEATURES,) f64
    terms: Array  # (GATE_TERMS,) f64
    slopes: Array  # (GATE_TERMS,) f64
    odds: Array  # (3,) f64: the gate's log odds, log sum exp of the scores, what both add to each score before caution


class Own(NamedTuple):
    """The user's own items among the touched candidates of one request (models/kernels/ranking/returns.py)."""

    at: Array  # (RING,) i32 places in the list
    ranked: Array  # (RING,) f64 chance among own items by the ranker
    counted: Array  # (RING,) f64 the same by what was counted
    alone: Array  # (CANDIDATES,) f32 the ranker's scores before anything is mixed
    odds: Array  # (2,) f64: log odds that the next item is an own one, by the ranker and by counts
    rest: Array  # (1,) f64: log sum exp of the scores of all others
    counts: Array  # (1,) i64: own items, 0 where nothing was described


class Parts(NamedTuple):
    """All working memory of one thread, as kernels see it."""

    history: HistoryScratch
    union: Union
    work: Work
    listed: Listed
    own: Own
    fresh: Fresh


class Scratch(NamedTuple):
    """All working memory of one thread."""

    history: HistoryScratch
    union: Union
    work: Work
    listed: Listed
    own: Own
    fresh: Fresh
    lent: Lent
    """All of it, to hand to kernels."""


def new_scratch() -> Scratch:
    """Allocate working memory, about 1 MB."""
    parts = Parts(_history(), _union(), _work(), _listed(), _own(), _fresh())
    return Scratch(*parts, lent=lend(parts))


def _history() -> HistoryScratch:
    i4, f4 = np.int32, np.float32
    ring = dim.RING
    return HistoryScratch(
        np.zeros(ring, i4),
        np.zeros(ring, np.int64),
        np.zeros(ring, np.uint8),
        np.zeros(ring, i4),
        np.zeros(ring, i4),
        np.full(5, -1, np.int64),
        np.full(512, -1, i4),
        np.zeros(512, i4),
        np.zeros((ring, 3), f4),
        np.zeros(ring, i4),
        np.full(512, -1, i4),
        np.zeros(512, i4),
        np.zeros((ring, 1), f4),
    )


def _union() -> Union:
    i4, f4 = np.int32, np.float32
    return Union(
        np.full(2 * dim.UNION, -1, i4),
        np.zeros(2 * dim.UNION, i4),
        np.zeros(dim.UNION, i4),
        np.zeros((dim.UNION, COLUMNS), f4),
        np.zeros(2, np.int64),
        np.zeros(dim.POOL_TOP + dim.EXTRA, i4),
        np.zeros(dim.POOL_TOP + dim.EXTRA, f4),
    )


def _work() -> Work:
    f4 = np.float32
    return Work(
        np.zeros(dim.FACTORS, f4),
        np.zeros(dim.FACTORS, f4),
        np.zeros(dim.NEGATIVES + 1, np.int32),
        np.zeros(dim.NEGATIVES + 1, f4),
        np.zeros(dim.POOL, f4),
        np.zeros(8, f4),
        np.zeros((2, dim.FACTORS), f4),
        np.zeros((dim.CATEGORY_NEXT, 2)),
        np.zeros((2, dim.CONTENT), f4),
    )


def _listed() -> Listed:
    f4 = np.float32
    return Listed(
        np.zeros(dim.LISTED, np.int32),
        np.zeros(dim.LISTED, np.int32),
        np.zeros((dim.CANDIDATES, FEATURES), f4),
        np.zeros((dim.CONTENDERS, dim.LISTED), f4),
        np.zeros(FEATURES, f4),
        np.zeros(FEATURES, f4),
        np.zeros(FEATURES),
        np.zeros(FEATURES),
        np.zeros(FEATURES),
        np.zeros(FEATURES, f4),
        np.zeros(FEATURES, f4),
        np.zeros(dim.CANDIDATES, f4),
        np.zeros(4, np.int64),
    )


def _own() -> Own:
    ring = dim.RING
    return Own(
        np.zeros(ring, np.int32),
        np.zeros(ring),
        np.zeros(ring),
        np.zeros(dim.CANDIDATES, np.float32),
        np.zeros(2),
        np.zeros(1),
        np.zeros(1, np.int64),
    )


def _fresh() -> Fresh:
    f4, size = np.float32, FRESH_FEATURES
    return Fresh(
        np.zeros((dim.FRESH, size), f4),
        np.zeros(dim.FRESH, f4),
        np.zeros(dim.FRESH, f4),
        np.zeros(size, f4),
        np.zeros(size, f4),
        np.zeros(size),
        np.zeros(size),
        np.zeros(dim.GATE_TERMS),
        np.zeros(dim.GATE_TERMS),
        np.zeros(3),
    )
