"""Adds the types of `schemas` to the OpenAPI description.

msgspec decodes requests and encodes answers, so FastAPI does not see their types; this keeps one definition of each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from models.records import ItemFacts
from service.http.problems import MEDIA_TYPE, TITLES

_named: Final[dict[type, None]] = {ItemFacts: None}
"""Types of bodies and answers, each once; filled while the route modules are imported."""
_REF: Final = "#/components/schemas/{name}"


class ProblemDocument(msgspec.Struct, kw_only=True):
    """RFC 9457, with what to do `next`; a value that does not fit is named in `errors` by its path."""

    type: str
    title: str
    status: int
    detail: str
    next: str
    instance: str = ""
    errors: list[dict[str, str]] = []


def operation(
    *,
    parameters: dict[str, tuple[Any, str]] | None = None,
    body: type | None = None,
    ndjson: bool = False,
    answer: type | None = None,
    status: int = 200,
    problems: tuple[str, ...] = (),
    needs: str = "read",
) -> dict[str, Any]:
    """Describe a route.

    Args:
        parameters: Query parameters: type and meaning by name.
        body: Type of the body.
        ndjson: Whether the body is JSON of any shape, or NDJSON.
        answer: Type of the answer.
        status: Status of a successful answer.
        problems: Kinds of problems, besides those of a missing key.
        needs: Role that a caller needs; "" for none.

    Returns:
        Keyword arguments for the route's decorator.
    """
    _named.update((kind, None) for kind in (body, answer) if kind is not None)
    extra: dict[str, Any] = {"security": [{"key": []}, {"bearer": []}], "x-role": needs}
    if not needs:
        extra = {"security": []}
    if parameters:
        extra["parameters"] = [
            {"name": name, "in": "query", "description": text, "schema": msgspec.json.schema(kind)}
            for name, (kind, text) in parameters.items()
        ]
    if body is not None:
        reference = {"schema": {"$ref": _REF.format(name=body.__name__)}}
        extra["requestBody"] = {"required": True, "content": {"application/json": reference}}
    if ndjson:
        anything: dict[str, Any] = {"schema": {"type": "string"}}
        extra["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": {}}, "application/x-ndjson": anything},
        }
    content = {"schema": {"$ref": _REF.format(name=answer.__name__)}} if answer is not None else {"schema": {}}
    found: dict[int | str, dict[str, Any]] = {status: {"description": "", "content": {"application/json": content}}}
    bodies = ("unsupported-type",) if body is not None or ndjson else ()
    for kind in (*problems, *bodies, *(("unauthorized", "forbidden") if needs else ())):
        code, title = TITLES[kind]
        reference = {"schema": {"$ref": _REF.format(name="ProblemDocument")}}
        found[code] = {"description": title, "content": {MEDIA_TYPE: reference}}
    return {"openapi_extra": extra, "responses": found, "status_code": status}


def installed(app: FastAPI, prefix: str = "") -> Callable[[], dict[str, Any]]:
    """A replacement for `app.openapi` that adds our types, the ways to send a key, and the path that a proxy shows."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
                tags=app.openapi_tags,
            )
            _, types = msgspec.json.schema_components((*_named, ProblemDocument), ref_template=_REF)
            components = document.setdefault("components", {})
            # By name: which module was imported first must not show in the document.
            components.setdefault("schemas", {}).update(sorted(types.items()))
            components["securitySchemes"] = {
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "bearer": {"type": "http", "scheme": "bearer"},
            }
            if prefix:
                document["servers"] = [{"url": prefix}]
            app.openapi_schema = document
        return app.openapi_schema

    return openapi


__all__ = ["ProblemDocument", "installed", "operation"]
