"""Streams server-sent events to a page that watches, one per second, until either side ends."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from service.gate import CLIENTS
from service.http import Problem, operation
from service.routes.common import admit, context

router = APIRouter(tags=["live"])


@router.get("/stream", **operation("follow", media=("text/event-stream",), problems=("too-many-requests",)))
async def stream(request: Request) -> Response:
    """The champion, its scores, the gate and its last decisions: `text/event-stream`, one message per second.

    `history` has the last ten minutes, or what came after the header Last-Event-ID; `state` is the present.
    """
    admit(request, "read")
    live = context(request).live
    if live.full:
        raise Problem(
            "too-many-requests",
            f"{CLIENTS} pages watch this service already.",
            "Close one of them, or read GET /model and GET /gate.",
            headers={"Retry-After": "10"},
        )
    messages = live.follow(request.headers.get("last-event-id", ""))
    return StreamingResponse(messages, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
