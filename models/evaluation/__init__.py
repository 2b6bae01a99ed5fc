"""A log in; what the recommender and other models would have reached on it, out."""

from models.evaluation.evaluate import Maker, UnknownContenderError, chosen
from models.evaluation.protocol import DEEPEST, Plan, Stream
from models.evaluation.report import SINGLE

__all__ = [
    "DEEPEST",
    "SINGLE",
    "Maker",
    "Plan",
    "Stream",
    "UnknownContenderError",
    "chosen",
]
