"""Follows recorded traces from the records of a batch, through its step, to the version that holds it.

Only made where tracing is on. Of many traces at once some are followed: a version carries the contexts of a few.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from models.snapshot import Manifest
from streaming.kafka import Record
from streaming.tracing import EVIDENCE, Tracer, about_version, recorded

if TYPE_CHECKING:
    from opentelemetry.trace import Span

MOST: Final = 32
"""Traces of one batch, and of one version: 2 KiB of its evidence."""


class BatchTraces:
    """The traces of one term.

    Args:
        tracer: Makes the spans.
        wall: Epoch seconds.
    """

    def __init__(self, tracer: Tracer, wall: Callable[[], float]) -> None:
        self._tracer, self._wall = tracer, wall
        self._learned: list[str] = []
        self._versions: dict[str, Span] = {}

    @staticmethod
    def found(records: Sequence[Sequence[Record]]) -> list[str]:
        """The contexts in the headers of a batch's records; one for the records of one request."""
        with_headers = (record.headers for part in records for record in part if record.headers)
        found = (context for headers in with_headers if (context := recorded(headers)))
        return list(islice(dict.fromkeys(found), MOST))

    def learned(self, contexts: Sequence[str], begun: float, events: int) -> None:
        """Note that the batch with these contexts was learned, since `begun` (epoch seconds). The learner's thread."""
        about = {"sluicegate.batch.events": events}
        steps = self._tracer.happened("learn", contexts, begun, self._wall(), about)
        self._learned += steps[: MOST - len(self._learned)]

    def carried(self) -> dict[str, Any]:
        """What a version that is cut now carries of them. For the learner's thread."""
        if not self._learned:
            return {}
        # Those of a version that was never committed have no end, and are not exported.
        self._versions = self._tracer.begin("write version", self._learned, self._wall())
        self._learned = []
        return {EVIDENCE: list(self._versions)}

    def committed(self, manifest: Manifest) -> None:
        """Note that Redis has a version. For the thread that writes it."""
        spans = [
            span for each in manifest.evidence.get(EVIDENCE, ()) if (span := self._versions.pop(each, None)) is not None
        ]
        self._tracer.end(spans, self._wall(), about_version(manifest.id, manifest.seq))


__all__ = ["MOST", "BatchTraces"]
