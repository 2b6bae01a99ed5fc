"""Explains a decision in sentences: why it was taken, what would have to change, and how long that takes. Stage 6."""

from models.gate.reasons.explain import EXPLAINED, Explanation, explain
from models.gate.reasons.situation import Remedy

__all__ = ["EXPLAINED", "Explanation", "Remedy", "explain"]
