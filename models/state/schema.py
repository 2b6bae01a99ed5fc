"""Declares all learned state: key spaces, tables, columns, and which of them the service loads.

Item state is split by how it changes, because a version carries whole rows: an event changes some fifty factor rows,
one statistics row and some eighty memory slots, and a slot is a row of 8 bytes, not a part of a row of 400.
"""

from __future__ import annotations

from models import dimensions as dim
from models.features import FEATURES, FRESH_FEATURES
from models.state.tables import Column, Schema, Space, Table

VERSION = 4

SPACES = (
    Space("item", 1_000_000, asked=True),
    Space("user", 500_000, served=False),
    Space("category", 20_000),
    Space("brand", 50_000, served=False),
    Space("query", 20_000),
)


def _vector(name: str) -> Column:
    return Column(name, "f4", (dim.FACTORS,))


def _sum(name: str, dtype: str = "f4", default: float = 0) -> Column:
    return Column(name, dtype, default=default, merge="sum")


def _ref(space: str, name: str = "item") -> Column:
    return Column(name, "i4", default=-1, refers=space)


def _memory(name: str, keys: str, width: int) -> Table:
    return Table(name, keys, (_ref(keys, "other"), _sum("count")), width=width)


ITEM_TABLES = (
    # q: vector as context and as target; the sums are AdaGrad's, one per row.
    Table("item_factors", "item", (_vector("q"), Column("bias", "f4"), _sum("q_sum"), _sum("bias_sum"))),
    # g: second vector, of an item as context alone; apart, because only context changes it.
    Table("item_last", "item", (_vector("g"), _sum("g_sum"))),
    Table(
        "item_stats",
        "item",
        (
            Column("key", "f8", (3,), default=dim.NEVER, merge="logaddexp"),  # log of the decayed count, per half-life
            Column("first", "u4", merge="min"),  # epoch seconds
            Column("last", "u4", merge="max"),
            Column("log_price", "f4", default=dim.NO_PRICE),  # running mean, step 0.1
            _ref("category", "category"),
            _ref("brand", "brand"),
            _sum("positives", "u4"),
            _sum("returns", "u4"),  # positive events by users who had the item in their ring
            _sum("events", "u4"),  # every accepted event: the oracle against learning twice
        ),
    ),
    Table("item_totals", "item", (_sum("lag"), _sum("forward"), _sum("backward"))),
    _memory("lag_memory", "item", dim.LAG_SLOTS),
    _memory("forward_memory", "item", dim.WINDOW_SLOTS),
    _memory("backward_memory", "item", dim.WINDOW_SLOTS),
    # The lists of untouched items, newest first: of the item's category, and of the whole catalogue.
    Table(
        "item_fresh",
        "item",
        (
            Column("older", "i4", (2,), default=-1, refers="item"),
            Column("newer", "i4", (2,), default=-1, refers="item"),
            Column("arrived", "u4", merge="max"),  # epoch seconds
            Column("listed", "u1"),
        ),
    ),
    # The content of an item as a unit vector in bytes; all zero where the shop gives none.
    Table("item_content", "item", (Column("v", "i1", (dim.CONTENT,)),)),
    Table("item_signals", "item", (_sum("shown"), _sum("liked"), _sum("refused"))),
    Table("item_pool", "item", (Column("slot", "i4", default=-1),), served=False),
)

CATEGORY_TABLES = (
    Table("category_factors", "category", (_vector("q"), Column("bias", "f4"), _sum("q_sum"), _sum("bias_sum"))),
    Table(
        "category_stats",
        "category",
        (Column("key", "f8", default=dim.NEVER, merge="logaddexp"), _sum("total"), _sum("events", "u4")),
    ),
    Table("category_top", "category", (_ref("item"), Column("key", "f8")), width=dim.CATEGORY_TOP),
    _memory("category_next", "category", dim.CATEGORY_NEXT),
    Table("category_fresh", "category", (_ref("item", "newest"), _sum("waiting", "i4"), _sum("taken", "u4"))),
)

QUERY_TABLES = (
    Table("query_memory", "query", (_ref("item", "other"), _sum("count")), width=dim.QUERY_SLOTS),
    Table("query_stats", "query", (_sum("total"), Column("last", "u4", merge="max"))),
)

