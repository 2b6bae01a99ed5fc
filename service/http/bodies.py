"""Delivers the body of a request within bounds: of a kind that is read here, decompressed, no larger than the limit."""

from __future__ import annotations

import zlib
from typing import Final

from starlette.types import Message, Receive, Scope

from service.http.problems import Problem

NDJSON: Final = ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines")
"""Types of bodies with one JSON value per line."""

CLOUD_EVENTS: Final = ("application/cloudevents+json", "application/cloudevents-batch+json")
"""Types of bodies with one event in an envelope, and with a list of them."""

_KINDS: Final = frozenset({"", "application/json", "text/json", "text/plain", *NDJSON})
# `navigator.sendBeacon` says text/plain, and many programs say nothing.
_CHARSETS: Final = frozenset({"", "utf-8", "utf8", "us-ascii", "ascii"})
_GZIP: Final = frozenset({"gzip", "x-gzip"})


def bounded(scope: Scope, receive: Receive, limit: int) -> Receive:
    """Make a `receive` that delivers the body as it was before it was compressed.

    Args:
        scope: The request.
        receive: Delivers the body as it was sent.
        limit: Most bytes of the body, as it was sent and decompressed.

    Returns:
        A `receive` that raises Problem: 413 for a longer body, 415 for one of a kind or coding that is not read here,
        422 for one that is not gzip although it says so.
    """
    headers = dict(scope["headers"])
    declared = headers.get(b"content-length", b"0")
    length = int(declared) if declared.isdigit() else 0
    coding = headers.get(b"content-encoding", b"").decode("latin-1").strip().lower()
    kind = content_type(headers.get(b"content-type", b"").decode("latin-1"))
    gzip = _Gzip(limit) if coding in _GZIP else None
    taken = 0

    async def deliver() -> Message:
        nonlocal taken
        if length > limit:
            raise _too_large(limit)
        message = await receive()
        if message["type"] != "http.request":
            return message
        body = message.get("body", b"")
        if body and not taken:
            _check(coding, kind)
        taken += len(body)
        if taken > limit:
            raise _too_large(limit)
        if gzip is not None and taken:
            message = {**message, "body": gzip.feed(body, last=not message.get("more_body", False))}
        return message

    return deliver


def content_type(header: str) -> tuple[str, str]:
    """The type in a header Content-Type, and its charset, both in lower case.

    >>> content_type("Application/JSON; charset=UTF-8"), content_type("")
    (('application/json', 'utf-8'), ('', ''))
    """
    kind, *parameters = (part.strip().lower() for part in header.split(";"))
    charset = next((part.partition("=")[2].strip('"') for part in parameters if part.startswith("charset=")), "")
    return kind, charset


def _check(coding: str, kind: tuple[str, str]) -> None:
    """Raise Problem 415 unless a body of this kind is read here."""
    if coding not in {"", "identity", *_GZIP}:
        raise Problem(
            "unsupported-type",
            f"The body has Content-Encoding {coding[:40]!r}, which is not read here.",
            "Send it as it is, or with Content-Encoding: gzip.",
            headers={"Accept-Encoding": "gzip"},
        )
    name, charset = kind
    if (name not in _KINDS and not name.endswith("+json")) or charset not in _CHARSETS:
        told = f"{name}; charset={charset}" if charset else name
        raise Problem(
            "unsupported-type",
            f"The body has Content-Type {told[:80]!r}, which is not read here.",
            "Send JSON in UTF-8 with Content-Type: application/json, or several events, one a line, with "
            "application/x-ndjson.",
        )


class _Gzip:
    """Decompresses a body piece by piece, and never more of it than the limit."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken = 0
        self._stream = zlib.decompressobj(wbits=31)

    def feed(self, piece: bytes, *, last: bool) -> bytes:
        """The next part of the body. Raises Problem 413 or 422."""
        try:
            found = self._stream.decompress(piece, self._limit + 1 - self._taken)
        except zlib.error:
            raise _not_gzip("the bytes are something else") from None
        self._taken += len(found)
        if self._taken > self._limit:
            raise _too_large(self._limit)
        if self._stream.unused_data:
            # A second member would be allowed, but thousands of empty ones would cost seconds.
            raise _not_gzip("there are bytes after its end")
        if last and not self._stream.eof:
            raise _not_gzip("its end is missing")
        return found


def _too_large(limit: int) -> Problem:
    return Problem(
        "too-large",
        f"The body has more than {limit} bytes, the most that is accepted.",
        "Send less at a time: in several requests, or as a file with `sluicegate send`.",
    )


def _not_gzip(why: str) -> Problem:
    return Problem(
        "invalid",
        f"The body says Content-Encoding gzip, and cannot be decompressed: {why}.",
        "Compress the whole body with gzip, or send it as it is without Content-Encoding.",
        errors=[{"path": "$", "expected": "a gzip stream", "found": why}],
    )


__all__ = ["CLOUD_EVENTS", "NDJSON", "bounded", "content_type"]
