"""Runs terms as the one learner, one after another: polls, learns, cuts versions, carries out orders. Stages 1 to 5."""

from streaming.learner.learner import FAILED, USAGE, Learner
from streaming.learner.metrics_server import MetricsServer
from streaming.learner.stopping import Stop
from streaming.learner.term import Term

__all__ = ["FAILED", "USAGE", "Learner", "MetricsServer", "Stop", "Term"]
