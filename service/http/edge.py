"""The outermost middleware: gives each request an id, and each answer safe headers; counts and times both."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.http.address import prepare
from service.http.bodies import bounded
from service.http.problems import Problem
from service.runtime import logs

if TYPE_CHECKING:
    from service.runtime.telemetry import Telemetry

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})

HEADERS: Final = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
]
# Nothing may be loaded from elsewhere, run inline, or made from strings.
CSP_PAGES: Final = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
# The live page and the made-up shop show the pictures of the catalogue, wherever the shop keeps them.
CSP_PICTURES: Final = CSP_PAGES.replace(b"img-src 'self' data:", b"img-src 'self' data: https:")
# Swagger's own pages need inline styles, and write markup.
CSP_DOCS: Final = (
    b"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    b"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
CSP_DATA: Final = b"default-src 'none'; frame-ancestors 'none'"


class Edge:
    """Makes sure that each request gets an answer and is counted, whatever happens inside."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry, limit: int, prefix: str = "") -> None:
        """Wrap `app`.

        Args:
            app: What answers.
            telemetry: Where requests are counted.
            limit: Most bytes of a body.
            prefix: The path under which a proxy shows this service; "" for none.
        """
        self._app = app
        self._telemetry = telemetry
        self._limit = limit
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection of the server."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # The server keeps its own: it leaves the body out when it sees HEAD there.
        inner = dict(scope)
        headless = scope["method"] == "HEAD"
        if headless:
            inner["method"] = "GET"
        request_id = inner["request_id"] = os.urandom(8).hex()
        meter = _Meter(self._telemetry, inner, scope["method"])

        async def safe(message: Message) -> None:
            if message["type"] == "http.response.start":
                kind = next((value for name, value in message["headers"] if name == b"content-type"), b"")
                meter.began(message["status"], kind)
                set_already = {name for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *(header for header in HEADERS if header[0] not in set_already),
                    (b"content-security-policy", _policy(inner["path"]) if kind.startswith(b"text/html") else CSP_DATA),
                    (b"x-request-id", request_id.encode()),
                ]
            elif headless:
                if meter.headless:
                    return
                # The answer to HEAD ends here, also that of a stream.
                meter.headless, message = True, {"type": "http.response.body"}
            await send(message)

        try:
            await self._answer(inner, receive, safe)
        except ClientDisconnect:
            pass  # the client broke its upload off: nobody waits for an answer, and nothing is wrong here
        except Exception:
            # The last place where a defect can become an answer instead of a broken connection.
            logs.fault("request failed", request_id=request_id, method=scope["method"], route=_route(inner))
            if not meter.status:
                await self._apologise(inner, receive, safe, request_id)
            meter.status = 500
        finally:
            meter.ended()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            prepare(scope, self._prefix)
        except Problem as problem:
            await problem.response(scope["path"], self._prefix)(scope, receive, send)
            return
        # A GET without a body need not be watched, and most requests are.
        watched = receive if scope["method"] == "GET" else bounded(scope, receive, self._limit)
        await self._app(scope, watched, send)

    @staticmethod
    async def _apologise(scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        problem = Problem(
            "internal",
            "The request was understood, and a defect in the service stopped it.",
            "Try again. If it happens again, look for the request_id in the service's log.",
            request_id=request_id,
        )
        await problem.response(scope["path"], scope.get("prefix", ""))(scope, receive, send)


class _Meter:
    """Counts and times one request. A stream counts when it begins, because it lasts as long as a page watches."""

    def __init__(self, telemetry: Telemetry, scope: Scope, method: str) -> None:
        self._telemetry, self._scope = telemetry, scope
        self._method = method if method in METHODS else "other"
        self._started = time.perf_counter()
        self._streams = False
        self.status = 0
        """Status of the answer; 0 before it begins."""
        self.headless = False
        """Whether an answer without a body has ended."""
        telemetry.in_progress.inc()

    def began(self, status: int, kind: bytes) -> None:
        """Note that the answer begins, with this status and content type."""
        self.status = status
        self._streams = kind.startswith(b"text/event-stream")
        if self._streams:
            self._count()
            self._telemetry.streams.inc()

    def ended(self) -> None:
        """Note that the connection is done."""
        if self._streams:
            self._telemetry.streams.dec()
        else:
            self._count()

    def _count(self) -> None:
        self._telemetry.in_progress.dec()
        seconds = time.perf_counter() - self._started
        self._telemetry.answered(self._method, _route(self._scope), self.status or 499, seconds)


def _policy(path: str) -> bytes:
    return {"/": CSP_PICTURES, "/docs": CSP_DOCS, "/widget": CSP_PICTURES}.get(path, CSP_PAGES)


def _route(scope: Scope) -> str:
    """The template of the matching route, "" when none matches: labels must not grow with ids."""
    return str(getattr(scope.get("route"), "path", ""))


__all__ = ["Edge"]
