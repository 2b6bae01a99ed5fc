"""Follows requests and records across processes, and sends their spans to a collector (OpenTelemetry).

The context of a trace is a `traceparent` of W3C Trace Context (https://www.w3.org/TR/trace-context/). HTTP and Kafka
carry it in a header of that name, a version in its evidence. The library is imported only where tracing is on.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from random import random
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span

Attributes: TypeAlias = Mapping[str, str | int]

TRACEPARENT: Final = "traceparent"
"""Name of the header, in HTTP and in Kafka."""

EVIDENCE: Final = "traces"
"""Key of the contexts in the evidence of a version."""

SAMPLED: Final = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f][13579bdf](-.*)?")
"""A context whose trace is recorded."""

UNSAMPLED: Final = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f][02468ace](-.*)?")
"""A context whose trace its caller does not record."""

LONGEST: Final = 256
"""Characters of a context that are looked at; those of today have 55."""

EXPORT: Final = 5.0
"""Seconds that the collector may take for one export. What it does not take is lost; at most 2,048 spans wait."""

CLOSING: Final = 2.0
"""Seconds at the end for the spans that wait."""


class TracingMissing(Exception):
    """Tracing is on, and its library is not installed. The message says what to do."""


def tracer_of(endpoint: str | None, share: float, process: str, namespace: str) -> Tracer | None:
    """What traces, or None where tracing is off.

    Args:
        endpoint: Where spans go; None for nowhere.
        share: Share of the traces that begin here and are recorded.
        process: `learner` or `service`.
        namespace: That of the installation.

    Raises:
        TracingMissing: The extra is not installed.
    """
    if endpoint is None:
        return None
    try:
        return Tracer(endpoint, share, process, namespace)
    except ImportError as error:
        raise TracingMissing(
            f"tracing.endpoint is set and OpenTelemetry is not installed ({error}): pip install 'sluicegate[otel]', or "
            "leave tracing.endpoint out"
        ) from None


class Tracer:
    """Makes spans and exports them in the background. Thread-safe.

    Args:
        endpoint: As of `tracer_of`, like the three that follow.
        share: Share of the requests without a context that are recorded.
        process: Name of the process.
        namespace: That of the installation.
        chance: A random number below 1 for each request without a context.
    """

    def __init__(
        self, endpoint: str, share: float, process: str, namespace: str, chance: Callable[[], float] = random
    ) -> None:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ALWAYS_ON
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._trace, self._propagator = trace, TraceContextTextMapPropagator()
        resource = Resource.create({"service.name": f"sluicegate-{process}", "service.namespace": namespace})
        self._share, self._chance = share, chance
        self._provider = TracerProvider(ALWAYS_ON, resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint, timeout=EXPORT)))
        self._tracer = self._provider.get_tracer("sluicegate")

    def wants(self, traceparent: str) -> bool:
        """Whether to record a request with this context of its caller. The library would make a span to find out."""
        if SAMPLED.fullmatch(traceparent, 0, LONGEST):
            return True
        return not UNSAMPLED.fullmatch(traceparent, 0, LONGEST) and self._chance() < self._share

    def request(self, name: str, traceparent: str) -> AbstractContextManager[Span]:
        """The span of a request that is wanted, current within the block.

        Args:
            name: Its name, until `update_name`.
            traceparent: The caller's context; "" for none.
        """
        kind = self._trace.SpanKind.SERVER
        # The text of an exception may name a user: it stays in the log.
        return self._tracer.start_as_current_span(
            name, self._context(traceparent), kind, record_exception=False, set_status_on_exception=False
        )

    @contextmanager
    def sending(self, topic: str, records: int) -> Iterator[Sequence[tuple[str, bytes]]]:
        """The span of sending records to a topic, and the headers that carry it; none outside a recorded request."""
        if not self._trace.get_current_span().is_recording():
            yield ()
            return
        found: Attributes = {
            "messaging.system": "kafka",
            "messaging.operation.type": "send",
            "messaging.destination.name": topic,
            "messaging.batch.message_count": records,
        }
        kind = self._trace.SpanKind.PRODUCER
        with self._tracer.start_as_current_span(f"send {topic}", kind=kind, attributes=found) as span:
            yield ((TRACEPARENT, traceparent_of(span).encode()),)

    def happened(
        self, name: str, parents: Sequence[str], begun: float, ended: float, attributes: Attributes
    ) -> list[str]:
        """Note what happened to each of these contexts, and return their new ones.

        Args:
            name: What happened.
            parents: Contexts of recorded traces.
            begun: When it began, epoch seconds.
            ended: When it ended.
            attributes: More about it.
        """
        opened = self.begin(name, parents, begun)
        self.end(opened.values(), ended, attributes)
        return list(opened)

    def begin(self, name: str, parents: Sequence[str], begun: float) -> dict[str, Span]:
        """A span for each of these contexts that is one, by its own context. `end` ends them."""
        kind = self._trace.SpanKind.CONSUMER
        spans = (
            self._tracer.start_span(name, self._context(parent), kind, start_time=_nanoseconds(begun))
            for parent in parents
            if SAMPLED.fullmatch(parent)
        )
        return {traceparent_of(span): span for span in spans}

    @staticmethod
    def end(spans: Iterable[Span], ended: float, attributes: Attributes) -> None:
        """End spans at this time, epoch seconds."""
        for span in spans:
            span.set_attributes(dict(attributes))
            span.end(_nanoseconds(ended))

    def failed(self, span: Span) -> None:
        """Mark a span as one of an error."""
        span.set_status(self._trace.StatusCode.ERROR)

    def close(self) -> None:
        """Send the spans that wait, for `CLOSING` seconds at most."""
        closing = threading.Thread(target=self._provider.shutdown, name="tracing", daemon=True)
        closing.start()
        closing.join(CLOSING)

    def _context(self, traceparent: str) -> Context:
        return self._propagator.extract({TRACEPARENT: traceparent})


def about_version(version: str, sequence: int) -> Attributes:
    """What the span of a version says about it."""
    return {"sluicegate.version.id": version, "sluicegate.version.sequence": sequence}


def traceparent_of(span: Span) -> str:
    """The context of a span."""
    found = span.get_span_context()
    return f"00-{found.trace_id:032x}-{found.span_id:016x}-{found.trace_flags:02x}"


def recorded(headers: Sequence[tuple[str, bytes | None]]) -> str:
    """The context in the headers of a record, "" when there is none or its trace is not recorded.

    >>> recorded([("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")])
    '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    >>> recorded([("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")]), recorded([])
    ('', '')
    """
    for name, value in headers:
        if name == TRACEPARENT and value is not None and len(value) <= LONGEST:
            text = value.decode("ascii", "replace")
            return text if SAMPLED.fullmatch(text) else ""
    return ""


def _nanoseconds(moment: float) -> int:
    return int(moment * 1e9)


__all__ = [
    "EVIDENCE",
    "TRACEPARENT",
    "Tracer",
    "TracingMissing",
    "about_version",
    "recorded",
    "traceparent_of",
    "tracer_of",
]
