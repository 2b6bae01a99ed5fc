"""Streams server-sent events to a page that watches, one a second, and answers what was before it opened."""

from __future__ import annotations

import zlib
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

from fastapi import APIRouter, Request
from msgspec import Meta
from starlette.responses import Response, StreamingResponse

from service.gate import CLIENTS, PAST_SPAN
from service.http import PastAnswer, Problem, operation, whole_number
from service.routes.common import admit, answer, context, takes_gzip

router = APIRouter(tags=["live"])


@router.get("/stream", **operation("follow", media=("text/event-stream",), problems=("too-many-requests",)))
async def stream(request: Request) -> Response:
    """The champion, its scores, the gate and its last decisions: `text/event-stream`, one message per second.

    `history` has the last ten minutes, or what came after the header Last-Event-ID; `state` is the present.
    """
    admit(request, "read", any_parameters=True)  # stand-ins for EventSource add some
    live = context(request).live
    if live.full:
        raise Problem(
            "too-many-requests",
            f"{CLIENTS} pages watch this service already.",
            "Close one of them, or read GET /model and GET /gate.",
            headers={"Retry-After": "10"},
        )
    messages = live.follow(request.headers.get("last-event-id", ""))
    headers = {"X-Accel-Buffering": "no", "Vary": "Accept-Encoding"}
    if takes_gzip(request):
        # Ten minutes of looks repeat themselves: a tenth of the bytes.
        messages, headers["Content-Encoding"] = _squeezed(messages), "gzip"
    return StreamingResponse(messages, media_type="text/event-stream", headers=headers)


async def _squeezed(messages: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """The same messages compressed; each can be read as soon as it has arrived."""
    squeeze = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    async with aclosing(messages):
        async for message in messages:
            yield squeeze.compress(message) + squeeze.flush(zlib.Z_SYNC_FLUSH)
    yield squeeze.flush()


@router.get(
    "/stream/past",
    **operation(
        "get_past",
        parameters={
            "seconds": (Annotated[int, Meta(ge=1, le=PAST_SPAN)], "Seconds to look back; a day when not given."),
        },
        answer=PastAnswer,
    ),
)
async def past(request: Request) -> Response:
    """What the live page shows of the last day: a look every two minutes since this process started."""
    admit(request, "read")
    ctx = context(request)
    text = request.query_params.get("seconds", str(PAST_SPAN))
    seconds = whole_number(text, "query.seconds", 1, PAST_SPAN)
    return answer(ctx.live.past.answer(ctx.clock(), seconds))
