"""Serves the live page, the API's description and the script of shops' pages to browsers, every byte from here."""

from __future__ import annotations

import gzip
import hashlib
from functools import cache
from importlib.resources import files
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from service.http import NEXT, TITLES, Problem
from service.routes.common import takes_gzip

router = APIRouter(include_in_schema=False)

KINDS: Final = {
    "html": "text/html",
    "js": "text/javascript",
    "css": "text/css",
    "png": "image/png",
    "svg": "image/svg+xml",
    "txt": "text/plain",
}
SQUEEZED: Final = frozenset({"html", "js", "css", "svg", "txt"})
"""Kinds that are sent compressed: a third of their bytes."""
OURS: Final = ("page.css", "docs.js", "widget.css", "widget.js")
CLIENT: Final = "sluicegate.js"
"""The script for shops' pages, `clients/javascript/sluicegate.js` made small."""
LENT: Final = {
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Cache-Control": "public, max-age=3600, stale-while-revalidate=86400",
}
"""Headers of a file that pages of other origins load, also with `integrity`. A new one is in use within an hour."""
PARTS: Final = frozenset(entry.name for entry in files("service").joinpath("static", "page").iterdir())
"""Modules and styles of the live page."""
SWAGGER: Final = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png")
"""Swagger's files as the package `fastapi-offline` carries them."""


@router.get("/")
async def landing(request: Request) -> Response:
    """The live page."""
    return _file(request, "service", "index.html")


@router.get("/docs")
async def docs(request: Request) -> Response:
    """The API's description, to read and to try."""
    return _file(request, "service", "docs.html")


@router.get("/docs/problems")
async def problems() -> Response:
    """What each kind of problem means."""
    rows = "".join(
        f'<tr id="{kind}"><td><code>{kind}</code></td><td>{status}</td><td>{title}. {NEXT.get(kind, "")}</td></tr>'
        for kind, (status, title) in TITLES.items()
    )
    page = files("service").joinpath("static", "problems.html").read_text(encoding="utf-8")
    return Response(page.replace("<!-- rows -->", rows), media_type="text/html")


@router.get("/widget")
async def widget(request: Request) -> Response:
    """A shop that is made up, with the script for shops' pages."""
    return _file(request, "service", "widget.html")


@router.get("/static/{name}")
async def static(name: str, request: Request) -> Response:
    """One of the files named above; no other is served."""
    if name == CLIENT:
        body = _bytes("service", name)
        headers = {**LENT, "ETag": f'"{hashlib.sha256(body).hexdigest()[:16]}"'}
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(None, 304, headers)
        return Response(body, headers=headers, media_type=KINDS["js"])
    if name in OURS:
        return _file(request, "service", name)
    if name in SWAGGER:
        return _file(request, "fastapi_offline", name)
    raise Problem("not-found", f"No file {name!r} is served here.", "See / for the live page.")


@router.get("/static/page/{name}")
async def part(name: str, request: Request) -> Response:
    """A module or a style of the live page."""
    if name in PARTS:
        return _file(request, "service", f"page/{name}")
    raise Problem("not-found", f"No file {name!r} is served here.", "See / for the live page.")


@cache
def _bytes(package: str, name: str) -> bytes:
    return files(package).joinpath("static", name).read_bytes()


@cache
def _squeezed(package: str, name: str) -> bytes:
    return gzip.compress(_bytes(package, name), mtime=0)


def _file(request: Request, package: str, name: str) -> Response:
    ending = name.rpartition(".")[2]
    if ending not in SQUEEZED:
        return Response(_bytes(package, name), media_type=KINDS[ending])
    headers = {"Vary": "Accept-Encoding"}
    if takes_gzip(request):
        headers["Content-Encoding"] = "gzip"
        return Response(_squeezed(package, name), headers=headers, media_type=KINDS[ending])
    return Response(_bytes(package, name), headers=headers, media_type=KINDS[ending])
