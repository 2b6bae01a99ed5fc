"""Scored candidates and the wishes of a request in; the page out. Stage 7."""

from models.slate.arrangement import UNPROPOSED, Wishes
from models.slate.conditions import OF_ATTRIBUTE, Condition, canonical, condition_of, words
from models.slate.explanation import Contribution
from models.slate.filters import EVERYTHING, Wanted
from models.slate.rotation import HALF_LIFE, ITEMS_PER_USER, Showing, Showings, impression, page
from models.slate.similarity import alike, traits
from models.slate.slate import Audience, Candidate, Scored, Seen, Shown

__all__ = [
    "EVERYTHING",
    "HALF_LIFE",
    "ITEMS_PER_USER",
    "OF_ATTRIBUTE",
    "UNPROPOSED",
    "Audience",
    "Candidate",
    "Condition",
    "Contribution",
    "Scored",
    "Seen",
    "Showing",
    "Showings",
    "Shown",
    "Wanted",
    "Wishes",
    "alike",
    "canonical",
    "condition_of",
    "impression",
    "page",
    "traits",
    "words",
]
