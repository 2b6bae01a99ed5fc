"""Settings in; what the recommender and the admission of events take, out."""

from __future__ import annotations

from models.ledger import AdmissionRules
from models.recommender import RecommenderOptions
from streaming.settings import Settings


def recommender_settings(settings: Settings) -> RecommenderOptions:
    """What the recommender needs of the settings."""
    mine = settings.recommender
    return RecommenderOptions(
        items=mine.max_items,
        users=mine.max_users,
        categories=mine.max_categories,
        brands=mine.max_brands,
        queries=mine.max_queries,
        admit_after=mine.admit_after,
        weights=tuple(settings.events.rules().weights),
    )


def admission_rules(settings: Settings) -> AdmissionRules:
    """What admission needs of the settings."""
    mine = settings.admission
    return AdmissionRules(mine.dedupe_window, mine.max_lateness, mine.max_future, mine.cap_per_minute)
