"""CORS (the Fetch standard) for exactly three paths and one method: pages of allowed origins may POST to them.

Every other path stays closed to other origins.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.http.problems import Problem

PATHS: Final = ("/events", "/identify", "/recommend")
"""Paths to which a page may post."""
HEADERS: Final = b"content-type, x-api-key"
READABLE: Final = b"retry-after"
"""Headers of answers that a page may read besides those that every page may."""
REMEMBERED: Final = b"600"
"""Seconds a browser may remember a preflight. Chromium caps it at 7,200."""


class Origins:
    """Middleware between the edge and the routes: answers preflights, and marks answers that a page may read.

    Credentials are not allowed: a visitor's cookies mean nothing here, only the key counts.
    """

    def __init__(self, app: ASGIApp, origins: Iterable[str] = ()) -> None:
        self._app = app
        self._origins = frozenset(origin.encode() for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or scope["path"] not in PATHS or not self._origins:
            await self._app(scope, receive, send)
            return
        origin = next((value for name, value in scope["headers"] if name == b"origin"), b"")
        if scope["method"] == "OPTIONS" and origin:
            await self._preflight(origin, scope, receive, send)
            return

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"vary", b"Origin"), *self._allowed(origin)]
            await send(message)

        await self._app(scope, receive, marked)

    def _allowed(self, origin: bytes) -> list[tuple[bytes, bytes]]:
        if origin not in self._origins:
            return []
        return [
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", READABLE),
            (b"cross-origin-resource-policy", b"cross-origin"),
        ]

    async def _preflight(self, origin: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        wanted = next((value for name, value in scope["headers"] if name == b"access-control-request-method"), b"")
        if origin not in self._origins or wanted != b"POST":
            problem = Problem(
                "forbidden",
                f"Pages of {origin.decode('latin-1')!r} may not send {wanted.decode('latin-1') or 'OPTIONS'} here.",
                "Add the origin to service.beacon_origins; pages may POST to /events, /identify and /recommend only.",
                headers={"Vary": "Origin"},
            )
            await problem.response(scope["path"], scope.get("prefix", ""))(scope, receive, send)
            return
        headers = [
            (b"vary", b"Origin"),
            *self._allowed(origin),
            (b"access-control-allow-methods", b"POST"),
            (b"access-control-allow-headers", HEADERS),
            (b"access-control-max-age", REMEMBERED),
        ]
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body"})


__all__ = ["Origins"]
