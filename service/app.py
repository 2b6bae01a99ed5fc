"""Makes the HTTP application: routes, problem documents, limits, and the parts behind them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Route
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from service.context import assemble
from service.http import Edge, Origins, Traced, openapi, problems
from service.routes import (
    compare,
    data,
    dead_letters,
    erasures,
    events,
    experiments,
    gate,
    health,
    identify,
    items,
    live,
    mappings,
    model,
    pages,
    quarantine,
    recommend,
    recommend_batch,
    users,
    warming,
)
from service.runtime import cancel_and_wait
from service.runtime.telemetry import Telemetry
from streaming.milestones import Milestones
from streaming.settings import Settings
from streaming.tracing import tracer_of

ROUTERS: Final = (
    recommend,
    recommend_batch,
    compare,
    events,
    items,
    users,
    identify,
    erasures,
    data,
    dead_letters,
    mappings,
    model,
    gate,
    quarantine,
    experiments,
    live,
    health,
    pages,
)

ABOUT: Final[dict[str, Any]] = {
    "title": "Sluicegate",
    "description": (
        "Recommendations that learn from every event, with a gate that decides what goes live. "
        "Errors are RFC 9457 problem documents; /docs/problems lists them. HEAD answers like GET, without the body."
    ),
}


def create_app(settings: Settings, *, trusted: bool = True, ready: Callable[[], None] = lambda: None) -> FastAPI:
    """Make the application. It opens nothing before the server starts it.

    Args:
        settings: The settings in force.
        trusted: Whether everybody who can reach it may use the roles that have no key.
        ready: Called once, when everything is loaded and requests may come.

    Raises:
        BadKeys: The configured keys cannot be used.
        TracingMissing: Tracing is on, and its extra is not installed.
    """
    started = Milestones()
    started.note("imports")
    telemetry = Telemetry()
    tracer = tracer_of(settings.tracing.endpoint, settings.tracing.share, "service", settings.namespace)
    context = assemble(settings, telemetry, tracer, trusted=trusted)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        context.start()
        first_page = asyncio.create_task(warming.warm_up(context, ready, started), name="first page")
        yield
        await cancel_and_wait(first_page)
        await context.stop()
        if tracer is not None:
            await run_in_threadpool(tracer.close)

    app = FastAPI(
        **ABOUT,
        version=_version(),
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        middleware=[
            Middleware(ProxyHeadersMiddleware, trusted_hosts=list(settings.service.proxies)),
            Middleware(
                Edge, telemetry=telemetry, limit=settings.service.max_body_bytes, prefix=settings.service.root_path
            ),
            *([Middleware(Traced, tracer=tracer)] if tracer is not None else []),
            Middleware(Origins, origins=settings.service.beacon_origins),
        ],
        redirect_slashes=False,
    )
    app.state.context = context
    for routes in ROUTERS:
        app.include_router(routes.router)
    app.openapi = cache(partial(description, settings.service.root_path))  # type: ignore[method-assign]
    problems.install(app)
    telemetry.initialise([pair for routes in ROUTERS for pair in templates(routes.router.routes)])
    started.note("application")
    return app


def description(prefix: str = "") -> dict[str, Any]:
    """The API's description (OpenAPI 3.1), which needs no running service.

    Args:
        prefix: The path under which a proxy shows the service; "" for none.
    """
    routes = [route for module in ROUTERS for route in module.router.routes]
    return openapi.document(routes, {**ABOUT, "version": _version()}, prefix)


def templates(routes: Sequence[BaseRoute]) -> list[tuple[str, str]]:
    """(method, path template) of each route, the labels of metrics."""
    found = []
    for route in routes:
        if isinstance(route, Route):
            found += [(method, route.path) for method in sorted(route.methods or ()) if method != "HEAD"]
    return found


def _version() -> str:
    try:
        return version("sluicegate")
    except PackageNotFoundError:
        return "0"


__all__ = ["create_app", "description", "templates"]
