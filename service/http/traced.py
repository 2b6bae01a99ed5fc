"""Middleware that gives each request a span. Only put in place where tracing is on."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streaming.tracing import TRACEPARENT

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from streaming.tracing import Tracer

UNTRACED: Final = frozenset({"/livez", "/readyz", "/metrics"})
"""What machines ask every few seconds."""

HEADER: Final = TRACEPARENT.encode()


class Traced:
    """Goes inside `Edge`, which gives each request its id."""

    def __init__(self, app: ASGIApp, tracer: Tracer) -> None:
        self._app, self._tracer = app, tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer within a span that has the route's template; no id of a user or an item is in it."""
        caller = _caller(scope) if scope["type"] == "http" and scope["path"] not in UNTRACED else None
        if caller is None or not self._tracer.wants(caller):
            await self._app(scope, receive, send)
            return
        status = 0

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with self._tracer.request(scope["method"], caller) as span:
            try:
                await self._app(scope, receive, noted)
            finally:
                self._describe(span, scope, status)

    def _describe(self, span: Span, scope: Scope, status: int) -> None:
        route = getattr(scope.get("route"), "path", "")
        span.update_name(f"{scope['method']} {route}".strip())
        span.set_attributes({
            "http.request.method": scope["method"],
            "http.route": route,
            "http.response.status_code": status,
            "sluicegate.request_id": scope.get("request_id", ""),
        })
        if not status or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self._tracer.failed(span)


def _caller(scope: Scope) -> str:
    """The trace context of the caller, "" when there is none."""
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == HEADER), "")


__all__ = ["Traced"]
