"""Answers requests for slates: recommendations, popular items, items that go with an item."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated, Final

from fastapi import APIRouter, Request
from msgspec import Meta
from starlette.responses import Response

from models.slate import Audience, Seen
from service.http import (
    MAX_FILTER,
    MAX_ID,
    Ask,
    Count,
    Id,
    PageAsk,
    Price,
    Problem,
    Share,
    Slate,
    ask_from_body,
    ask_from_query,
    identifier,
    invalid,
    operation,
)
from service.ingest import beacons
from service.routes.common import JSON, admit, context
from service.routes.events import check_beacon, writer
from service.routes.visits import encoded, held_for, language_of, past_of, rotates, take_impressions, visit_of
from service.serving import Page, View, Visit
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
PARAMETERS: Final = {
    "scenario": (Id, "Name of a set of options in the service's settings; what the request says comes first."),
    **FILTERS,
    "exclude_seen": (Seen, "Leave out items that the user bought, or all items in the history."),
    "exclude_in_view": (bool, "Leave out the item that the user looks at: the newest of the last half hour."),
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
    "reasons": (Audience, "Give each item a sentence that says why it is there, in the words of one or the other."),
    "language": (str, "Language of reasons; by default what Accept-Language asks for, or English."),
}
LISTED: Final = {
    "user_id": (Id, "The user whose history counts for what is left out; the lists are the same for everybody."),
    **{name: text for name, text in PARAMETERS.items() if name not in {"candidates", "query"}},
}
"""Of lists, which no history orders."""


@router.get("/recommend/{user_id}", **operation("recommend", parameters=PARAMETERS, answer=Slate))
async def recommend_user(request: Request) -> Response:
    """A slate for a user, best item first. An unknown user gets a slate that is good for anybody."""
    admit(request, "read")
    ctx = context(request)
    now = ctx.clock()
    user_id = identifier(request.scope, "user_id")
    return await _recommend(
        request, ask_from_query(request.scope["query_string"], now, ctx.options, user_id=user_id), now
    )


@router.get(
    "/recommend",
    **operation(
        "recommend_by_query", parameters={"user_id": (Id, "The user to recommend for."), **PARAMETERS}, answer=Slate
    ),
)
async def recommend_query(request: Request) -> Response:
    """The same, with the user as a parameter, for ids that do not fit into a path."""
    admit(request, "read")
    ctx = context(request)
    now = ctx.clock()
    return await _recommend(request, ask_from_query(request.scope["query_string"], now, ctx.options), now)


@router.post(
    "/recommend",
    **operation("recommend_by_body", body=Ask, answer=Slate, problems=("too-many-requests",), public=True),
)
async def recommend_body(request: Request) -> Response:
    """The same, as a body; also for visitors without an account, with `recent_items`, newest first.

    A page may ask for its visitor with a public key, where `service.beacon_recommend` says so.
    """
    ctx, caller = context(request), writer(request, "read")
    public = caller.role == beacons.ROLE
    if public:
        check_beacon(request, ctx, caller)
    raw, now = await request.body(), ctx.clock()
    if public:
        ctx.beacons.check_size(len(raw))
    ask = ask_from_body(raw, now, ctx.options)
    if public:
        ctx.beacons.check_recommend(ask, ask_from_body(raw, now, ctx.options.apart))
    return await _recommend(request, ask, now)


@router.get("/popular", **operation("popular_items", parameters=LISTED, answer=Slate))
async def popular(request: Request) -> Response:
    """Items that are popular now, by the number of people."""
    admit(request, "read")
    return await _listed(request, pages.popular)


@router.get("/trending", **operation("trending_items", parameters=LISTED, answer=Slate))
async def trending(request: Request) -> Response:
    """Items with which more is done now than before, each compared with its own past; then popular ones."""
    admit(request, "read")
    return await _listed(request, pages.trending)


@router.get(
    "/items/{item_id}/similar",
    **operation("similar_items", parameters=LISTED, answer=Slate, problems=("not-found",)),
)
async def similar(request: Request) -> Response:
    """Items that go with an item. 404 when neither the catalogue nor the model knows it."""
    admit(request, "read")
    item_id = identifier(request.scope, "item_id")
    return await _listed(request, lambda view, visit: pages.similar(view, visit, item_id), item_id)


@router.get(
    "/items/{item_id}/bought-together",
    **operation("bought_together", parameters=LISTED, answer=Slate, problems=("not-found",)),
)
async def bought_together(request: Request) -> Response:
    """Items that were bought in the same orders as an item, and no others. 404 as for similar items."""
    admit(request, "read")
    item_id = identifier(request.scope, "item_id")
    return await _listed(request, lambda view, visit: pages.bought_together(view, visit, item_id), item_id)


async def _listed(request: Request, make: Callable[[View, Visit], Page], item_id: str | None = None) -> Response:
    """Answer with a list. `item_id`: an item that it belongs to, which must be known."""
    ctx = context(request)
    now = ctx.clock()
    ask = ask_from_query(request.scope["query_string"], now, ctx.options)
    for name in ("candidates", "query"):
        if getattr(ask, name):
            raise invalid(f"query.{name}", "nothing: this list is not ranked for a request", "a value")
    return await _page(request, ask, now, make, item_id)


def _known(view: View, item_id: str) -> bool:
    if view.catalogue.get(item_id) is not None:
        return True
    return view.tables is not None and item_id in view.tables.state.keys["item"].rows


async def _recommend(request: Request, ask: PageAsk, now: float) -> Response:
    return await _page(request, ask, now, pages.recommend)


async def _page(
    request: Request, ask: PageAsk, now: float, make: Callable[[View, Visit], Page], item_id: str | None = None
) -> Response:
    ctx, started = context(request), time.monotonic()
    language = language_of(ctx, ask, request.headers)
    with_shown = rotates(ctx, ask, now)
    if with_shown:
        take_impressions(ctx)
    past = await past_of(ctx, ask, now, with_shown=with_shown)
    visit = visit_of(ctx, ask, past, now, request.scope["request_id"], tested=make is pages.recommend)
    # From here to the answer nothing waits, so the tables are held for as long as one ranking takes.
    with held_for(ctx, visit) as tables:
        view = View(tables, ctx.catalogue)
        if item_id is not None and not _known(view, item_id):
            raise Problem(
                "not-found", f"No item {item_id!r} is known.", "Send its first event, or PUT its facts to /items/ID."
            )
        page = make(view, visit)
        if make is pages.recommend:
            ctx.slates.add(view, visit, page)
        body = encoded(ctx, view, visit, page, ask.user_id, language, whole=past.read)
    ctx.telemetry.answered_scenario(ask.scenario, time.monotonic() - started, short=len(page.shown) < ask.count)
    return Response(body, headers={"Content-Language": language} if language else None, media_type=JSON)
