"""Answers requests for slates: recommendations, popular items, items that go with an item."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Request
from msgspec import Meta
from starlette.responses import Response

from models.slate import Seen
from service.context import Context
from service.http import (
    MAX_FILTER,
    MAX_ID,
    Ask,
    Count,
    History,
    Id,
    PageAsk,
    Price,
    Problem,
    Share,
    Slate,
    ask_from_body,
    ask_from_query,
    decode_query,
    filters_from_query,
    identifier,
    operation,
)
from service.routes.common import JSON, admit, context, degraded
from service.runtime.telemetry import SERVED_BY
from service.serving import Envelope, Page, RequestMoment, UserPast, View, Visit, encode, treated
from service.serving import page as pages

router = APIRouter(tags=["recommend"])

Words = list[Annotated[str, Meta(max_length=MAX_ID)]]
"""A list in a query; empty words are passed over."""

FILTERS: Final = {
    "n": (Count, "Number of items; by default 10, with `candidates` all of them."),
    "category": (str, "Only items of this category."),
    "tags_all": (Words, "Only items that have all of these tags; repeated, or separated by commas."),
    "tags_any": (Words, "Only items that have one of these tags."),
    "price_min": (Price, "Only items that cost at least this."),
    "price_max": (Price, "Only items that cost at most this."),
    "filter": (
        list[Annotated[str, Meta(max_length=MAX_FILTER)]],
        "attributes.NAME:VALUE, repeated: only items that meet all of these; numbers also as in attributes.stock>=1.",
    ),
    "attributes": (Words, "Attributes that items are shown with, separated by commas; * for all."),
    "exclude": (Words, "Item ids to leave out; repeated, or separated by commas."),
}
SIMILAR: Final = {name: FILTERS[name] for name in ("n", "attributes")}
PARAMETERS: Final = {
    **FILTERS,
    "exclude_seen": (Seen, "Leave out items that the user bought, or all items in the history."),
    "recent_items": (list[str], "Items the visitor just looked at, newest first; the body also takes types and times."),
    "candidates": (Words, "Rank these items, at most 400, and show nothing else."),
    "query": (str, "The text of the search box."),
    "context": (list[str], "KEY:VALUE, repeated: what is known about the situation."),
    "diversity": (Share, "0: the best items by score; towards 1: items less alike."),
    "pinned": (list[str], "PLACE:ITEM, repeated: items that must stand at these places."),
    "boosted": (Words, "Items that get `boost_share` of the page, if enough of them match."),
    "boost_share": (Share, "Share of the page for `boosted` items; 0.2 by default."),
    "rotate": (Share, "How far down items go that this user was shown recently and ignored."),
    "explore": (Share, "How much chance affects the order; each item then has its propensity."),
    "explain": (bool, "Give each item the contributions that add up to its score."),
}


@router.get("/recommend/{user_id}", **operation("recommend", parameters=PARAMETERS, answer=Slate))
async def recommend_user(request: Request) -> Response:
    """A slate for a user, best item first. An unknown user gets a slate that is good for anybody."""
    admit(request, "read")
    now = context(request).clock()
    user_id = identifier(request.scope, "user_id")
    return await _recommend(request, ask_from_query(request.scope["query_string"], now, user_id=user_id), now)


@router.get(
    "/recommend",
    **operation(
        "recommend_by_query", parameters={"user_id": (Id, "The user to recommend for."), **PARAMETERS}, answer=Slate
    ),
)
async def recommend_query(request: Request) -> Response:
    """The same, with the user as a parameter, for ids that do not fit into a path."""
    admit(request, "read")
    now = context(request).clock()
    return await _recommend(request, ask_from_query(request.scope["query_string"], now), now)


@router.post("/recommend", **operation("recommend_by_body", body=Ask, answer=Slate))
async def recommend_body(request: Request) -> Response:
    """The same, as a body; also for visitors without an account, with `recent_items`, newest first."""
    admit(request, "read")
    raw, now = await request.body(), context(request).clock()
    return await _recommend(request, ask_from_body(raw, now), now)


@router.get("/popular", **operation("popular_items", parameters=FILTERS, answer=Slate))
async def popular(request: Request) -> Response:
    """Items that are popular now, the same for everybody."""
    admit(request, "read")
    ctx, ask = context(request), filters_from_query(request.scope["query_string"])
    with ctx.tables.hold() as tables:
        view = View(tables, ctx.catalogue)
        page = pages.popular(view, ask.wanted, ask.count, ask.exclude)
        return _answer(request, view, page, attributes=ask.attributes)


@router.get(
    "/items/{item_id}/similar",
    **operation(
        "similar_items",
        parameters=SIMILAR,
        answer=Slate,
        problems=("not-found",),
    ),
)
async def similar(request: Request) -> Response:
    """Items that go with an item. 404 when neither the catalogue nor the model knows it."""
    admit(request, "read")
    ctx, ask = context(request), decode_query(request.scope["query_string"], Ask)
    item_id = identifier(request.scope, "item_id")
    with ctx.tables.hold() as tables:
        view = View(tables, ctx.catalogue)
        if not _known(view, item_id):
            raise Problem(
                "not-found", f"No item {item_id!r} is known.", "Send its first event, or PUT its facts to /items/ID."
            )
        return _answer(request, view, pages.similar(view, item_id, ask.count), attributes=ask.attributes)


def _known(view: View, item_id: str) -> bool:
    if view.catalogue.get(item_id) is not None:
        return True
    return view.tables is not None and item_id in view.tables.state.keys["item"].rows


async def _recommend(request: Request, ask: PageAsk, now: float) -> Response:
    ctx = context(request)
    rotates = ask.rotate > 0 or ctx.gatekeeper.experiments.rotates(now)
    if rotates:
        _take_impressions(ctx)
    past = await _past(ctx, ask, with_shown=rotates)
    history = merged(ask.recent, past.history) if ask.recent.items else past.history
    # The page is the user's, whatever the id that was asked for; the answer names only the latter.
    whose = ask if past.user_id in {"", ask.user_id} else msgspec.structs.replace(ask, user_id=past.user_id)
    arms = ctx.gatekeeper.experiments.arms(whose.user_id, now)
    if arms:
        whose = treated(whose, arms)
    visit = Visit(whose, history, RequestMoment(now, ctx.showings, request.scope["request_id"], past.shown))
    # From here to the answer nothing waits, so the tables are held for as long as one ranking takes.
    with ctx.tables.hold_reference() if whose.reference else ctx.tables.hold() as tables:
        view = View(tables, ctx.catalogue)
        page = pages.recommend(view, visit)
        ctx.slates.add(view, visit, page)
        lacking = [] if past.read else ["history_unavailable"]
        answered = msgspec.structs.replace(whose, user_id=ask.user_id) if arms else ask
        return _answer(request, view, page, answered, lacking, ask.attributes)


def _take_impressions(ctx: Context) -> None:
    """Move accepted impressions into the showings. This runs on the event loop, because showings are for one thread."""
    for impressions in ctx.intake.all_impressions:
        while impressions:
            user, seen = impressions.popleft()
            if user in ctx.showings:
                ctx.showings.add(user, seen)


async def _past(ctx: Context, ask: PageAsk, *, with_shown: bool) -> UserPast:
    """What is known of the user to recommend for; nothing of a visitor without an id."""
    if ask.user_id is None:
        return UserPast("")
    return await ctx.histories.past(ask.user_id, with_shown=with_shown)


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


def _answer(
    request: Request,
    view: View,
    page: Page,
    ask: PageAsk | None = None,
    lacking: Sequence[str] = (),
    attributes: Sequence[str] = (),
) -> Response:
    """Count a page and encode it. `ask`: None for a page that is the same for everybody."""
    ctx = context(request)
    reasons = [*lacking, *degraded(ctx, view.tables)]
    for reason in reasons:
        ctx.telemetry.degraded[reason].inc()
    ctx.telemetry.served_by[page.served_by if page.served_by in SERVED_BY else "source"].inc()
    request_id, now = request.scope["request_id"], ctx.clock()
    if ask is None:
        envelope = Envelope(request_id, now, reasons, attributes=attributes)
    else:
        explores = ask.explore > 0
        envelope = Envelope(request_id, now, reasons, ask.user_id, explores, ask.explain, attributes, ask.arms)
    return Response(encode(view, page, envelope), media_type=JSON)
