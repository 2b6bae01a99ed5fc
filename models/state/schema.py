"""Declares all learned state: key spaces, tables, columns, and which of them the service loads.

Item state is split by how it changes, because a version carries whole rows: an event changes some fifty factor rows,
one statistics row and some eighty memory slots, and a slot is a row of 6 bytes, not a part of a row of 300.
"""

from __future__ import annotations

from models import dimensions as dim
from models.features import FEATURES, FRESH_FEATURES
from models.state.merges import (
    COORDINATOR,
    DECAYED,
    DESCRIBED,
    EARLIEST,
    HALVED,
    LARGEST,
    LEADER,
    PAIRS,
    POOL,
    PRIVATE,
    RING,
    SIGHTED,
    SUM,
    TOP,
    UNTOUCHED,
    Merge,
    adagrad,
    counted,
    fading,
    mean,
    neighbours,
    newton,
    often,
    settling,
)
from models.state.tables import Column, Schema, Space, Table

VERSION = 7

SPACES = (
    Space("item", 1_000_000, asked=True),
    Space("user", 500_000, served=False),
    Space("category", 20_000),
    Space("brand", 50_000, served=False),
    Space("query", 20_000),
)


def _vector(name: str, total: str) -> Column:
    return Column(name, "f4", (dim.FACTORS,), merge=adagrad(total, dim.FACTOR_START))


def _bias() -> Column:
    return Column("bias", "f4", merge=adagrad("bias_sum", dim.BIAS_START))


def _weights(name: str, width: int, rate: float, *, blocks: int = dim.BLOCKS) -> Table:
    # AdaGrad's steps of one gradient g are rate g / root(total). Near rest a squared gradient is, on average, the
    # curvature, so a step goes the share rate g^2 / root(total) of the way: twice the rate for each unit of the root.
    # The features of a list go together: a list moves each weight as far as all `width` of them say.
    weight = Column("weight", "f4", merge=often(settling("total", 2.0 * rate * width)))
    return Table(name, "model", (weight, Column("total", "f4", merge=often(SUM))), width=blocks * width)


def _sum(name: str, dtype: str = "f4", default: float = 0) -> Column:
    return Column(name, dtype, default=default, merge=SUM)


def _lists() -> Column:
    return Column("lists", "i8", merge=often(SUM))  # lists trained on


def _ref(space: str, name: str, merge: Merge) -> Column:
    return Column(name, "i4", default=-1, refers=space, merge=merge)


def _total(name: str = "total") -> Column:
    return Column(name, "f4", merge=counted(dim.REMEMBERED))


def _memory(name: str, keys: str, width: int, total: str, of: str = "") -> Table:
    merge = neighbours(total)
    count = Column("count", "u2", merge=merge)  # codes (models/state/number_codes.py)
    return Table(name, keys, (_ref(of or keys, "other", merge), count), width=width)


def _moments(name: str, width: int, lists: str) -> Table:
    merge = often(mean(lists, dim.MOMENT_STEP))
    return Table(name, "model", (Column("mean", "f8", merge=merge), Column("square", "f8", merge=merge)), width=width)


