"""Makes the API's description (OpenAPI 3.1) from the routes and their msgspec types.

msgspec decodes requests and encodes answers, so FastAPI does not see their types; this keeps one definition of each.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from fastapi.openapi.utils import get_openapi
from msgspec import UNSET, UnsetType
from starlette.responses import Response
from starlette.routing import BaseRoute

from models.records import Attributes, ItemFacts
from models.records.timestamps import EARLIEST, LATEST
from models.structs import Prepared
from service.http.problems import MEDIA_TYPE, TITLES
from service.http.sample_bodies import EXAMPLES
from service.http.schemas import MAX_ID, SentEvent, SentItem

OFFERED: Final = ("invalid", "internal")
"""Problems of every operation: any address may be no UTF-8, any request may meet a defect."""

NAMED: Final = r"^[^\u0000-\u001f\u007f-\u009f]+$"
"""Pattern of ids: no control characters."""
ID: Final[dict[str, Any]] = {"type": "string", "minLength": 1, "maxLength": MAX_ID, "pattern": NAMED}

KEY_PARAMETER: Final = "key"
"""Query parameter with a public key: `navigator.sendBeacon` cannot set headers."""

PATHS: Final = {
    "user_id": ("The shop's id of the user.", "ann"),
    "item_id": ("The shop's id of the item.", "teapot-1"),
    "erasure_id": ("The `erasure_id` of the answer to the order.", "5f0c9a8b7d6e5f4a3b2c1d0e"),
    "experiment": ("The name of the experiment.", "wide-slates"),
    "quarantine": ("The `id` of the quarantine, as `GET /gate/quarantine` lists it.", "q-5f0c9a8b7d6e"),
}
"""Meaning and example of each id in a path."""

_named: Final[dict[type, None]] = {ItemFacts: None, SentEvent: None, SentItem: None}
"""Types of bodies and answers, each once; filled while the route modules are imported."""
_parameters: Final[dict[str, dict[str, bool]]] = {}
"""Whether each query parameter may be repeated, by the name of the operation; filled like `_named`."""
_REF: Final = "#/components/schemas/{name}"


class ValueProblem(msgspec.Struct, metaclass=Prepared):
    """A value that does not fit. `index` is the place of its event in the request, `reason` a word for programs."""

    path: str
    expected: str
    found: str
    reason: str | UnsetType = UNSET
    index: int | UnsetType = UNSET


class ProblemDocument(msgspec.Struct, metaclass=Prepared, kw_only=True):
    """RFC 9457, with what to do `next`; a value that does not fit is named in `errors` by its path.

    `revision` is that of the gate (409), `request_id` that of a defect in the service's log (500), and `reason` a word
    for programs.
    """

    type: str
    title: str
    status: int
    detail: str
    next: str
    instance: str | UnsetType = UNSET
    errors: list[ValueProblem] | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    revision: int | UnsetType = UNSET
    request_id: str | UnsetType = UNSET


def operation(
    name: str,
    *,
    parameters: Mapping[str, tuple[Any, str]] | None = None,
    body: type | None = None,
    lines: type | None = None,
    answer: type | None = None,
    media: Sequence[str] = (),
    status: int = 200,
    also: Mapping[int, tuple[type, str]] | None = None,
    problems: Sequence[str] = (),
    needs: str = "read",
    public: bool = False,
) -> dict[str, Any]:
    """Describe a route.

    Args:
        name: Name of the operation; clients that are generated call their function so.
        parameters: Query parameters: type and meaning by name.
        body: Type of the body.
        lines: Type of each value of a body that may hold one, a list, or one a line (NDJSON).
        answer: Type of the answer.
        media: Types of an answer that is text.
        status: Status of a successful answer.
        also: Types and meanings of answers with other statuses that are no problems.
        problems: Kinds of problems, besides those that every operation has, or one with a body or a role.
        needs: Role that a caller needs; "" for none.
        public: Whether a public key may stand in the address.

    Returns:
        Keyword arguments for the route's decorator.
    """
    also = dict(also or {})
    _named.update((kind, None) for kind in (body, lines, answer, *(kind for kind, _ in also.values())) if kind)
    extra: dict[str, Any] = {"security": [], "x-role": needs or "none"}
    if needs:
        extra["security"] = [{"key": []}, {"bearer": []}, *([{"public": []}] if public else [])]
    if parameters:
        extra["parameters"] = [
            {"name": parameter, "in": "query", "description": text, "schema": msgspec.json.schema(kind)}
            for parameter, (kind, text) in parameters.items()
        ]
    _parameters[name] = {each["name"]: each["schema"].get("type") == "array" for each in extra.get("parameters", ())}
    if public:
        _parameters[name][KEY_PARAMETER] = False
    if body is not None:
        extra["requestBody"] = {"required": True, "content": {"application/json": _content(body)}}
    if lines is not None:
        one = {"$ref": _REF.format(name=lines.__name__)}
        many = {"type": "array", "items": one, "minItems": 1}
        content: dict[str, Any] = {
            "application/json": {"schema": {"anyOf": [one, many]}, "example": [EXAMPLES[lines]]},
            "application/x-ndjson": {"schema": {"type": "string"}},
        }
        extra["requestBody"] = {"required": True, "content": content}
    found: dict[int | str, dict[str, Any]] = {status: {"description": _summary(answer) if answer else "The text."}}
    found[status]["content"] = {each: {"schema": {"type": "string"}} for each in media}
    if answer is not None:
        found[status]["content"] = {"application/json": _content(answer)}
    for code, (kind, text) in also.items():
        found[code] = {"description": text, "content": {"application/json": _content(kind)}}
    bodies = ("bad-request", "too-large", "unsupported-type") if body is not None or lines is not None else ()
    for kind_of in (*OFFERED, *problems, *bodies, *(("unauthorized", "forbidden") if needs else ())):
        code, title = TITLES[kind_of]
        reference = {"schema": {"$ref": _REF.format(name="ProblemDocument")}}
        found[code] = {"description": f"{title}.", "content": {MEDIA_TYPE: reference}}
        if code in {429, 503}:
            text = "Seconds after which the same request may work."
            found[code]["headers"] = {"Retry-After": {"description": text, "schema": {"type": "integer", "minimum": 1}}}
    return {
        "operation_id": name,
        "openapi_extra": extra,
        "responses": dict(sorted(found.items(), key=lambda entry: str(entry[0]))),
        "status_code": status,
        "response_class": Response,
    }


def parameters_of(name: str) -> Mapping[str, bool]:
    """The query parameters of an operation, and whether each may be repeated."""
    return _parameters[name]


def _content(kind: type) -> dict[str, Any]:
    return {"schema": {"$ref": _REF.format(name=kind.__name__)}}


def _summary(kind: type) -> str:
    """The first sentence of a type's docstring."""
    return (kind.__doc__ or "").strip().partition("\n")[0]


