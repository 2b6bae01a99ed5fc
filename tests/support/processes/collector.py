"""A collector of traces: takes OTLP over HTTP as OpenTelemetry's does, and decodes it with the library's own types."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.processes.http_receiver import Receiver

PATH = "/v1/traces"


class Span(NamedTuple):
    """One span, with ids in hexadecimal; `begun` and `ended` are in epoch seconds."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    begun: float
    ended: float
    attributes: Mapping[str, Any]
    failed: bool


class Collector(Receiver):
    """A context manager; `spans` are those that arrived."""

    @property
    def endpoint(self) -> str:
        """What `tracing.endpoint` has to be."""
        return f"http://{self.address}{PATH}"

    def spans(self, trace: str = "") -> list[Span]:
        """Returns all spans, or those of one trace, in the order of their beginning."""
        found = []
        for posted in list(self.posted):
            assert posted.path == PATH
            assert posted.headers["content-type"] == "application/x-protobuf"
            raw = gzip.decompress(posted.body) if posted.headers.get("content-encoding") == "gzip" else posted.body
            for part in ExportTraceServiceRequest.FromString(raw).resource_spans:
                service = _attributes(part.resource.attributes)["service.name"]
                found += [_span(service, span) for scope in part.scope_spans for span in scope.spans]
        return sorted((span for span in found if trace in {"", span.trace}), key=lambda span: span.begun)


def _span(service: str, span: Any) -> Span:
    return Span(
        service,
        span.name,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.start_time_unix_nano / 1e9,
        span.end_time_unix_nano / 1e9,
        _attributes(span.attributes),
        span.status.code == span.status.STATUS_CODE_ERROR,
    )


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}
