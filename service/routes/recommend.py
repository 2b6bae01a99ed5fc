"""In: a user, or what an anonymous one just looked at. Out: a slate."""

from __future__ import annotations

import heapq
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from models.slate import Seen, Showing
from service.context import Context
from service.http import Ask, Count, Price, Problem, Share, Slate, Tags, body, operation, query, recent, sensible
from service.routes.common import JSON, admit, context, degraded
from service.runtime import SERVED_BY
from service.serving import NOBODY, PLAIN, Form, History, Page, RequestMoment, TableSet
from service.serving import answer as answering
from service.serving import page as recommending

router = APIRouter(tags=["recommend"])

FILTERS: Final = {
    "n": (Count, "Items wanted; 10 when not given, with `candidates` all of them."),
    "category": (str, "Only items of this category."),
    "tags_all": (Tags, "Only items that have all of these tags; repeated, or separated by commas."),
    "tags_any": (Tags, "Only items that have one of these tags."),
    "price_min": (Price, "Only items that cost at least this."),
    "price_max": (Price, "Only items that cost at most this."),
    "exclude": (list[str], "Item ids to leave out; repeated, or separated by commas."),
}
PARAMETERS: Final = {
    **FILTERS,
    "exclude_seen": (Seen, "Leave out what the user bought, or all the user did something with."),
    "recent_items": (list[str], "What the visitor just looked at, newest first; the body also takes types and times."),
    "candidates": (list[str], "Rank these items, at most 400, and show nothing else."),
    "query": (str, "What was typed into the search box."),
    "context": (list[str], "KEY:VALUE, repeated: what is known of the moment."),
    "diversity": (Share, "0: the best by score; towards 1: the less alike the items of the page."),
    "pinned": (list[str], "PLACE:ITEM, repeated: items that stand at these places."),
    "boosted": (list[str], "Items that get `boost_share` of the page, if so many of them match."),
    "boost_share": (Share, "Share of the page for `boosted` items; 0.2 when not given."),
    "rotate": (Share, "How far items go down that this user was shown lately and left alone."),
    "explore": (Share, "How much chance takes part in the order; each item then tells its propensity."),
    "explain": (bool, "Each item with contributions that add up to its score."),
}


@router.get("/recommend/{user_id}", **operation(parameters=PARAMETERS, answer=Slate, problems=("invalid",)))
async def recommend_user(request: Request) -> Response:
    """Items for a user, best first. An unknown user gets what is good for anybody."""
    admit(request, "read")
    return await _recommend(request, query(request.scope["query_string"], Ask, **request.path_params), "query")


@router.get(
    "/recommend",
    **operation(parameters={"user_id": (str, "Whom for."), **PARAMETERS}, answer=Slate, problems=("invalid",)),
)
async def recommend_query(request: Request) -> Response:
    """The same with the user as a parameter, for ids that do not fit into a path."""
    admit(request, "read")
    return await _recommend(request, query(request.scope["query_string"], Ask), "query")


@router.post("/recommend", **operation(body=Ask, answer=Slate, problems=("invalid", "too-large")))
async def recommend_body(request: Request) -> Response:
    """The same as a body, and for visitors without an account: `recent_items`, newest first."""
    admit(request, "read")
    return await _recommend(request, body(await request.body(), Ask), "$")


@router.get("/popular", **operation(parameters=FILTERS, answer=Slate, problems=("invalid",)))
async def popular(request: Request) -> Response:
    """What is popular now, for everybody."""
    admit(request, "read")
    ctx, ask = context(request), sensible(query(request.scope["query_string"], Ask), "query")
    with ctx.tables.hold() as held:
        page = recommending.popular(held, ctx.catalogue, ask)
        return _answer(request, ctx, held, None, page, degraded(ctx, held))


@router.get(
    "/items/{item_id}/similar",
    **operation(parameters={"n": FILTERS["n"]}, answer=Slate, problems=("invalid", "not-found")),
)
async def similar(request: Request) -> Response:
    """What goes with an item. 404 when neither the catalogue nor the model knows it."""
    admit(request, "read")
    ctx, ask = context(request), query(request.scope["query_string"], Ask)
    item_id = request.path_params["item_id"]
    with ctx.tables.hold() as held:
        known = ctx.catalogue.get(item_id) is not None or (held is not None and item_id in held.state.keys["item"].rows)
        if not known:
            raise Problem(
                "not-found", f"No item {item_id!r} is known.", "Send its first event, or PUT its facts to /items/ID."
            )
        page = recommending.similar(held, ctx.catalogue, item_id, ask.count)
        return _answer(request, ctx, held, None, page, degraded(ctx, held))


async def _recommend(request: Request, ask: Ask, place: str) -> Response:
    """`place` is what the request is called where one of its fields is wrong."""
    ctx = context(request)
    sensible(ask, place)
    now = ctx.clock()
    if ask.rotate:
        _remember_impressions(ctx)
    history, stored, lacking = await _history(ctx, ask, now)
    moment = RequestMoment(now, ctx.showings, request.scope["request_id"], stored)
    # From here to the answer nothing waits, so the tables are held for as long as one ranking takes.
    with ctx.tables.hold() as held:
        page = recommending.recommend(held, ctx.catalogue, ask, history, moment, place)
        ctx.slates.shown(request.scope["request_id"], ask, held, page, now)
        form = Form(ask.explore > 0, ask.explain) if ask.explore or ask.explain else PLAIN
        return _answer(request, ctx, held, ask.user_id, page, [*lacking, *degraded(ctx, held)], form)


def _remember_impressions(ctx: Context) -> None:
    """Taken over here, on the event loop, because what remembers showings is not for several threads."""
    while ctx.intake.impressions:
        user, seen = ctx.intake.impressions.popleft()
        if user in ctx.showings:
            ctx.showings.add(user, seen)


async def _history(ctx: Context, ask: Ask, now: float) -> tuple[History, list[Showing], list[str]]:
    stored, shown, read = NOBODY, list[Showing](), True
    if ask.user_id is not None and ask.rotate:
        stored, shown, read = await ctx.histories.with_shown(ask.user_id)
    elif ask.user_id is not None:
        stored, read = await ctx.histories.get(ask.user_id)
    lacking = [] if read else ["history_unavailable"]
    if not ask.recent_items:
        return stored, shown, lacking
    return merged(History(*recent(ask.recent_items, now)), stored), shown, lacking


def merged(page: History, stored: History) -> History:
    """What a page knows and what is stored, as one history, newest first; each keeps its own order.

    >>> merged(History(["a"], [5.0], [0]), History(["b", "c"], [9.0, 1.0], [0, 3]))
    History(items=['b', 'a', 'c'], times=[9.0, 5.0, 1.0], kinds=[0, 0, 3])
    """
    if not stored.items:
        return page
    events = heapq.merge(zip(*page, strict=True), zip(*stored, strict=True), key=lambda event: -event[1])
    return History(*(list(column) for column in zip(*events, strict=True)))


def _answer(
    request: Request,
    ctx: Context,
    held: TableSet | None,
    user: str | None,
    page: Page,
    reasons: list[str],
    form: Form = PLAIN,
) -> Response:
    telemetry = ctx.telemetry
    for reason in reasons:
        telemetry.degraded[reason].inc()
    telemetry.served_by[page.served_by if page.served_by in SERVED_BY else "source"].inc()
    raw = answering.encode(request.scope["request_id"], user, held, ctx.catalogue, page, reasons, ctx.clock(), form)
    return Response(raw, media_type=JSON)
