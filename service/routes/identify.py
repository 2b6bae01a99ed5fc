"""Joins the id of an anonymous visitor with a user, by an order in topic `control`."""

from __future__ import annotations

import secrets

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from models.records import Identify
from service.http import IdentifyAnswer, IdentifyAsk, decode_body, operation
from service.ingest import beacons
from service.routes.common import answer, check_rate, context, readable, send_order, writing
from service.routes.events import check_beacon, writer

router = APIRouter(tags=["users"])

FIELDS = {"$.anonymous": "$.anonymous_id", "$.user": "$.user_id"}
"""Fields of the request by those of the order."""


@router.post(
    "/identify",
    **operation(
        "identify",
        body=IdentifyAsk,
        answer=IdentifyAnswer,
        status=202,
        needs="events",
        problems=("too-many-requests", "unavailable"),
        public=True,
    ),
)
async def identify(request: Request) -> Response:
    """Join the id of a visitor with a user who has just logged in. From then on both ids mean this user.

    `joined` says that they are one already, as Redis has it: then nothing is written, however often a page asks.
    """
    ctx, caller = context(request), writer(request)
    public = caller.role == beacons.ROLE
    if public:
        check_beacon(request, ctx, caller)
    body = await request.body()
    if public:
        ctx.beacons.check_size(len(body))
    ask = decode_body(body, IdentifyAsk)
    order = readable(Identify(secrets.token_hex(12), ask.anonymous_id, ask.user_id, caller.name), FIELDS)
    if public:
        ctx.proofs.check(ask.anonymous_id, ask.user_id, ask.proof)
    if not public:
        check_rate(request, caller)
    if await ctx.histories.joined(ask.anonymous_id, ask.user_id):
        return answer(IdentifyAnswer(request.scope["request_id"], "joined"), 202)
    await ctx.histories.note_order(ask.anonymous_id, ask.user_id)
    with writing(ctx, public=public):
        await run_in_threadpool(send_order, ctx, order)
    return answer(IdentifyAnswer(request.scope["request_id"], "accepted"), 202)


__all__ = ["router"]
