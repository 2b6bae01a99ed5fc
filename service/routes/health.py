"""Answers probes: whether this process is alive, whether it can answer requests, and its metrics."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from service.context import Context
from service.http import Liveness, Readiness, operation
from service.routes.common import admit, answer, context, degraded

router = APIRouter(tags=["health"])


@router.get("/livez", **operation("is_alive", answer=Liveness, needs=""))
async def livez() -> Response:
    """200 while the process runs its event loop, whatever the state of Kafka and Redis."""
    return answer(Liveness())


@router.get(
    "/readyz",
    **operation("is_ready", answer=Readiness, needs="", also={503: (Readiness, "Requests cannot be answered yet.")}),
)
async def readyz(request: Request) -> Response:
    """200 when requests can be answered: the facts of all items and, if there is a version, the champion are loaded."""
    ctx = context(request)
    document = _document(ctx)
    return answer(document, 200 if document.ready else 503)


def _document(ctx: Context) -> Readiness:
    keeper = ctx.gatekeeper
    with ctx.tables.hold() as tables:
        return Readiness(
            ready=ctx.ready,
            version=tables.id if tables is not None else None,
            version_age_seconds=round(ctx.clock() - tables.manifest.created_at, 3) if tables is not None else None,
            degraded=degraded(ctx, tables),
            kernels=keeper.kernels,
            redis=keeper.store_error or "ok",
            histories="ok" if ctx.histories.available else "the last read failed; answers continue without them",
            items=_items(ctx),
            kafka=ctx.intake.error or "ok",
            served_version=keeper.follower.load_error or "ok",
            keys="the key file cannot be used; the keys before it are in force" if ctx.keys.trouble else "ok",
        )


def _items(ctx: Context) -> str:
    if not ctx.catalogue.ready.is_set():
        return "their facts are being loaded"
    return "their facts are the last known ones: Redis does not answer" if ctx.catalogue.stale else "ok"


@router.get("/metrics", **operation("get_metrics", media=("text/plain", "application/openmetrics-text")))
async def metrics(request: Request) -> Response:
    """Prometheus metrics of this process."""
    admit(request, "read", any_parameters=True)  # a scrape job may have some
    body, kind = context(request).telemetry.exposition(request.headers.get("accept", ""))
    return Response(body, headers={"Content-Type": kind})
