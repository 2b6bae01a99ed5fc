"""Declares every feature of the rankers: its name, its meaning, its prior, and the kernel that computes it.

A feature is declared once, here. Kernels index by the constants below, which are its place in the row of a candidate:
`x[feature.OWN_SINCE] = ...`. To add one, declare it at the end of its table and assign it in the kernel that the
declaration names; sizes, names, priors and explanations follow. Weights and moments are stored by place, so the order
of a table never changes and no place is used twice.

The same kernels compute a feature for learning and for serving. Before the rankers see it, it is standardised by
running moments and cut at plus or minus `CLIP`; a feature that never varies becomes 0.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from models.dimensions import CLIP, RANK_PRIOR, REFUSAL_PRIOR


class Feature(NamedTuple):
    """One number that a ranker knows of a candidate."""

    name: str
    """As in explanations and in the API."""

    meaning: str
    """What it says, with its unit."""

    kernel: str
    """The function below `models.kernels` that computes it."""

    prior: float = 0.0
    """The ranker's shared weight before the first list."""

    scale: float = 0.0
    """A factor to use in place of the running moments; 0 for none."""

    of: int = -1
    """Place of the feature that this one standardises over the candidates of the request; -1 for none."""


class _Group:
    """Declares the features that one kernel computes, at the end of a table."""

    def __init__(self, table: list[Feature], kernel: str) -> None:
        self._table, self._kernel = table, kernel

    def __call__(self, name: str, meaning: str, *, prior: float = 0.0, scale: float = 0.0, of: int = -1) -> int:
        """The place of the new feature."""
        self._table.append(Feature(name, meaning, self._kernel, prior, scale, of))
        return len(self._table) - 1


# Items that somebody touched

_touched: list[Feature] = []
_listed = _Group(_touched, "ranking.features.compute")
_popularity = _Group(_touched, "ranking.features.popularity_features")
_own = _Group(_touched, "ranking.features.own_features")
_memory = _Group(_touched, "ranking.features.memory_features")
_category = _Group(_touched, "ranking.features.category_features")
_price = _Group(_touched, "ranking.features.price_features")
_similarity = _Group(_touched, "ranking.features.similarity_features")
_brand = _Group(_touched, "ranking.features.brand_features")
_taste = _Group(_touched, "ranking.taste_features.taste_features")
_fact = _Group(_touched, "ranking.item_features.fact_features")

MACHINE_SCORE = _popularity("machine_score", "the factorization machine's score")
MACHINE_SCORE_IN_LIST = _listed("machine_score_in_list", "the same, standardised over the candidates", of=MACHINE_SCORE)
MACHINE_RANK = _popularity("machine_rank", "1 / rank among the best of the pool")
POPULARITY_SHORT = _popularity("popularity_short", "log of the count decayed with a half-life of 500 events")
POPULARITY_MIDDLE = _popularity("popularity_middle", "the same with 5,000 events", prior=RANK_PRIOR)
POPULARITY_LONG = _popularity("popularity_long", "the same with 100,000 events")
TREND_SHORT = _popularity("trend_short", "popularity_short - popularity_middle")
TREND_LONG = _popularity("trend_long", "popularity_middle - popularity_long")
POPULARITY_IN_LIST = _listed(
    "popularity_in_list", "popularity_middle, standardised over the candidates", of=POPULARITY_MIDDLE
)
ITEM_AGE = _popularity("item_age", "log(1 + seconds since its first event)")
ITEM_REST = _popularity("item_rest", "log(1 + seconds since anyone's last event)")
TOP_SHORT = _popularity("top_short", "1 / rank in the list of the short half-life")
TOP_MIDDLE = _popularity("top_middle", "1 / rank in the list of the middle half-life")
TOP_LONG = _popularity("top_long", "1 / rank in the list of the long half-life")

OWN = _own("own", "1: the user touched it before")
OWN_SINCE = _own("own_since", "log(1 + seconds since the user's last touch) - 8")
OWN_DISTINCT = _own("own_distinct", "log(1 + other items touched since) - 2")
OWN_RECENCY = _own("own_recency", "0.8 ** events since")
OWN_COUNT = _own("own_count", "log touches")
OWN_CARTS = _own("own_carts", "log(1 + favourites and carts)")
OWN_PURCHASES = _own("own_purchases", "log(1 + purchases)")
OWN_LAST = _own("own_last", "1: the last event was this item")
OWN_BEFORE_LAST = _own("own_before_last", "1: the last event but one was this item")
OWN_THIS_SESSION = _own("own_this_session", "1: touched in this session")
OWN_PURCHASED_LAST = _own("own_purchased_last", "1: the last touch was a purchase")
OWN_OVERDUE = _own("own_overdue", "log(time since the last touch / mean gap between own touches)")
OWN_FOLLOWS = _own("own_follows", "log weight of this item right after earlier touches of the last item, by this user")
OWN_NEAR = _own("own_near", "the same within three events of them")
OWN_SESSIONS_AGO = _own("own_sessions_ago", "log(1 + sessions since)")
OWN_KIND = _own("own_kind", "type code of the last touch")

