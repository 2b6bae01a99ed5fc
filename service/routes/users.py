"""Shows the history of a user, as recommendations read it from Redis."""

from __future__ import annotations

from fastapi import APIRouter, Request
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from models.records import KINDS, ItemFacts
from service.http import PastEvent, Problem, UserAnswer, identifier, operation
from service.routes.common import admit, answer, context
from service.serving import PICTURE

router = APIRouter(tags=["users"])


@router.get("/users/{user_id}", **operation("get_user", answer=UserAnswer, problems=("unavailable",)))
async def get_user(request: Request) -> Response:
    """The user's last interactions, newest first; none for an unknown user."""
    admit(request, "read")
    ctx = context(request)
    user_id = identifier(request.scope, "user_id")
    past = await ctx.histories.past(user_id)
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
    return answer(UserAnswer(user_id, bool(events), events))


def _shown(facts: ItemFacts | None) -> tuple[str | UnsetType, str | UnsetType]:
    """Title and address of the picture of an item."""
    if facts is None:
        return UNSET, UNSET
    picture = facts.attribute_values().get(PICTURE)
    return facts.title or UNSET, picture if isinstance(picture, str) else UNSET
