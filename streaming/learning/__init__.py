"""Prepared batches in, a model that has learned them out; for the learner and for the jobs. Stages 2 to 4."""

from streaming.learning.learn_batch import advance, erase, join, learn_batch
from streaming.learning.model import Model

__all__ = ["Model", "advance", "erase", "join", "learn_batch"]
