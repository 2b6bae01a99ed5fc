"""Reads the catalogue, and writes facts of items to topic `items`."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Final

from fastapi import APIRouter, Request
from msgspec import UNSET, Meta, structs
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from models.records import ItemFacts, Rejection, Removed, decode_item
from service.context import Context
from service.http import (
    MAX_ID,
    CatalogueItem,
    CataloguePage,
    ItemAccepted,
    ItemAnswer,
    ItemsAnswer,
    Problem,
    SentItem,
    identifier,
    invalid,
    operation,
    whole_number,
)
from service.ingest import KafkaUnavailable, Outgoing, send_items, split
from service.routes.common import admit, answer, away, check_rate, context, none_valid, refused, too_many, writing
from streaming.kafka import RecordRefused

router = APIRouter(tags=["items"])


PAGE_LIMIT: Final = 200
"""Most items of one page."""
NAMED: Final = 500
"""Most categories of one answer."""
SEARCHING: Final = 0.25
"""Seconds of one search: a quarter of a million items are looked through in them."""
MOST_NAMES: Final = 200
"""Most attributes that the answer to many items counts, the commonest ones."""


@router.get(
    "/items",
    **operation(
        "list_items",
        parameters={
            "category": (str, "Only items of this category."),
            "limit": (Annotated[int, Meta(ge=1, le=PAGE_LIMIT)], "Items wanted; 24 when not given."),
            "after": (str, "The `next` of the page before."),
            "q": (
                Annotated[str, Meta(max_length=MAX_ID)],
                "Only items whose title or id has each of these words, or parts of words; the closest first.",
            ),
        },
        answer=CataloguePage,
        problems=("too-many-requests",),
    ),
)
async def list_items(request: Request) -> Response:
    """The catalogue, page by page, in the order in which this service learned of the items; hidden items are left out.

    The first page names the categories, 500 of them at most. With `q` it is searched, for as long as a person waits.
    """
    admit(request, "read")
    catalogue, asked = context(request).catalogue, request.query_params
    limit = whole_number(asked.get("limit", "24"), "query.limit", 1, PAGE_LIMIT)
    after = asked.get("after") or None
    query = asked.get("q", "").strip()
    if len(query) > MAX_ID:
        raise invalid("query.q", f"at most {MAX_ID} characters", f"{len(query)} characters")
    if query:
        return await _search(context(request), query, asked.get("category") or None, limit, after)
    try:
        found = catalogue.page(asked.get("category") or None, after, limit)
    except KeyError:
        raise invalid("query.after", "the `next` of the page before", repr(after)[:40]) from None
    items = _items(context(request), found)
    categories = sorted(catalogue.categories()[:NAMED]) if after is None else UNSET
    return answer(CataloguePage(items, found[-1] if len(found) == limit else None, categories))


async def _search(ctx: Context, query: str, category: str | None, limit: int, after: str | None) -> Response:
    if after is not None:
        raise invalid("query.after", "nothing: a search has one page", repr(after)[:40])
    if not ctx.searches.acquire(blocking=False):
        raise too_many(ctx.telemetry, "Too many searches of the catalogue are running at once.", 0.0)
    try:
        found, whole = await run_in_threadpool(ctx.catalogue.search, query, category, limit, SEARCHING)
    finally:
        ctx.searches.release()
    return answer(CataloguePage(_items(ctx, found), None, whole=whole))


def _items(ctx: Context, found: list[str]) -> list[CatalogueItem]:
    return [CatalogueItem(item, **_fields(ctx.catalogue.get(item) or ItemFacts())) for item in found]


@router.post(
    "/items",
    **operation(
        "send_items",
        lines=SentItem,
        answer=ItemsAnswer,
        status=202,
        needs="events",
        problems=("too-many-requests", "unavailable"),
    ),
)
async def post_items(request: Request) -> Response:
    """Send items: one, a list, or NDJSON. The facts of each replace all earlier ones, within a second of the answer.

    202 with the outcome of each when at least one is in the topic; 422 when all were rejected.
    """
    caller = admit(request, "events")
    ctx = context(request)
    raw = split(await request.body(), request.headers.get("content-type", ""), "an item")
    most = ctx.settings.service.max_events_per_request
    if len(raw) > most:
        raise Problem(
            "too-large",
            f"{len(raw)} items in one request; at most {most} are accepted.",
            "Send them in several requests, or a file with `sluicegate items`.",
        )
    check_rate(request, caller)
    with writing(ctx):
        try:
            outcomes, attributes = await run_in_threadpool(send_items, ctx.intake, raw)
        except KafkaUnavailable as error:
            ctx.telemetry.items_accepted["unavailable"].inc(len(raw))
            raise away(str(error)) from None
    ctx.refused.note("items", outcomes, ctx.clock())
    counts = {name: sum(entry.outcome == name for entry in outcomes) for name in ctx.telemetry.items_accepted}
    for name, number in counts.items():
        ctx.telemetry.items_accepted[name].inc(number)
    if not counts["accepted"] and not counts["unavailable"]:
        raise none_valid("items", outcomes, "docs/events.md says what an item is.")
    found = dict(attributes.most_common(MOST_NAMES))
    return answer(ItemsAnswer(request.scope["request_id"], **counts, attributes=found, outcomes=outcomes), 202)


@router.get("/items/{item_id}", **operation("get_item", answer=ItemAnswer, problems=("not-found",)))
async def get_item(request: Request) -> Response:
    """The facts of an item, and whether the model knows it."""
    admit(request, "read")
    ctx = context(request)
    item_id = identifier(request.scope, "item_id")
    facts = ctx.catalogue.get(item_id)
    with ctx.tables.hold() as tables:
        learned = tables is not None and item_id in tables.state.keys["item"].rows
    if facts is None and not learned:
        raise Problem(
            "not-found", f"No item {item_id!r} is known.", "Send its first event, or PUT its facts to this path."
        )
    # Facts that are not known are left out, as in the record.
    known = {name: value for name, value in _fields(facts or ItemFacts()).items() if value not in (None, (), {})}
    return answer(ItemAnswer(item_id, learned, **known | {"available": not ctx.catalogue.hidden(item_id)}))


def _fields(facts: ItemFacts) -> dict[str, Any]:
    return structs.asdict(facts) | {"attributes": facts.attribute_values()}


@router.put(
    "/items/{item_id}",
    **operation("put_item", body=ItemFacts, answer=ItemAccepted, status=202, needs="events", problems=("unavailable",)),
)
async def put_item(request: Request) -> Response:
    """Set the facts of an item. They replace all earlier ones, and are in force within a second of the answer."""
    admit(request, "events")
    item_id, raw = identifier(request.scope, "item_id"), await request.body()
    left_out: Counter[str] = Counter()
    decoded = decode_item(item_id.encode(), raw, left_out)
    if isinstance(decoded, Rejection):
        raise invalid(decoded.path, decoded.expected, decoded.found, reason=decoded.reason)
    return await _send(request, item_id, raw, tuple(left_out))


@router.delete(
    "/items/{item_id}",
    **operation("delete_item", answer=ItemAccepted, status=202, needs="events", problems=("unavailable",)),
)
async def delete_item(request: Request) -> Response:
    """Remove an item: it is gone from every answer within a second, with every version."""
    admit(request, "events")
    item_id = identifier(request.scope, "item_id")
    decoded = decode_item(item_id.encode(), None)
    if isinstance(decoded, Rejection):
        raise invalid(decoded.path, decoded.expected, decoded.found, reason=decoded.reason)
    assert isinstance(decoded, Removed)
    return await _send(request, item_id, None)


async def _send(request: Request, item_id: str, value: bytes | None, left_out: tuple[str, ...] = ()) -> Response:
    try:
        await run_in_threadpool(context(request).intake.send, "items", [Outgoing(item_id, value)])
    except KafkaUnavailable as error:
        raise away(str(error)) from None
    except RecordRefused as error:
        raise refused(error, value) from None
    return answer(ItemAccepted(request.scope["request_id"], item_id, left_out=left_out), 202)
