"""Makes the address of a request fit for the routes: UTF-8, without a proxy's prefix, ids with `/` in one piece."""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote, unquote_to_bytes

from starlette.types import Scope

from models.records.events import has_control
from service.http.problems import Problem, invalid

ID: Final = "string of 1 to 256 characters without control characters"


def prepare(scope: Scope, prefix: str) -> None:
    """Change the address in `scope` into the one that the routes match.

    A proxy may have removed the prefix, or not. A `/` that was sent as `%2F` is part of an id and not of the path:
    such a path stays encoded as far as `/` and `%` go, until `identifier` decodes the id.

    Args:
        scope: The request; its path is replaced.
        prefix: The path under which a proxy shows this service, as /reco; "" for none.

    Raises:
        Problem: 422, path or query are not UTF-8.
    """
    scope["prefix"] = prefix
    # The server takes ASCII alone here.
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    if b"%" in raw:
        _must_be_text(raw, "path")
    if b"%2f" in raw.lower():
        parts = (unquote(part).replace("%", "%25").replace("/", "%2F") for part in raw.decode("latin-1").split("/"))
        scope["path"] = "/".join(parts)
        scope["encoded"] = True
    if prefix and scope["path"].startswith(f"{prefix}/"):
        scope["path"] = scope["path"].removeprefix(prefix)
    query: bytes = scope["query_string"]
    if b"%" in query:
        _must_be_text(query, "query")


def identifier(scope: Scope, name: str) -> str:
    """The id in the path of a request, as the caller meant it.

    Args:
        scope: The request, matched by a route.
        name: Name of the id in the route.

    Raises:
        Problem: 422, it is no id.
    """
    found: str = scope["path_params"][name]
    if scope.get("encoded"):
        found = found.replace("%2F", "/").replace("%25", "%")
    return checked(found, f"path.{name}")


def checked(found: str, path: str) -> str:
    """An id that was sent. Raises Problem 422 if it is none."""
    if not 1 <= len(found) <= 256 or has_control(found):
        raise invalid(path, ID, f"{len(found)} characters" if len(found) > 80 else repr(found))
    return found


def _must_be_text(raw: bytes, where: str) -> None:
    try:
        unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError as error:
        raise Problem(
            "invalid",
            f"The {where} of the address is not UTF-8: {error.reason}.",
            "Encode the address as UTF-8, then with percent signs.",
            errors=[{"path": where, "expected": "UTF-8", "found": error.reason}],
        ) from None


__all__ = ["ID", "checked", "identifier", "prepare"]
