"""The interface to learners that share the stream: when to split it, and a term that does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from models.snapshot import Manifest
from streaming.learner.parts import Parts
from streaming.learner.stopping import Stop
from streaming.learner.term import Term
from streaming.learning import Model


class Sharding(Protocol):
    """Several learners that share one stream. One learner alone goes on wherever they cannot."""

    @property
    def reason(self) -> str:
        """Why a term of one learner ends when the stream is split, for the log."""

    def due(self, model: Model, version: Manifest | None) -> bool:
        """Whether the stream is to be split now; `version` is the newest one of the model."""

    def owned(self, topic: str, partition: int) -> bool:
        """Whether the coordinator reads a partition itself."""

    def term(self, model: Model, version: Manifest, parts: Parts, stop: Stop, ready: Callable[[], None]) -> Term:
        """A term in which the shards learn.

        Args:
            model: The coordinator's model, as it is in `version`.
            version: What the shards begin from.
            parts: What the term works with; its source reads what is `owned`.
            stop: Set when the process is to end.
            ready: Called when all shards learn.
        """


__all__ = ["Sharding"]