def document(routes: Sequence[BaseRoute], about: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Make the description.

    Args:
        routes: The routes; those that `operation` does not describe are left out by `include_in_schema`.
        about: Title, version, description and tags.
        prefix: The path under which a proxy shows this service; "" for none.
    """
    found = get_openapi(**about, routes=routes)
    for path, methods in found["paths"].items():
        names = re.findall(r"\{(\w+)\}", path)
        for described in methods.values():
            described["parameters"] = [*map(_in_path, names), *described.get("parameters", [])]
    _, types = msgspec.json.schema_components(
        (*_named, ProblemDocument), ref_template=_REF, schema_hook=_schema_of_attributes
    )
    for kind, example in EXAMPLES.items():
        types[kind.__name__]["examples"] = [example]
    _refine(types)
    # Generators take a member with a default for one that is always there, and would ask for it in requests.
    for schema in types.values():
        for member in schema.get("properties", {}).values():
            member.pop("default", None)
    components = found.setdefault("components", {})
    # By name: which module was imported first must not show in the document.
    components["schemas"] = dict(sorted(types.items()))
    components["securitySchemes"] = {
        "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        "bearer": {"type": "http", "scheme": "bearer"},
        "public": {"type": "apiKey", "in": "query", "name": KEY_PARAMETER, "description": "A key with role beacon."},
    }
    found["servers"] = [{"url": prefix or "/"}]
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(found))  # as readers get it: lists, not tuples
    _open_pairs(plain)
    return plain


def _schema_of_attributes(kind: type) -> dict[str, Any]:
    """The schema of attributes as they may be sent: one that cannot be used is left out by name, never refused."""
    if kind is not Attributes:
        raise NotImplementedError(f"{kind.__name__} has no schema")
    return {"description": "An object of names with strings, numbers, true, false or lists of strings."}


def _open_pairs(part: Any) -> None:
    """Describe tuples of equal parts as lists of a fixed length: generators do not read `items: false`."""
    if isinstance(part, list):
        for each in part:
            _open_pairs(each)
    elif isinstance(part, dict):
        if part.get("items") is False and "prefixItems" in part:
            first, *others = part.pop("prefixItems")
            assert all(each == first for each in others), part
            part["items"] = first
        for each in part.values():
            _open_pairs(each)


def _in_path(name: str) -> dict[str, Any]:
    text, example = PATHS[name]
    return {"name": name, "in": "path", "required": True, "description": text, "schema": ID, "example": example}


def _refine(types: dict[str, Any]) -> None:
    """Say of some values what the code checks after it has decoded them."""
    event, recent = types["SentEvent"]["properties"], types["RecentItem"]["properties"]
    for name in ("anonymous_id", "user_id"):
        types["IdentifyAsk"]["properties"][name]["pattern"] = NAMED
    for name in ("user_id", "item_id", "event_id", "session_id", "request_id"):
        for schema in event[name].get("anyOf", [event[name]]):
            if schema["type"] == "string":
                schema["pattern"] = NAMED
    types["SentItem"]["properties"]["item_id"]["pattern"] = NAMED
    for properties in (event, recent):
        for schema in properties["timestamp"]["anyOf"]:
            if schema["type"] in {"integer", "number"}:
                schema |= {"minimum": int(EARLIEST), "maximum": int(LATEST * 1000)}


__all__ = ["KEY_PARAMETER", "ProblemDocument", "ValueProblem", "document", "operation", "parameters_of"]
