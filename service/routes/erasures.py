"""Orders the erasure of users in topic `control`, and shows the receipts that say what was removed."""

from __future__ import annotations

import re
import secrets
from typing import Final, Literal

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from models.records import Erase
from service.context import Context
from service.http import ErasureAccepted, ErasureReceipt, Id, Problem, identifier, operation
from service.routes.common import admit, answer, context, readable, send_order, store_away
from service.runtime import logs
from streaming.live import erasures
from streaming.store import StoreUnavailable

router = APIRouter(tags=["users"])

RECEIPT: Final = re.compile(r"[0-9a-f]{24}")
COUNTS: Final = ("history", "shown", "attributes", "user_row", "interactions", "dedupe_entries")
"""Counts of a receipt."""

NOT_ERASED: Final = (
    "topic events holds the user's events until its retention ends; a reader that meets them again skips them",
    "topic slates holds slates that the user was shown, for its retention of a week",
    "events.deadletter may hold events that could not be read",
    "topic control holds this order, and orders with attributes, as long as models may be learned from its beginning",
    "the user's share in the numbers of items stays until a model is learned from scratch",
)
"""Data that an erasure does not remove; each receipt says so. docs/operations.md says what an operator can do."""


@router.delete(
    "/users/{user_id}",
    **operation("delete_user", answer=ErasureAccepted, status=202, needs="admin", problems=("unavailable",)),
)
async def delete_user(request: Request) -> Response:
    """Erase a user everywhere, for good. The answer names the receipt that says when that is done."""
    return await _erase(request, identifier(request.scope, "user_id"))


@router.delete(
    "/users",
    **operation(
        "delete_user_by_query",
        parameters={"user_id": (Id, "The user to erase.")},
        answer=ErasureAccepted,
        status=202,
        needs="admin",
        problems=("unavailable",),
    ),
)
async def delete_user_named(request: Request) -> Response:
    """The same, for ids that do not fit into a path."""
    return await _erase(request, request.query_params.get("user_id", ""))


@router.get(
    "/erasures/{erasure_id}",
    **operation("get_erasure", answer=ErasureReceipt, needs="admin", problems=("not-found", "unavailable")),
)
async def get_erasure(request: Request) -> Response:
    """What an erasure removed, and whether a version that may still hold the user is kept."""
    admit(request, "admin")
    receipt = identifier(request.scope, "erasure_id")
    found: ErasureReceipt | None = None
    if RECEIPT.fullmatch(receipt):
        found = await run_in_threadpool(_receipt, context(request), receipt)
    if found is None:
        raise Problem(
            "not-found",
            f"No erasure {receipt[:40]!r} is known.",
            "Check the id; one that was ordered while Redis was away is known once the learner has carried it out.",
        )
    return answer(found)


async def _erase(request: Request, user_id: str) -> Response:
    caller, ctx = admit(request, "admin"), context(request)
    order = readable(Erase(secrets.token_hex(12), user_id, caller.name), {"$.user": "user_id"})
    await ctx.histories.note_order(user_id)
    await run_in_threadpool(send_order, ctx, order)
    ctx.erasures.forget([user_id])
    await run_in_threadpool(_note, ctx, order.id)
    logs.say("erasure ordered", erasure=order.id, actor=caller.name)
    return answer(ErasureAccepted(order.id, f"{request.scope['prefix']}/erasures/{order.id}"), 202)


def _note(ctx: Context, receipt: str) -> None:
    try:
        erasures.asked_for(ctx.store, receipt, ctx.clock())
    except StoreUnavailable as error:
        # The order is in Kafka, and that is enough: the receipt begins when the learner carries it out.
        logs.warn("receipt not written", erasure=receipt, detail=str(error))


def _receipt(ctx: Context, receipt: str) -> ErasureReceipt | None:
    try:
        fields = erasures.read(ctx.store, receipt)
        holding = erasures.holding(ctx.store, int(fields["seq"])) if "seq" in fields else None
    except StoreUnavailable as error:
        raise store_away(error) from None
    return described(receipt, fields, holding) if fields else None


def described(receipt: str, fields: dict[str, str], holding: tuple[int, list[str]] | None) -> ErasureReceipt:
    """The answer for a receipt.

    Args:
        receipt: Its id.
        fields: Its fields in Redis.
        holding: The number of older versions that are kept, and what keeps them; None before the erasure.

    >>> described("5f", {"requested_at": "7.0"}, None).status
    'accepted'
    >>> described("5f", {"seq": "9", "erased_at": "8.5", "history": "3"}, (2, ["reference"])).status
    'erased'
    >>> described("5f", {"seq": "9", "erased_at": "8.5", "history": "3"}, (0, [])).status
    'complete'
    """
    kept, names = holding if holding is not None else (None, [])
    status: Literal["accepted", "erased", "complete"] = "accepted" if kept is None else "erased" if kept else "complete"
    return ErasureReceipt(
        erasure_id=receipt,
        status=status,
        requested_at=_moment(fields, "requested_at"),
        erased_at=_moment(fields, "erased_at"),
        removed={name: int(fields[name]) for name in COUNTS if name in fields},
        version=fields.get("version"),
        versions_that_may_hold_the_user=kept,
        held_by=names,
        not_erased=NOT_ERASED,
    )


def _moment(fields: dict[str, str], name: str) -> float | None:
    return float(fields[name]) if name in fields else None


__all__ = ["described", "router"]
