"""Shows the history of a user, as recommendations read it from Redis, and what the shop says of the user; sets that."""

from __future__ import annotations

import secrets
from typing import Final

from fastapi import APIRouter, Request
from msgspec import UNSET, UnsetType
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from models.records import KINDS, Describe, ItemFacts, checked_attributes
from service.http import (
    PastEvent,
    Problem,
    UserAccepted,
    UserAnswer,
    UserAsk,
    decode_body,
    identifier,
    operation,
)
from service.routes.common import admit, answer, check_rate, context, readable, send_order, writing
from service.serving import PICTURE

PATIENCE: Final = 15
"""Budgets of a page: who asks for a history has nothing without it, and waits while Redis forks or is busy."""

router = APIRouter(tags=["users"])


@router.get("/users/{user_id}", **operation("get_user", answer=UserAnswer, problems=("unavailable",)))
async def get_user(request: Request) -> Response:
    """The user's last interactions, newest first, and attributes; none for an unknown user."""
    admit(request, "read")
    ctx = context(request)
    user_id = identifier(request.scope, "user_id")
    past = await ctx.histories.past(user_id, with_attributes=True, patience=PATIENCE)
    if not past.read:
        raise Problem(
            "unavailable",
            "Redis, which holds histories, does not answer.",
            "Try again in a few seconds; /readyz says when it is back.",
            headers={"Retry-After": "5"},
        )
    history = past.history
    events = [
        PastEvent(item, KINDS[kind], moment, *_shown(ctx.catalogue.get(item)))
        for item, moment, kind in zip(history.items, history.times, history.kinds, strict=True)
    ]
    attributes = past.attributes.values() if past.attributes is not None else {}
    return answer(UserAnswer(user_id, bool(events or attributes), events, attributes))


@router.put(
    "/users/{user_id}",
    **operation(
        "put_user",
        body=UserAsk,
        answer=UserAccepted,
        status=202,
        needs="events",
        problems=("too-many-requests", "unavailable"),
    ),
)
async def put_user(request: Request) -> Response:
    """Set the attributes of a user. They replace all earlier ones, and are in force within a second as a rule.

    An id that is joined with a user means the user. `unchanged` says that they are in force already: then nothing is
    written, however often they are sent.
    """
    caller = admit(request, "events")
    ctx, user_id = context(request), identifier(request.scope, "user_id")
    found, left_out = checked_attributes(decode_body(await request.body(), UserAsk).attributes)
    attributes = found.values() if found is not None else {}
    order = readable(Describe(secrets.token_hex(12), user_id, attributes, caller.name), {"$.user": "user_id"})
    check_rate(request, caller)
    told = UserAccepted(request.scope["request_id"], user_id, left_out=tuple(left_out))
    if await ctx.histories.in_force(user_id, found):
        told.outcome = "unchanged"
        return answer(told, 202)
    await ctx.histories.note_order(user_id)
    with writing(ctx):
        await run_in_threadpool(send_order, ctx, order)
    return answer(told, 202)


def _shown(facts: ItemFacts | None) -> tuple[str | UnsetType, str | UnsetType]:
    """Title and address of the picture of an item."""
    if facts is None:
        return UNSET, UNSET
    picture = facts.attribute_values().get(PICTURE)
    return facts.title or UNSET, picture if isinstance(picture, str) else UNSET
