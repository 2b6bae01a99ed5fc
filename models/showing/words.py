"""The name of a feature, a source or a rule in, what it means to people out."""

from __future__ import annotations

from typing import Final

FEATURES: Final = {
    "machine_score": "the taste model expects it to follow what this user did",
    "machine_score_in_list": "the taste model prefers it to the other candidates",
    "machine_rank": "it is among the taste model's first",
    "popularity_short": "popular right now",
    "popularity_middle": "popular of late",
    "popularity_long": "popular for a long time",
    "trend_short": "more popular now than of late",
    "trend_long": "more popular of late than in the long run",
    "popularity_in_list": "more popular than the other candidates",
    "item_age": "how long the item has been around",
    "item_rest": "how long nobody did anything with it",
    "top_short": "high in the list of what is popular right now",
    "top_middle": "high in the list of what is popular of late",
    "top_long": "high in the list of what is popular for a long time",
    "own": "this user did something with it before",
    "own_since": "how long ago this user did something with it",
    "own_distinct": "how many other items this user touched since",
    "own_recency": "among the last things this user touched",
    "own_count": "how often this user touched it",
    "own_carts": "how often this user favourited it or put it into the cart",
    "own_purchases": "how often this user bought it",
    "own_last": "the last thing this user touched",
    "own_before_last": "the last thing but one that this user touched",
    "own_this_session": "this user touched it in this visit",
    "own_purchased_last": "buying it was what this user did with it last",
    "own_overdue": "this user usually comes back to it by now",
    "own_follows": "this user touched it right after the last item before",
    "own_near": "this user touched it close to the last item before",
    "own_sessions_ago": "how many visits ago this user touched it",
    "own_kind": "what this user did with it last",
    "follows_log": "others went on from the last item to it (how strongly)",
    "follows": "others went on from the last item to it (share)",
    "follows_rank": "it is among the first that others went on to from the last item",
    "follows_before_log": "others went on to it from the last item but one",
    "window_log": "goes with what this user touched lately (how strongly)",
    "window": "goes with what this user touched lately (share)",
    "window_rank": "it is among the first that go with what this user touched lately",
    "window_support": "goes with several of the things this user touched lately",
    "window_largest": "goes very well with one of the things this user touched lately",
    "backward": "others touched it before such items (share)",
    "backward_log": "others touched it before such items (how strongly)",
    "cosine_log": "goes with what this user touched lately more than its popularity explains",
    "category_same": "same category as the last item",
    "category_share": "this user is often in its category",
    "category_count": "how many things of its category this user touched",
    "category_this_session": "this user is in its category in this visit",
    "category_popularity": "its category is popular",
    "category_item_share": "popular within its category",
    "category_follows": "others went on from the last item's category to its category",
    "category_rank": "high in the list of its category",
    "category_second": "it is of the category this user looked at before the last one",
    "price_distance": "how far its price is from the last item's",
    "price_distance_mean": "how far its price is from what this user usually looks at",
    "price_difference": "dearer or cheaper than the last item",
    "price_same": "costs about the same as the last item",
    "similar_last": "similar to the last item",
    "similar_best": "similar to one of the last items",
    "similar_mean": "similar to the last items taken together",
    "similar_transition": "the taste model expects it after the last item",
    "brand_same": "same brand as the last item",
    "brand_share": "this user often looks at its brand",
    "brand_and_category_same": "same brand and category as the last item",
    "affinity_fading": "the taste model expects it after all that this user did, the latest most",
    "affinity_fading_in_list": "it suits all that this user did, the latest most, better than the other candidates",
    "affinity_even": "the taste model expects it after all that this user did",
    "affinity_even_in_list": "it suits all that this user did better than the other candidates",
    "transition_back": "the taste model expects the last item after it",
    "returns": "people come back to it",
    "own_returns": "this user has it, and people come back to it",
    "window_long_log": "goes with what this user touched over a long time",
    "untouched_category_same": "new, and of the category of the last item",
    "untouched_category_share": "new, and this user is often in its category",
    "untouched_category_count": "new, of a category of which this user touched things (how many)",
    "untouched_category_this_session": "new, of a category in which this user is in this visit",
    "untouched_category_second": "new, of the category this user looked at before the last one",
    "untouched_category_popularity": "new, of a popular category",
    "untouched_category_follows": "new, of a category that others went on to from the last item's",
    "untouched_category_taken": "new, of a category whose new items soon find somebody",
    "untouched_price_distance": "new, how far its price is from the last item's",
    "untouched_price_distance_mean": "new, how far its price is from what this user usually looks at",
    "untouched_price_difference": "new, dearer or cheaper than the last item",
    "untouched_price_same": "new, costs about the same as the last item",
    "untouched_brand_same": "new, same brand as the last item",
    "untouched_brand_share": "new, and this user often looks at its brand",
    "untouched_brand_and_category_same": "new, same brand and category as the last item",
    "untouched_machine_score": "new, and the taste model expects its category",
    "untouched_catalogue_age": "how long it has been in the catalogue without anybody touching it",
    "untouched_newest": "among the newest that nobody has touched",
    "untouched_chance": "how likely it is that this user now takes something nobody touched before",
}
"""Of the features of models/features.py."""

SOURCES: Final = {
    "popularity_short": "popular right now",
    "popularity_middle": "popular of late",
    "popularity_long": "popular for a long time",
    "own_recent": "the user's own recent items",
    "follows": "what others went on to from the last item",
    "window": "what goes with the user's recent items",
    "cosine": "what goes with the user's recent items more than its popularity explains",
    "machine": "what the taste model expects next",
    "linear": "what the linear model expects next",
    "ranker": "the ranker's score",
    "popular": "popular of late, to fill the page",
    "catalogue": "in the catalogue, to fill the page",
    "untouched": "new, and like what this user looks at",
    "requested": "asked for by the request",
}
"""Of the contenders of models/evaluation.py when one of them is in charge, and of what fills a page."""

RULES: Final = {
    "behind": "stands behind what was ranked",
    "rotation": "was shown to this user before and left alone",
    "diversity": "too much like what stands above",
    "boost": "lifted to its share of the page by the shop",
    "pinned": "moved to its place by the shop",
    "explore": "drawn to see how it does",
    "order": "stands above an item that a rule put below it",
    "unproposed": "not proposed by the source in charge, so below what is",
    "guard": "what is in charge takes more than the features into account",
    "rounding": "the ranker adds up in single precision",
}
"""Of what the rules of a slate add."""


def words(name: str) -> str:
    """What a name means; a name without words speaks for itself.

    >>> words("own_last"), words("a_new_feature")
    ('the last thing this user touched', 'a new feature')
    """
    return FEATURES.get(name) or SOURCES.get(name) or RULES.get(name) or name.replace("_", " ")


__all__ = ["FEATURES", "RULES", "SOURCES", "words"]
