"""Evaluates the recommender and other models on a log: each event is ranked before it is learned."""

from models.evaluation.contenders import UnknownContenderError, chosen
from models.evaluation.evaluation import NothingEvaluatedError, evaluate
from models.evaluation.protocol import DEEPEST, Plan, Stream
from models.evaluation.report import SINGLE
from models.evaluation.rivals import Maker

__all__ = [
    "DEEPEST",
    "SINGLE",
    "Maker",
    "NothingEvaluatedError",
    "Plan",
    "Stream",
    "UnknownContenderError",
    "chosen",
    "evaluate",
]
