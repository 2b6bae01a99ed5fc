"""Settings of tracing: where spans go, and how many."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import Field, field_validator

from streaming.settings.base import Section


class TracingSettings(Section):
    """Traces by OpenTelemetry, from a request to the version that has learned its events (extra `otel`)."""

    endpoint: str | None = Field(
        default=None,
        description="Address that takes OTLP over HTTP, such as http://collector:4318/v1/traces. Without it nothing is "
        "traced. Headers, such as a token, are read from OTEL_EXPORTER_OTLP_HEADERS.",
    )
    share: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="Share of the requests that are traced, besides those whose caller traces them (`traceparent`).",
    )

    @field_validator("endpoint")
    @classmethod
    def _plain_address(cls, endpoint: str | None) -> str | None:
        if endpoint is None:
            return None
        parts = urlsplit(endpoint)
        if "@" in parts.netloc:
            raise ValueError("a login belongs into OTEL_EXPORTER_OTLP_HEADERS, not into the address")
        if parts.scheme not in {"http", "https"} or not parts.hostname or not parts.path.strip("/"):
            raise ValueError("an address such as http://collector:4318/v1/traces")
        return endpoint