ITEM_TABLES = (
    # q: vector as context and as target; the sums are AdaGrad's, one per row.
    Table("item_factors", "item", (_vector("q", "q_sum"), _bias(), _sum("q_sum"), _sum("bias_sum"))),
    # g: second vector, of an item as context alone; apart, because only context changes it.
    Table("item_last", "item", (_vector("g", "g_sum"), _sum("g_sum"))),
    Table(
        "item_stats",
        "item",
        (
            # log of the decayed count, per half-life
            Column("key", "f8", (3,), default=dim.NEVER, merge=often(DECAYED)),
            Column("first", "u4", merge=EARLIEST),  # epoch seconds
            Column("last", "u4", merge=LARGEST),
            Column("log_price", "f4", default=dim.NO_PRICE, merge=mean("events", 0.1)),  # running mean, step 0.1
            _ref("category", "category", DESCRIBED),
            _ref("brand", "brand", DESCRIBED),
            _sum("positives", "u4"),
            _sum("returns", "u4"),  # positive events by users who had the item in their ring
            _sum("events", "u4"),  # every accepted event: the oracle against learning twice
        ),
    ),
    Table("item_totals", "item", (_total("lag"), _total("forward"), _total("backward"))),
    _memory("lag_memory", "item", dim.LAG_SLOTS, "item_totals.lag"),
    _memory("forward_memory", "item", dim.WINDOW_SLOTS, "item_totals.forward"),
    _memory("backward_memory", "item", dim.WINDOW_SLOTS, "item_totals.backward"),
    # The lists of untouched items, newest first: of the item's category, and of the whole catalogue.
    Table(
        "item_fresh",
        "item",
        (
            Column("older", "i4", (2,), default=-1, refers="item", merge=UNTOUCHED),
            Column("newer", "i4", (2,), default=-1, refers="item", merge=UNTOUCHED),
            Column("arrived", "u4", merge=UNTOUCHED),  # epoch seconds
            Column("listed", "u1", merge=often(UNTOUCHED)),
        ),
    ),
    # The content of an item as a unit vector in bytes; all zero where the shop gives none.
    Table("item_content", "item", (Column("v", "i1", (dim.CONTENT,), merge=DESCRIBED),)),
    Table("item_signals", "item", tuple(Column(name, "f4", merge=HALVED) for name in ("shown", "liked", "refused"))),
    Table("item_pool", "item", (Column("slot", "i4", default=-1, merge=POOL),), served=False),
)

CATEGORY_TABLES = (
    Table("category_factors", "category", (_vector("q", "q_sum"), _bias(), _sum("q_sum"), _sum("bias_sum"))),
    Table(
        "category_stats",
        "category",
        (Column("key", "f8", default=dim.NEVER, merge=often(DECAYED)), _total(), _sum("events", "u4")),
    ),
    Table(
        "category_top",
        "category",
        (_ref("item", "item", TOP), Column("key", "f8", merge=TOP)),
        width=dim.CATEGORY_TOP,
    ),
    _memory("category_next", "category", dim.CATEGORY_NEXT, "category_stats.total"),
    Table(
        "category_fresh",
        "category",
        (
            _ref("item", "newest", UNTOUCHED),
            Column("waiting", "i4", merge=UNTOUCHED),
            Column("taken", "u4", merge=UNTOUCHED),
        ),
    ),
)

QUERY_TABLES = (
    _memory("query_memory", "query", dim.QUERY_SLOTS, "query_stats.total", of="item"),
    Table("query_stats", "query", (_total(), Column("last", "u4", merge=LARGEST))),
)

