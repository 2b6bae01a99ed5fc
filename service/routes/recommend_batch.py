"""Answers one request with the slates of many users, one a line, while requests for single users go on in between."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from typing import Final

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from service.context import Context
from service.http import BatchAsk, PageAsk, Problem, batch_from_body, checked, operation
from service.routes.common import admit, context, too_many
from service.routes.visits import encoded, held_for, language_of, rotates, take_impressions, uses_attributes, visit_of
from service.runtime import logs
from service.serving import UserPast, View
from service.serving import page as pages

router = APIRouter(tags=["recommend"])

LINES: Final = "application/x-ndjson"

TOGETHER: Final = 32
"""Users whose histories are read in one round trip: 1 ms of Redis, and a hundredth of the round trips of one by one."""


@router.post(
    "/recommend/batch",
    **operation("recommend_batch", body=BatchAsk, media=(LINES,), problems=("too-many-requests",)),
)
async def recommend_batch(request: Request) -> Response:
    """Slates for up to 1,000 users, one a line in their order (NDJSON), sent as they are made.

    A line is a slate, or an object with `user_id` and `problem` for a user that could not be answered.
    """
    admit(request, "read")
    ctx = context(request)
    raw, now = await request.body(), ctx.clock()
    user_ids, ask = batch_from_body(raw, now, ctx.options)
    language = language_of(ctx, ask, request.headers)
    if not ctx.batches.acquire(blocking=False):
        raise too_many(ctx.telemetry, "Too many requests for many users are being answered at once.", 1.0)
    return _Lines(_lines(ctx, user_ids, ask, language), ctx.batches.release)


class _Lines(StreamingResponse):
    """Lines as they are made; calls `ended` whatever happens to the connection."""

    def __init__(self, lines: AsyncIterator[bytes], ended: Callable[[], None]) -> None:
        super().__init__(lines, media_type=LINES)
        self._ended = ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._ended()


async def _lines(ctx: Context, user_ids: list[str], ask: PageAsk, language: str | None) -> AsyncIterator[bytes]:
    for start in range(0, len(user_ids), TOGETHER):
        together = {user_id: _unusable(user_id) for user_id in user_ids[start : start + TOGETHER]}
        usable = [user_id for user_id, problem in together.items() if problem is None]
        with_shown, with_attributes = rotates(ctx, ask, ctx.clock()), uses_attributes(ctx, ctx.clock())
        if with_shown:
            take_impressions(ctx)
        found = await ctx.histories.pasts(usable, with_shown=with_shown, with_attributes=with_attributes)
        pasts = dict(zip(usable, found, strict=True))
        lines = []
        for user_id in user_ids[start : start + TOGETHER]:
            problem = together[user_id]
            if problem is not None:
                lines.append(_refused(user_id, problem))
            else:
                lines.append(_line(ctx, msgspec.structs.replace(ask, user_id=user_id), pasts[user_id], language))
            await asyncio.sleep(0)  # requests for one user come in between
        yield b"".join(lines)


def _unusable(user_id: str) -> Problem | None:
    try:
        checked(user_id, "$.user_ids")
    except Problem as problem:
        return problem
    return None


def _line(ctx: Context, ask: PageAsk, past: UserPast, language: str | None) -> bytes:
    """The slate of one user, or why there is none: a failure of one leaves the others theirs."""
    request_id = os.urandom(8).hex()
    try:
        return _slate(ctx, ask, past, language, request_id) + b"\n"
    except Exception:
        logs.fault("a user of a batch was not answered", request_id=request_id)
        detail = "A defect in the service stopped the slate of this user."
        step = "Ask for this user again. If it happens again, look for the request_id in the service's log."
        return _refused(ask.user_id or "", Problem("internal", detail, step, request_id=request_id))


def _slate(ctx: Context, ask: PageAsk, past: UserPast, language: str | None, request_id: str) -> bytes:
    started = time.monotonic()
    visit = visit_of(ctx, ask, past, ctx.clock(), request_id)
    with held_for(ctx, visit) as tables:
        view = View(tables, ctx.catalogue)
        page = pages.recommend(view, visit)
        ctx.slates.add(view, visit, page, bulk=True)
        body = encoded(ctx, view, visit, page, ask.user_id, language, whole=past.read)
    ctx.telemetry.answered_scenario(ask.scenario, time.monotonic() - started, short=len(page.shown) < ask.count)
    return body


def _refused(user_id: str, problem: Problem) -> bytes:
    return msgspec.json.encode({"user_id": user_id, "problem": msgspec.Raw(problem.body())}) + b"\n"


__all__ = ["router"]
