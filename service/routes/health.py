"""In: a probe. Out: whether this process lives, whether it can answer, and its metrics."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from service.context import Context
from service.http import operation
from service.routes.common import admit, answer, context, degraded

router = APIRouter(tags=["health"])


@router.get("/livez", **operation(needs=""))
async def livez() -> Response:
    """200 while the process turns its loop; says nothing of what it depends on."""
    return answer({"status": "alive"})


@router.get("/readyz", **operation(needs="", problems=("unavailable",)))
async def readyz(request: Request) -> Response:
    """200 when requests can be answered: the served version is loaded, or Redis said that there is none yet."""
    ctx = context(request)
    document = _document(ctx)
    return answer(document, 200 if document["ready"] else 503)


def _document(ctx: Context) -> dict[str, Any]:
    keeper = ctx.gatekeeper
    with ctx.tables.hold() as held:
        return {
            "ready": held is not None or (keeper.follower.looked and not keeper.follower.load_error),
            "version": held.id if held is not None else None,
            "version_age_seconds": round(ctx.clock() - held.manifest.created_at, 3) if held is not None else None,
            "degraded": degraded(ctx, held),
            "kernels": keeper.kernels,
            "redis": keeper.store_error or "ok",
            "histories": "ok" if ctx.histories.available else "the last read failed; answers go on without them",
            "items": "their facts are the last known: Redis does not answer" if ctx.catalogue.stale else "ok",
            "kafka": ctx.intake.error or "ok",
            "served_version": keeper.follower.load_error or "ok",
        }


@router.get("/metrics", include_in_schema=True, **operation())
async def metrics(request: Request) -> Response:
    """Prometheus metrics of this process."""
    admit(request, "read")
    body, kind = context(request).telemetry.exposition(request.headers.get("accept", ""))
    return Response(body, headers={"Content-Type": kind})
