"""Problem documents (RFC 9457), each with what to do next, for every error of a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

MEDIA_TYPE: Final = "application/problem+json"

TITLES: Final = {
    "bad-request": (400, "The request cannot be read"),
    "unauthorized": (401, "A key is needed"),
    "forbidden": (403, "This key may not do that"),
    "not-found": (404, "There is nothing here"),
    "method-not-allowed": (405, "This path does not take that method"),
    "conflict": (409, "Somebody else changed it first"),
    "too-large": (413, "The request is too large"),
    "unsupported-type": (415, "The body is of a kind that is not read here"),
    "invalid": (422, "The request is not valid"),
    "too-many-requests": (429, "Too many requests"),
    "internal": (500, "Something failed here"),
    "unavailable": (503, "A part that this needs is away"),
}
"""Every kind of problem: the last part of its `type`, its status and its title. Callers may branch on `type`."""

NEXT: Final = {
    "not-found": "See /docs for the paths there are.",
    "method-not-allowed": "See /docs for what each path takes, and the Allow header.",
    "internal": "Try again. If it happens again, look for the request_id in the service's log.",
}


class Problem(Exception):
    """A request that cannot be answered as asked. It becomes a problem document."""

    def __init__(
        self, kind: str, detail: str, next_step: str, headers: Mapping[str, str] | None = None, **extra: Any
    ) -> None:
        """Make a problem.

        Args:
            kind: A key of `TITLES`.
            detail: What happened, as a sentence.
            next_step: What the caller can do.
            headers: Headers of the answer.
            extra: Further members of the document.
        """
        super().__init__(detail)
        self.kind = kind
        self.status, self.title = TITLES[kind]
        self.detail = detail
        self.next_step = next_step
        self.headers = dict(headers or {})
        self.extra = extra

    def body(self, instance: str = "", prefix: str = "") -> bytes:
        """The document as JSON. `prefix`: the path under which a proxy shows this service.

        >>> Problem("not-found", "No item 'x'.", "Check the id.").body()[:40]
        b'{"type":"/docs/problems#not-found","titl'
        """
        document = {
            "type": f"{prefix}/docs/problems#{self.kind}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "next": self.next_step,
            **({"instance": instance} if instance else {}),
            **self.extra,
        }
        return msgspec.json.encode(document)

    def response(self, instance: str = "", prefix: str = "") -> Response:
        """The answer that carries the document; `instance` and `prefix` as in `body`."""
        return Response(self.body(instance and f"{prefix}{instance}", prefix), self.status, self.headers, MEDIA_TYPE)


def invalid(path: str, expected: str, found: str, **extra: Any) -> Problem:
    """The problem of a value that does not fit.

    Args:
        path: Where it stands: a JSON path, or `query.NAME`.
        expected: What belongs there.
        found: What was there.
        extra: Further members of the document.
    """
    return Problem(
        "invalid",
        f"At {path}: expected {expected}, found {found}.",
        f"Send {expected} at {path}.",
        errors=[{"path": path, "expected": expected, "found": found}],
        **extra,
    )


def install(app: FastAPI) -> None:
    """Answer every error of `app` with a problem document."""

    def answered(problem: Problem, request: Request) -> Response:
        return problem.response(request.scope["path"], request.scope.get("prefix", ""))

    def problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)
        return answered(error, request)

    def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return answered(from_status(error, request.scope["path"]), request)

    def validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return answered(from_validation(error), request)

    app.add_exception_handler(Problem, problem)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, validation)


def from_status(error: HTTPException, path: str) -> Problem:
    """The problem for an error status of the framework."""
    kind = next((name for name, (status, _) in TITLES.items() if status == error.status_code), None)
    if kind is None:
        kind = "bad-request" if error.status_code < 500 else "internal"
    details = {
        "not-found": f"No route matches {path}.",
        "method-not-allowed": f"{path} exists, but not with this method.",
    }
    headers = dict(error.headers or {})
    if headers.get("Allow") == "GET":
        headers["Allow"] = "GET, HEAD"
    return Problem(
        kind,
        details.get(kind, str(error.detail)),
        NEXT.get(kind, "See /docs for what this path takes."),
        headers=headers,
    )


def from_validation(error: RequestValidationError) -> Problem:
    """The problem that names each value of the request that does not fit."""
    errors = [
        {"path": json_path(entry["loc"]), "expected": str(entry["msg"]), "found": _found(entry.get("input"))}
        for entry in error.errors()
    ]
    first = errors[0]
    return Problem(
        "invalid",
        f"At {first['path']}: {first['expected']}, found {first['found']}.",
        "Correct the values in `errors`; /docs has the schema.",
        errors=errors,
    )


def json_path(location: tuple[int | str, ...]) -> str:
    """The place of a value: a JSON path for the body, `query.n` for a parameter.

    >>> json_path(("body", "exclude", 3)), json_path(("query", "n"))
    ('$.exclude[3]', 'query.n')
    """
    place, *rest = location
    text = "$" if place == "body" else str(place)
    return text + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in rest)


def _found(value: object) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


__all__ = ["MEDIA_TYPE", "TITLES", "Problem", "from_status", "from_validation", "install", "invalid"]
