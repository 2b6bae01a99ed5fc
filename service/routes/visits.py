"""Turns a request for a slate into a visit, and a page into its answer; for the routes that answer with slates."""

from __future__ import annotations

import heapq
import time
from contextlib import AbstractContextManager

import msgspec
from starlette.datastructures import Headers

from models.experiments import segments_of
from service.context import Context
from service.http import History, PageAsk
from service.routes.common import degraded
from service.runtime.telemetry import SERVED_BY
from service.serving import Envelope, Page, RequestMoment, TableSet, UserPast, View, Visit, encode, reasons, treated


def take_impressions(ctx: Context) -> None:
    """Move accepted impressions into the showings. This runs on the event loop, because showings are for one thread."""
    for impressions in ctx.intake.all_impressions:
        while impressions:
            user, seen = impressions.popleft()
            if user in ctx.showings:
                ctx.showings.add(user, seen)


async def past_of(ctx: Context, ask: PageAsk, now: float, *, with_shown: bool) -> UserPast:
    """What is known of the user to recommend for; nothing of a visitor without an id."""
    if ask.user_id is None:
        return UserPast("")
    return await ctx.histories.past(ask.user_id, with_shown=with_shown, with_attributes=uses_attributes(ctx, now))


def uses_attributes(ctx: Context, now: float) -> bool:
    """Whether attributes of users decide anything: who is in an experiment, or where slates are counted."""
    return bool(ctx.segments) or ctx.gatekeeper.experiments.by_attributes(now)


def rotates(ctx: Context, ask: PageAsk, now: float) -> bool:
    """Whether the request, or an arm that its user may be in, lowers what the user was shown lately."""
    return ask.rotate > 0 or ctx.gatekeeper.experiments.rotates(now)


def visit_of(ctx: Context, ask: PageAsk, past: UserPast, now: float, request_id: str, *, tested: bool = True) -> Visit:
    """The visit: what is asked for, and the user's history with the items that the request brings itself.

    `tested`: whether experiments decide on the options; they never do on lists, which are the same for everybody.
    """
    history = merged(ask.recent, past.history) if ask.recent.items else past.history
    # The page is the user's, whatever the id that was asked for; the answer names only the latter.
    whose = ask if past.user_id in {"", ask.user_id} else msgspec.structs.replace(ask, user_id=past.user_id)
    if past.attributes is not None and (found := segments_of(past.attributes, ctx.segments)):
        whose = msgspec.structs.replace(whose, segments=found)
    arms = ctx.gatekeeper.experiments.arms(whose.user_id, now, past.attributes) if tested else None
    if arms:
        whose = treated(whose, arms)
    return Visit(whose, history, RequestMoment(now, ctx.showings, request_id, past.shown))


def held_for(ctx: Context, visit: Visit) -> AbstractContextManager[TableSet | None]:
    """The tables that answer a visit: the champion's, or the reference's when an experiment wants these."""
    return ctx.tables.hold_reference() if visit.ask.reference else ctx.tables.hold()


def merged(recent: History, stored: History) -> History:
    """One history, newest first, of the items that a request brings and those that are stored.

    Each of the two keeps its own order.

    >>> merged(History(["a"], [5.0], [0]), History(["b", "c"], [9.0, 1.0], [0, 3]))
    History(items=['b', 'a', 'c'], times=[9.0, 5.0, 1.0], kinds=[0, 0, 3])
    """
    if not stored.items:
        return recent
    events = heapq.merge(zip(*recent, strict=True), zip(*stored, strict=True), key=lambda event: -event[1])
    return History(*(list(column) for column in zip(*events, strict=True)))


def language_of(ctx: Context, ask: PageAsk, headers: Headers) -> str | None:
    """The language of the reasons that a request wants; None when it wants none. Raises Problem for an unknown one."""
    if ask.reasons == "none":
        return None
    return ctx.languages.chosen(ask.language, headers.get("accept-language", ""))


def encoded(
    ctx: Context, view: View, visit: Visit, page: Page, user_id: str | None, language: str | None, *, whole: bool
) -> bytes:
    """Count a page and encode it.

    Args:
        ctx: The parts of this process.
        view: What the page was made from.
        visit: The request.
        page: The page.
        user_id: The id that the request named, which may be joined with the user's.
        language: The language of its reasons, None for none.
        whole: Whether the user's history could be read.
    """
    ask = visit.ask
    lacking = [*([] if whole else ["history_unavailable"]), *degraded(ctx, view.tables)]
    for reason in lacking:
        ctx.telemetry.degraded[reason].inc()
    ctx.telemetry.served_by[page.served_by if page.served_by in SERVED_BY else "source"].inc()
    ctx.lately.add([shown.item_id for shown in page.shown], time.monotonic())
    request_id, now = visit.moment.request_id, ctx.clock()
    why = reasons(view, visit, page, ctx.languages[language]) if language is not None else ()
    told = Envelope(request_id, now, lacking, user_id, ask.explore > 0, ask.explain, ask.attributes, why, ask.arms)
    return encode(view, page, told)


__all__ = [
    "encoded",
    "held_for",
    "language_of",
    "merged",
    "past_of",
    "rotates",
    "take_impressions",
    "uses_attributes",
    "visit_of",
]