FOLLOWS_LOG = _memory("follows_log", "log of the lag-1 memory from the last item", prior=RANK_PRIOR)
FOLLOWS = _memory("follows", "the lag-1 memory from the last item")
FOLLOWS_RANK = _memory("follows_rank", "1 / rank by it")
FOLLOWS_BEFORE_LOG = _memory("follows_before_log", "log of the lag-1 memory from the last item but one")
WINDOW_LOG = _memory("window_log", "log of the summed window memories", prior=RANK_PRIOR)
WINDOW = _memory("window", "the summed window memories")
WINDOW_RANK = _memory("window_rank", "1 / rank by them")
WINDOW_SUPPORT = _memory("window_support", "how many recent items name it")
WINDOW_LARGEST = _memory("window_largest", "log of the largest single term of that sum")
BACKWARD = _memory("backward", "the summed memories of what came before such items")
BACKWARD_LOG = _memory("backward_log", "its log")
COSINE_LOG = _memory("cosine_log", "log of both directions over the root of popularity")

CATEGORY_SAME = _category("category_same", "1: the category of the last item")
CATEGORY_SHARE = _category("category_share", "decayed share of the history in its category")
CATEGORY_COUNT = _category("category_count", "log(1 + events of the history in its category)")
CATEGORY_THIS_SESSION = _category("category_this_session", "the same, of this session")
CATEGORY_POPULARITY = _category("category_popularity", "log popularity of its category, middle half-life")
CATEGORY_ITEM_SHARE = _category("category_item_share", "log popularity within the category")
CATEGORY_FOLLOWS = _category("category_follows", "log of the step from the last item's category")
CATEGORY_RANK = _category("category_rank", "1 / rank in its category's list")
CATEGORY_SECOND = _category("category_second", "1: the second distinct category of the history")

PRICE_DISTANCE = _price("price_distance", "distance in log price to the last item")
PRICE_DISTANCE_MEAN = _price("price_distance_mean", "the same to the mean of the history")
PRICE_DIFFERENCE = _price("price_difference", "log price minus that of the last item")
PRICE_SAME = _price("price_same", "exp(-30 price_distance)")
PRICE = (PRICE_DISTANCE, PRICE_DISTANCE_MEAN, PRICE_DIFFERENCE, PRICE_SAME)

SIMILAR_LAST = _similarity("similar_last", "cosine of the machine's vectors, with the last item")
SIMILAR_BEST = _similarity("similar_best", "the largest over the last eight")
SIMILAR_MEAN = _similarity("similar_mean", "the mean over the last eight")
SIMILAR_TRANSITION = _similarity("similar_transition", "Q_j . (Q_last + G_last)")

BRAND_SAME = _brand("brand_same", "1: the brand of the last item")
BRAND_SHARE = _brand("brand_share", "decayed share of the history in its brand")
BRAND_AND_CATEGORY_SAME = _brand("brand_and_category_same", "1: both of the last item")
BRAND = (BRAND_SAME, BRAND_SHARE, BRAND_AND_CATEGORY_SAME)

AFFINITY_FADING = _taste("affinity_fading", "the machine's score in the fading mean of the whole history")
AFFINITY_FADING_IN_LIST = _listed(
    "affinity_fading_in_list", "the same, standardised over the candidates", of=AFFINITY_FADING
)
AFFINITY_EVEN = _taste("affinity_even", "the machine's score in the plain mean of the whole history")
AFFINITY_EVEN_IN_LIST = _listed("affinity_even_in_list", "the same, standardised over the candidates", of=AFFINITY_EVEN)
TRANSITION_BACK = _taste("transition_back", "Q_last . G_j")
RETURNS = _taste("returns", "log share of the item's events that came from users who knew it")
OWN_RETURNS = _taste("own_returns", "the same for items of the own history, else 0")
WINDOW_LONG_LOG = _taste("window_long_log", "log of the window memories summed over the last 64 events")

CONTENT_LAST = _fact("content_last", "cosine of what the shop says of the two: with the last item")
CONTENT_MEAN = _fact("content_mean", "the same with the mean of the last ten")
QUERY_LOG = _fact("query_log", "log of the memory from the query in force")
QUERY = _fact("query", "the memory from the query in force")
# By its moments the first refusal of all would be a constant, and count for nothing, until a list with it was learned.
OWN_REFUSED = _fact("own_refused", "1: the user took it back or disliked it last", prior=REFUSAL_PRIOR, scale=CLIP)
REFUSED = _fact("refused", "log of refusals by everybody, per like", prior=REFUSAL_PRIOR)
CLICKED = _fact("clicked", "log of likes per time shown; 0 where nothing says what was shown")

TOUCHED: Final = tuple(_touched)
"""Features of items that somebody touched, by place."""

FEATURES: Final = len(TOUCHED)
FEATURE_NAMES: Final = tuple(each.name for each in TOUCHED)