MODEL_TABLES = (
    Table("clock", "model", (_sum("applied", "i8"), _lists(), Column("pooled", "i4", merge=POOL))),
    Table("top_items", "model", (_ref("item", "item", TOP), Column("key", "f8", merge=TOP)), width=3 * dim.TOP),
    Table("pool", "model", (_ref("item", "item", POOL),), width=dim.POOL),
    _moments("moments", FEATURES, "clock.lists"),
    # The first FEATURES weights are shared and take Newton steps; those of the buckets take AdaGrad's.
    _weights("ranker", FEATURES, dim.BLOCK_RATE),
    # Inverse of the shared weights' curvature, one row per feature.
    Table(
        "curvature",
        "model",
        (Column("inverse", "f8", (FEATURES,), merge=newton("ranker.weight", dim.NEWTON_FORGET)),),
        width=FEATURES,
        served=False,
    ),
    # Of trained lists with own items: at which place of these targets stood; targets that were none of them, and that
    # were; log odds of these counts against the ranker, whether it is one and which.
    Table(
        "returns",
        "model",
        tuple(
            Column(name, "f8", (size,), default=default, merge=often(fading("clock.lists", dim.RETURN_FADE)))
            for name, size, default in (
                ("places", dim.RETURN_PLACES, 0.0),
                ("own", 2, 0.0),
                ("odds", 2, dim.RETURN_OFF),
            )
        ),
    ),
    # Pairs that were bought in the same order. No feature of the ranker reads them: they are in the memories as well.
    Table(
        "baskets",
        "model",
        (_ref("item", "owner", PAIRS), _ref("item", "other", PAIRS), Column("count", "f4", merge=PAIRS)),
        width=dim.BASKETS * dim.BASKET_SLOTS,
    ),
    Table("fresh", "model", (_ref("item", "newest", UNTOUCHED), _lists())),
    # Log odds added to untouched items, so that touched ones keep their hits and their ranks (`place`).
    Table(
        "caution",
        "model",
        tuple(
            Column(name, "f4", default=default, merge=settling("race.tested", 1.0 / dim.CAUTION_TESTS, low, high))
            # worth: untouched items' hits without any caution, per hit of touched ones.
            for name, default, low, high in (
                ("hits", -dim.CAUTION, -dim.CAUTION_MOST, 0.0),
                ("ranks", -dim.CAUTION, -dim.CAUTION_MOST, 0.0),
                ("worth", dim.COST_HITS, 0.0, 1.0),
            )
        ),
    ),
    _moments("fresh_moments", FRESH_FEATURES, "fresh.lists"),
    _weights("fresh_ranker", FRESH_FEATURES, dim.FRESH_RATE),
    _weights("fresh_gate", dim.GATE_TERMS, dim.FRESH_RATE),
    _weights("linear", FEATURES + 1, dim.RANK_RATE, blocks=1),
    Table(
        "race",
        "model",
        (
            _sum("tested", "i8"),
            _sum("hits", "f8"),
            _sum("reciprocal", "f8"),
            *(
                Column(f"fading_{name}", "f8", merge=fading("race.tested", dim.RACE_FADE))
                for name in ("weight", "hits", "reciprocal")
            ),
        ),
        width=dim.CONTENDERS,
    ),
    # Per single source, for hit and reciprocal rank: by how much the served list, and the ranker, led it.
    Table(
        "guard",
        "model",
        tuple(
            Column(name, "f8", (2,), merge=fading("race.tested", weight))
            for name, weight in (
                ("lead", dim.SERVED_FADE),
                ("noise", dim.SERVED_FADE),
                ("ranker_lead", dim.RANKER_FADE),
                ("ranker_noise", dim.RANKER_FADE),
            )
        ),
        width=dim.SOURCES,
        served=False,
    ),
    Table("chosen", "model", (Column("contender", "i4", default=dim.MIDDLE, merge=LEADER),)),
    Table("recent", "model", (_ref("item", "item", RING),), width=dim.RECENT, served=False),
    Table(
        "progress",
        "model",
        (
            Column("random", "u8", merge=COORDINATOR),  # state of the generator
            Column("seed", "u8", merge=COORDINATOR),
            _sum("recent", "i8"),  # items ever written to the table `recent`
            Column("watermark", "f8", merge=LARGEST),  # latest record time, seconds
            # Seconds between recent records.
            Column("interval", "f8", default=0.02, merge=Merge("rate", "watermark", dim.RATE_SECONDS)),
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
    Table("sightings", "model", (Column("count", "u1", merge=SIGHTED),), width=dim.SIGHTINGS, served=False),
)

USER_TABLES = (
    Table(
        "user",
        "user",
        (
            Column("pushed", "u4", merge=PRIVATE),
            Column("events", "u4", merge=PRIVATE),
            Column("last", "u4", merge=PRIVATE),
            Column("newest", "u4", merge=PRIVATE),  # time of the newest entry of the ring
        ),
        served=False,
    ),
    # The last search, while its result is still to come.
    Table("user_query", "user", (_ref("query", "query", PRIVATE), Column("time", "u4", merge=PRIVATE)), served=False),
    Table(
        "user_ring",
        "user",
        (_ref("item", "item", PRIVATE), Column("did", "u2", merge=PRIVATE)),  # models/state/rings.py
        width=dim.RING,
        served=False,
    ),
)

SCHEMA = Schema(VERSION, SPACES, (*ITEM_TABLES, *CATEGORY_TABLES, *QUERY_TABLES, *MODEL_TABLES, *USER_TABLES), __name__)
globals().update(SCHEMA.classes)  # numba's cache knows the views by these names
