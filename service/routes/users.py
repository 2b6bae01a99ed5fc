"""Finds users, shows the history of one as recommendations read it, and shows and sets what the shop says of a user."""

from __future__ import annotations

import secrets
from typing import Annotated, Final

from fastapi import APIRouter, Request
from msgspec import UNSET, Meta, UnsetType
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from models.records import KINDS, Describe, ItemFacts, checked_attributes
from service.http import (
    MAX_ID,
    FoundUser,
    Id,
    PastEvent,
    Problem,
    UserAccepted,
    UserAnswer,
    UserAsk,
    UsersAnswer,
    decode_body,
    identifier,
    invalid,
    operation,
    whole_number,
)
from service.routes.common import admit, answer, check_rate, context, readable, send_order, writing
from service.serving import PICTURE

PATIENCE: Final = 15
"""Budgets of a page: who asks for a history has nothing without it, and waits while Redis forks or is busy."""

FOUND_LIMIT: Final = 20
"""Most users that one search finds: more do not help a person who types."""

router = APIRouter(tags=["users"])


@router.get(
    "/users",
    **operation(
        "list_users",
        parameters={
            "q": (Id, "How the id begins, to the letter."),
            "limit": (Annotated[int, Meta(ge=1, le=FOUND_LIMIT)], f"Users wanted; {FOUND_LIMIT} when not given."),
        },
        answer=UsersAnswer,
        problems=("unavailable",),
    ),
)
async def list_users(request: Request) -> Response:
    """Users who have a history or attributes and whose id begins so, in the order of their ids.

    An id that is joined with a user is not listed; `GET /users/{user_id}` answers for it all the same.
    """
    admit(request, "read")
    asked = request.query_params
    limit = whole_number(asked.get("limit", str(FOUND_LIMIT)), "query.limit", 1, FOUND_LIMIT)
    beginning = asked.get("q", "")
    if not 1 <= len(beginning) <= MAX_ID:
        raise invalid("query.q", f"1 to {MAX_ID} characters", f"{len(beginning)} characters")
    found = await context(request).histories.search(beginning, limit, PATIENCE)
    if found is None:
        raise _away()
    return answer(UsersAnswer([FoundUser(*user) for user in found.users], found.more, found.whole))


@router.get("/users/{user_id}", **operation("get_user", answer=UserAnswer, problems=("unavailable",)))
async def get_user(request: Request) -> Response:
    """The user's last interactions, newest first, and attributes; none for an unknown user."""
    admit(request, "read")
    ctx = context(request)
    user_id = identifier(request.scope, "user_id")
    past = await ctx.histories.past(user_id, with_attributes=True, patience=PATIENCE)
    if not past.read:
        raise _away()
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


def _away() -> Problem:
    return Problem(
        "unavailable",
        "Redis, which holds histories, does not answer.",
        "Try again in a few seconds; /readyz says when it is back.",
        headers={"Retry-After": "5"},
    )


def _shown(facts: ItemFacts | None) -> tuple[str | UnsetType, str | UnsetType]:
    """Title and address of the picture of an item."""
    if facts is None:
        return UNSET, UNSET
    picture = facts.attribute_values().get(PICTURE)
    return facts.title or UNSET, picture if isinstance(picture, str) else UNSET