WITHIN_LIST: Final = tuple((each.of, place) for place, each in enumerate(TOUCHED) if each.of >= 0)
"""Places of features to standardise over the candidates of a request, and of the results."""

SCALED: Final = tuple((place, each.scale) for place, each in enumerate(TOUCHED) if each.scale)
"""Places of features that running moments do not standardise, and the factor that stands in for them."""


# Items that nobody has touched

_untouched: list[Feature] = []
_fresh = _Group(_untouched, "cold_start.features.compute")
_fresh_category = _Group(_untouched, "cold_start.features.category_features")
_fresh_price = _Group(_untouched, "ranking.features.price_features")
_fresh_brand = _Group(_untouched, "ranking.features.brand_features")

UNTOUCHED_CATEGORY_SAME = _fresh_category("category_same", "1: the category of the last item")
UNTOUCHED_CATEGORY_SHARE = _fresh_category("category_share", "decayed share of the history in its category")
UNTOUCHED_CATEGORY_COUNT = _fresh_category("category_count", "log(1 + events of the history in its category)")
UNTOUCHED_CATEGORY_THIS_SESSION = _fresh_category("category_this_session", "the same, of this session")
UNTOUCHED_CATEGORY_SECOND = _fresh_category("category_second", "1: the second distinct category of the history")
UNTOUCHED_CATEGORY_POPULARITY = _fresh_category("category_popularity", "log popularity of its category")
UNTOUCHED_CATEGORY_FOLLOWS = _fresh_category("category_follows", "log of the step from the last item's category")
UNTOUCHED_CATEGORY_TAKEN = _fresh_category(
    "category_taken", "log of first interactions per item that still waits for one"
)

UNTOUCHED_PRICE_DISTANCE = _fresh_price("price_distance", "distance in log price to the last item")
UNTOUCHED_PRICE_DISTANCE_MEAN = _fresh_price("price_distance_mean", "the same to the mean of the history")
UNTOUCHED_PRICE_DIFFERENCE = _fresh_price("price_difference", "log price minus that of the last item")
UNTOUCHED_PRICE_SAME = _fresh_price("price_same", "exp(-10 price_distance)")
UNTOUCHED_PRICE = (
    UNTOUCHED_PRICE_DISTANCE,
    UNTOUCHED_PRICE_DISTANCE_MEAN,
    UNTOUCHED_PRICE_DIFFERENCE,
    UNTOUCHED_PRICE_SAME,
)

UNTOUCHED_BRAND_SAME = _fresh_brand("brand_same", "1: the brand of the last item")
UNTOUCHED_BRAND_SHARE = _fresh_brand("brand_share", "decayed share of the history in its brand")
UNTOUCHED_BRAND_AND_CATEGORY_SAME = _fresh_brand("brand_and_category_same", "1: both of the last item")
UNTOUCHED_BRAND = (UNTOUCHED_BRAND_SAME, UNTOUCHED_BRAND_SHARE, UNTOUCHED_BRAND_AND_CATEGORY_SAME)

UNTOUCHED_MACHINE_SCORE = _fresh("machine_score", "the machine's score of the category alone: the item has no vector")
UNTOUCHED_CATALOGUE_AGE = _fresh("catalogue_age", "log(1 + seconds since its facts arrived), a year at most")
UNTOUCHED_NEWEST = _fresh("newest", "1 / (1 + place in its list, newest first)")
UNTOUCHED_CONTENT_LAST = _fresh("content_last", "cosine of what the shop says of the two: with the last item")
UNTOUCHED_CONTENT_MEAN = _fresh("content_mean", "the same with the mean of the last ten")
# What is left of a category, and the user's share of it, as logarithms: chances multiply.
UNTOUCHED_CATEGORY_WAITING = _fresh_category("category_waiting", "log of its items that still wait for one")
UNTOUCHED_CATEGORY_FIRSTS = _fresh_category("category_firsts", "log of first interactions in its category")
UNTOUCHED_CATEGORY_SHARE_LOG = _fresh_category("category_share_log", "log of the history's share in its category")
UNTOUCHED_CATEGORY_SESSION_LOG = _fresh_category("category_session_log", "the same, of this session")
UNTOUCHED_PRICE_NEAR = _fresh(
    "price_near", "decayed sum of exp(-5 distance in log price) to those of the last ten of its category"
)

UNTOUCHED: Final = tuple(_untouched)
"""Features of items that nobody has touched, by place; standardised in the same way."""

FRESH_FEATURES: Final = len(UNTOUCHED)
FRESH_NAMES: Final = tuple(each.name for each in UNTOUCHED)

EXPLAINED_NAMES: Final = (
    *FEATURE_NAMES,
    *(f"untouched_{name}" for name in FRESH_NAMES),
    "untouched_chance",
    "own_counted",
)
"""The terms of a ranker's score: features of touched items, of untouched items, how likely untouched items are, and by
how much counted returns move an own item while the ranker knows little."""
