"""Turns settings into what the recommender, the admission of events and the intake are built with."""

from __future__ import annotations

from collections.abc import Callable

from models.ledger import SLACK, Admission, AdmissionRules
from models.recommender import RecommenderOptions
from models.records import Rejection
from streaming.intake.intake import Intake
from streaming.intake.text_vectors import Contents
from streaming.kafka import ROLES_READ, Record
from streaming.settings import Settings


def recommender_settings(settings: Settings) -> RecommenderOptions:
    """The ceilings and weights of the recommender."""
    section = settings.recommender
    return RecommenderOptions(
        items=section.max_items,
        users=section.max_users,
        categories=section.max_categories,
        brands=section.max_brands,
        queries=section.max_queries,
        admit_after=section.admit_after,
        weights=tuple(settings.events.rules().weights),
    )


def admission_rules(settings: Settings) -> AdmissionRules:
    """The bounds on the time and the number of a user's events."""
    section = settings.admission
    return AdmissionRules(section.dedupe_window, section.max_lateness, section.max_future, section.cap_per_minute)


def admission_slack(settings: Settings) -> int:
    """How many events may be accepted ahead of the next version. In mode batch, all that two trainings take wait."""
    return SLACK + (2 * settings.update.count if settings.update.mode == "batch" else 0)


def intake_of(
    settings: Settings,
    admission: Admission,
    contents: Contents,
    refuse: Callable[[Record, Rejection], object] = lambda *_: None,
) -> Intake:
    """An intake of the topics that the settings name.

    Args:
        settings: Names of topics, rules of events, mappings of topics of another shape.
        admission: The dedupe window that the intake reads and extends.
        contents: Makes vectors of item facts.
        refuse: Takes an unusable record. The default drops it, for records that are read a second time: their dead
            letters were written when the learner first read them.
    """
    topics: dict[str, str] = {role: settings.topic(role) for role in ROLES_READ}
    return Intake(settings.events.rules(), admission, topics, refuse, contents, settings.mappings())
