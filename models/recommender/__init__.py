"""Learns batches of events into a state, and ranks items for a history. Stages 2 to 4."""

from models.recommender.catalogue import FactsLike
from models.recommender.frozen import FrozenModel
from models.recommender.groups import Groups
from models.recommender.histories import AskedAt, Overwritten, overwritten, recall
from models.recommender.item_lists import BOUGHT_TOGETHER, TRENDING, bought_together, growth, near, partners, trending
from models.recommender.prequential import CONTENDERS, DEPTH, Tested, best_source, hits, joined, reciprocal_ranks
from models.recommender.ranker import Ranker, ReadableState
from models.recommender.recommender import Recommender, new_state
from models.recommender.scratch import Scratch, new_scratch
from models.recommender.types import EventBatch, EventLike, Ranking, RecommenderOptions, is_history, is_positive
from models.recommender.warm_start import ImportOutcome, ImportRefusedError, Knowledge, check, enlist_categories, take

__all__ = [
    "BOUGHT_TOGETHER",
    "CONTENDERS",
    "DEPTH",
    "TRENDING",
    "AskedAt",
    "EventBatch",
    "EventLike",
    "FactsLike",
    "FrozenModel",
    "Groups",
    "ImportOutcome",
    "ImportRefusedError",
    "Knowledge",
    "Overwritten",
    "Ranker",
    "Ranking",
    "ReadableState",
    "Recommender",
    "RecommenderOptions",
    "Scratch",
    "Tested",
    "best_source",
    "bought_together",
    "check",
    "enlist_categories",
    "growth",
    "hits",
    "is_history",
    "is_positive",
    "joined",
    "near",
    "new_scratch",
    "new_state",
    "overwritten",
    "partners",
    "recall",
    "reciprocal_ranks",
    "take",
    "trending",
]
