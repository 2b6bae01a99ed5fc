"""Nothing in, the names of the features out, in the order in which the kernels fill them. Stage 2.

`models/kernels/ranking/features.py` computes them, for learning and for serving alike. Before the rankers see them
they are standardised by running moments and cut at plus or minus 4; a feature that never varies becomes 0.
"""

from __future__ import annotations

from models.dimensions import FEATURES, FRESH_FEATURES

FEATURE_NAMES = (
    "machine_score",  # the factorization machine's score
    "machine_score_in_list",  # the same, standardised over the candidates of this request
    "machine_rank",  # 1 / rank among the best of the pool
    "popularity_short",  # log of the count decayed with a half-life of 500 events
    "popularity_middle",  # 5,000 events
    "popularity_long",  # 100,000 events
    "trend_short",  # short - middle
    "trend_long",  # middle - long
    "popularity_in_list",  # middle, standardised over the candidates
    "item_age",  # log(1 + seconds since its first event)
    "item_rest",  # log(1 + seconds since anyone's last event)
    "top_short",  # 1 / rank in the list
    "top_middle",
    "top_long",
    "own",  # 1: the user touched it before
    "own_since",  # log(1 + seconds since the user's last touch) - 8
    "own_distinct",  # log(1 + other items touched since) - 2
    "own_recency",  # .8 ** events since
    "own_count",  # log touches
    "own_carts",  # log(1 + favourites and carts)
    "own_purchases",  # log(1 + purchases)
    "own_last",  # 1: the last event was this item
    "own_before_last",
    "own_this_session",
    "own_purchased_last",  # 1: the last touch was a purchase
    "own_overdue",  # log(time since / mean gap between own touches)
    "own_follows",  # what this user touched right after earlier touches of the last item
    "own_near",  # or within three events of it
    "own_sessions_ago",  # log(1 + sessions since)
    "own_kind",  # type code of the last touch
    "follows_log",  # log of the lag-1 memory from the last item
    "follows",
    "follows_rank",
    "follows_before_log",  # from the last but one
    "window_log",  # log of the summed window memories
    "window",
    "window_rank",
    "window_support",  # how many recent items name it
    "window_largest",  # log of the largest single term
    "backward",  # what came before such items
    "backward_log",
    "cosine_log",  # both directions over the root of popularity
    "category_same",  # as the last item's
    "category_share",  # decayed share of the history
    "category_count",
    "category_this_session",
    "category_popularity",
    "category_item_share",  # log popularity within the category
    "category_follows",  # log of the step from the last item's category
    "category_rank",
    "category_second",  # the second distinct category of the history
    "price_distance",  # in log price, to the last item
    "price_distance_mean",  # to the mean of the history
    "price_difference",  # signed, to the last item
    "price_same",  # exp(-30 distance)
    "similar_last",  # cosine of vectors
    "similar_best",  # over the last eight
    "similar_mean",
    "similar_transition",  # Q_j . (Q_last + G_last)
    "brand_same",
    "brand_share",
    "brand_and_category_same",
    "affinity_fading",  # the machine's score in the fading mean of the whole history
    "affinity_fading_in_list",  # the same, standardised over the candidates
    "affinity_even",  # in the plain mean
    "affinity_even_in_list",
    "transition_back",  # Q_last . G_j
    "returns",  # log share of the item's events that came from users who knew it
    "own_returns",  # the same for items of the own history, else 0
    "window_long_log",  # log of the window memories summed over the last 64 events
    "content_last",  # cosine of what the shop says of the two: to the last item
    "content_mean",  # to the mean of the last ten
    "query_log",  # log of the memory from the query that is in force
    "query",
    "own_refused",  # 1: the user took it back or disliked it last
    "refused",  # log of refusals by everybody, per like
    "clicked",  # log of likes per time shown; 0 where nothing is said of what was shown
)

assert len(FEATURE_NAMES) == FEATURES

FRESH_NAMES = (
    "category_same",  # as the last item's
    "category_share",  # decayed share of the history
    "category_count",
    "category_this_session",
    "category_second",  # the second distinct category of the history
    "category_popularity",
    "category_follows",  # log of the step from the last item's category
    "category_taken",  # log of first interactions per item that still waits for one
    "price_distance",  # in log price, to the last item
    "price_distance_mean",  # to the mean of the history
    "price_difference",  # signed, to the last item
    "price_same",  # exp(-10 distance)
    "brand_same",
    "brand_share",
    "brand_and_category_same",
    "machine_score",  # of the category alone: the item has no vector yet
    "catalogue_age",  # log(1 + seconds since its facts arrived), a year at most
    "newest",  # 1 / (1 + place in its list, newest first)
    "content_last",  # cosine of what the shop says of the two: to the last item
    "content_mean",  # to the mean of the last ten
)
"""Features of an item that nobody has touched, as models/kernels/cold_start/ranker.py fills them; standardised in
the same way."""

assert len(FRESH_NAMES) == FRESH_FEATURES

EXPLAINED_NAMES = (*FEATURE_NAMES, *(f"untouched_{name}" for name in FRESH_NAMES), "untouched_chance")
"""What a score of the ranker is made of: features of touched items, of untouched ones, and how likely those are."""
