"""Lists dead letters, the records that were refused, and has them sent again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final, TypeVar

from fastapi import APIRouter, Request
from msgspec import Meta
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from models.records import REASONS
from service.http import (
    DeadLettersAnswer,
    Problem,
    RedriveAnswer,
    RedriveAsk,
    decode_body,
    invalid,
    operation,
    whole_number,
)
from service.ingest import DeadLettersAway
from service.routes.common import admit, answer, away, context
from service.runtime import logs

T = TypeVar("T")

router = APIRouter(tags=["data"])

MOST: Final = 100
"""Letters of one answer: each quotes up to 2,000 characters."""
SHOWN: Final = 20


@router.get(
    "/dead-letters",
    **operation(
        "list_dead_letters",
        parameters={
            "reason": (str, "Only letters refused for this reason, among the newest 500."),
            "limit": (Annotated[int, Meta(ge=1, le=MOST)], f"Letters wanted; {SHOWN} when not given."),
        },
        answer=DeadLettersAnswer,
        needs="admin",
        problems=("conflict", "unavailable"),
    ),
)
async def listed(request: Request) -> Response:
    """The newest records that were refused: why, where they stood, the beginning of what they held."""
    admit(request, "admin")
    asked, reader = request.query_params, context(request).dead_letters
    reason = _known(asked.get("reason") or None, "query.reason")
    limit = whole_number(asked.get("limit", str(SHOWN)), "query.limit", 1, MOST)
    return answer(await _carried_out(lambda: reader.newest(reason, limit)))


@router.post(
    "/dead-letters/redrive",
    **operation(
        "redrive_dead_letters",
        body=RedriveAsk,
        answer=RedriveAnswer,
        needs="admin",
        problems=("conflict", "unavailable"),
    ),
)
async def again(request: Request) -> Response:
    """Send refused records to their topics again, unchanged, each once however often this is asked for.

    It does what `sluicegate deadletter redrive` does, and goes on where that, or an earlier request, ended.
    """
    caller, ask = admit(request, "admin"), decode_body(await request.body(), RedriveAsk)
    reason, reader = _known(ask.reason, "$.reason"), context(request).dead_letters
    done = await _carried_out(lambda: reader.redrive(reason, ask.limit, dry_run=ask.dry_run))
    if not ask.dry_run:
        logs.say("dead letters sent again", actor=caller.name, sent=done.sent, reason=reason or "all")
    return answer(done)


def _known(reason: str | None, path: str) -> str | None:
    if reason is not None and reason not in REASONS:
        raise invalid(path, f"one of {', '.join(REASONS)}", repr(reason[:60]))
    return reason


async def _carried_out(work: Callable[[], T]) -> T:
    try:
        return await run_in_threadpool(work)
    except DeadLettersAway as error:
        if error.kind == "kafka":
            raise away(str(error)) from None
        if error.kind == "busy":
            step = "Ask again when it has ended, within a minute."
            raise Problem("conflict", f"Dead letters are in use: {error}.", step) from None
        raise Problem(
            "unavailable",
            f"The dead letters cannot be had now: {error}.",
            "Ask again in a few seconds; what was sent again until then counts as sent.",
            headers={"Retry-After": "5"},
        ) from None


__all__ = ["router"]