MODEL_TABLES = (
    Table("clock", "model", (_sum("applied", "i8"), _sum("lists", "i8"), Column("pooled", "i4"))),
    Table("top_items", "model", (_ref("item"), Column("key", "f8")), width=3 * dim.TOP),
    Table("pool", "model", (_ref("item"),), width=dim.POOL),
    Table("moments", "model", (Column("mean", "f8"), Column("square", "f8")), width=FEATURES),
    Table("ranker", "model", (Column("weight", "f4"), _sum("total")), width=dim.BLOCKS * FEATURES),
    # Inverse of the shared weights' curvature, one row per feature.
    Table("curvature", "model", (Column("inverse", "f8", (FEATURES,)),), width=FEATURES, served=False),
    # Pairs that were bought in the same order. No feature of the ranker reads them: they are in the memories as well.
    Table(
        "baskets",
        "model",
        (_ref("item", "owner"), _ref("item", "other"), _sum("count")),
        width=dim.BASKETS * dim.BASKET_SLOTS,
    ),
    Table("fresh", "model", (_ref("item", "newest"), _sum("lists", "i8"))),
    # Log odds added to untouched items, so that touched ones keep their hits and their ranks: the lower one counts.
    Table("caution", "model", tuple(Column(name, "f4", default=-dim.CAUTION) for name in ("hits", "ranks"))),
    Table("fresh_moments", "model", (Column("mean", "f8"), Column("square", "f8")), width=FRESH_FEATURES),
    Table("fresh_ranker", "model", (Column("weight", "f4"), _sum("total")), width=dim.BLOCKS * FRESH_FEATURES),
    Table("fresh_gate", "model", (Column("weight", "f4"), _sum("total")), width=dim.BLOCKS * dim.GATE_TERMS),
    Table("linear", "model", (Column("weight", "f4"), _sum("total")), width=FEATURES + 1),
    Table(
        "race",
        "model",
        (
            _sum("tested", "i8"),
            _sum("hits", "f8"),
            _sum("reciprocal", "f8"),
            Column("fading_weight", "f8"),
            Column("fading_hits", "f8"),
            Column("fading_reciprocal", "f8"),
        ),
        width=dim.CONTENDERS,
    ),
    # Per single source, for hit and reciprocal rank: by how much the served list, and the ranker, led it.
    Table(
        "guard",
        "model",
        tuple(Column(name, "f8", (2,)) for name in ("lead", "noise", "ranker_lead", "ranker_noise")),
        width=dim.SOURCES,
        served=False,
    ),
    Table("chosen", "model", (Column("contender", "i4", default=dim.MIDDLE),)),
    Table("recent", "model", (_ref("item"),), width=dim.RECENT, served=False),
    Table(
        "progress",
        "model",
        (
            Column("random", "u8"),  # state of the generator
            Column("seed", "u8"),
            _sum("recent", "i8"),  # items ever written to the table `recent`
            Column("watermark", "f8", merge="max"),  # latest record time, seconds
            Column("interval", "f8", default=0.02),  # seconds between recent records
            _sum("cold", "i8"),  # tested events whose item was untouched
            _sum("evicted_items", "i8"),
            _sum("evicted_users", "i8"),
            _sum("evicted_queries", "i8"),
            _sum("deferred", "i8"),
            _sum("refused", "i8"),  # steps of the factorization machine that were not finite
            _sum("unplaced", "i8"),  # categories and brands beyond their ceiling
        ),
        served=False,
    ),
    Table("sightings", "model", (_sum("count", "u1"),), width=dim.SIGHTINGS, served=False),
)

USER_TABLES = (
    Table(
        "user",
        "user",
        (_sum("pushed", "u4"), _sum("events", "u4"), Column("last", "u4", merge="max")),
        served=False,
    ),
    # The last search, while its result is still to come.
    Table("user_query", "user", (_ref("query", "query"), Column("time", "u4")), served=False),
    Table(
        "user_ring",
        "user",
        (_ref("item"), Column("time", "u4"), Column("kind", "u1")),
        width=dim.RING,
        served=False,
    ),
)

SCHEMA = Schema(VERSION, SPACES, (*ITEM_TABLES, *CATEGORY_TABLES, *QUERY_TABLES, *MODEL_TABLES, *USER_TABLES), __name__)
globals().update(SCHEMA.classes)  # numba's cache knows the views by these names
