"""Joins the id of an anonymous visitor with a user, by an order in topic `control`."""

from __future__ import annotations

import secrets

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from models.records import Identify, Rejection, decode_control, encode_control
from service.context import Context
from service.http import IdentifyAnswer, IdentifyAsk, decode_body, invalid, operation
from service.ingest import KafkaUnavailable, Outgoing, beacons
from service.routes.common import answer, away, check_rate, context, refused, writing
from service.routes.events import check_beacon, writer
from streaming.kafka import RecordRefused

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
    order = _order(ask, caller.name)
    if public:
        ctx.proofs.check(ask.anonymous_id, ask.user_id, ask.proof)
    if not public:
        check_rate(request, caller)
    if await ctx.histories.joined(ask.anonymous_id, ask.user_id):
        return answer(IdentifyAnswer(request.scope["request_id"], "joined"), 202)
    with writing(ctx, public=public):
        await run_in_threadpool(_send, ctx, order)
    return answer(IdentifyAnswer(request.scope["request_id"], "accepted"), 202)


def _order(ask: IdentifyAsk, actor: str) -> Identify:
    """The order of a request. Raises Problem 422 for ids that no order can have."""
    order = Identify(secrets.token_hex(12), ask.anonymous_id, ask.user_id, actor)
    problem = decode_control(encode_control(order))
    if isinstance(problem, Rejection):
        path = FIELDS.get(problem.path, problem.path)
        raise invalid(path, problem.expected, problem.found, reason=problem.reason)
    return order


def _send(ctx: Context, order: Identify) -> None:
    try:
        ctx.intake.send("control", [Outgoing("", encode_control(order))])
    except KafkaUnavailable as error:
        raise away(str(error)) from None
    except RecordRefused as error:
        raise refused(error, None) from None


__all__ = ["router"]
