"""Checks real answers against the API's description: a status, a type or a value that it does not promise fails."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Final

import httpx
from jsonschema import Draft202012Validator

from service.app import description

PREFIX: Final = "/reco"
"""The path of a proxy in tests that have one."""


@cache
def document() -> dict[str, Any]:
    """The description."""
    return description()


@cache
def _routes() -> list[tuple[re.Pattern[str], dict[str, Any]]]:
    """Pattern and operations of each path; paths without ids come first."""
    paths = sorted(document()["paths"].items(), key=lambda entry: entry[0].count("{"))
    return [(re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), methods) for path, methods in paths]


@cache
def _validator(method: str, path: str, status: str, kind: str) -> Draft202012Validator | None:
    """What checks the body of an answer; None for one that is text. AssertionError when no such answer is described."""
    methods = next((methods for pattern, methods in _routes() if pattern.fullmatch(path)), {})
    described = methods[method]["responses"]
    assert status in described, f"{method} {path}: status {status} is not described"
    content = described[status].get("content", {})
    assert kind in content, f"{method} {path}: {kind} is not described for status {status}"
    schema = content[kind]["schema"]
    if not kind.endswith("json"):
        return None
    return Draft202012Validator({**schema, "components": document()["components"]})


def check(answer: httpx.Response) -> None:
    """Check an answer if its path and method are described. Raises AssertionError."""
    request = answer.request
    path = request.url.raw_path.decode().partition("?")[0].removeprefix(PREFIX)
    method = {"HEAD": "get"}.get(request.method, request.method.lower())
    template = next((pattern.pattern for pattern, methods in _routes() if pattern.fullmatch(path)), "")
    methods = next((methods for pattern, methods in _routes() if pattern.pattern == template), {})
    if method not in methods:
        return
    kind = answer.headers.get("content-type", "").partition(";")[0]
    validator = _validator(method, re.sub(r"\[\^/\]\+", "x", template), str(answer.status_code), kind)
    if validator is None or request.method == "HEAD":
        return
    answer.read()
    wrong = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(answer.json())]
    assert not wrong, f"{request.method} {path}: {wrong}"
