"""In: a user to forget. Out: an order in topic `control`, and later a receipt that says what was removed."""

from __future__ import annotations

import re
import secrets
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from models.records import Erase, Rejection, decode_control, encode_control
from service.context import Context
from service.http import Problem, invalid, operation
from service.ingest import KafkaUnavailable, Outgoing
from service.routes.common import admit, answer, away, context, refused, store_away
from service.runtime import logs
from streaming.kafka import RecordRefused
from streaming.live import erasures as erasing
from streaming.store import StoreUnavailable

router = APIRouter(tags=["users"])

RECEIPT: Final = re.compile(r"[0-9a-f]{24}")
COUNTS: Final = ("history", "shown", "user_row", "interactions", "dedupe_entries")
"""What a receipt counts."""

NOT_ERASED: Final = (
    "topic events holds what the user did until its retention ends; what is read of it anew is passed over",
    "topic slates holds pages that were shown to the user for its retention of a week",
    "events.deadletter may hold events that could not be read",
    "topic control holds this order, and with it the user id, for as long as models may begin at the topic's beginning",
    "what the numbers of items owe to the user stays until a model is learnt anew",
)
"""Said in each receipt, because nothing here can change it; docs/operations.md says what an operator can do."""


@router.delete("/users/{user_id}", **operation(status=202, needs="admin", problems=("invalid", "unavailable")))
async def delete_user(request: Request) -> Response:
    """Forget a user, everywhere and for good. The answer names the receipt that says when that is done."""
    return await _erase(request, request.path_params["user_id"])


@router.delete(
    "/users",
    **operation(
        parameters={"user_id": (str, "Whom to forget.")},
        status=202,
        needs="admin",
        problems=("invalid", "unavailable"),
    ),
)
async def delete_user_named(request: Request) -> Response:
    """The same for ids that do not fit into a path."""
    return await _erase(request, request.query_params.get("user_id", ""))


@router.get("/erasures/{erasure_id}", **operation(needs="admin", problems=("not-found", "unavailable")))
async def get_erasure(request: Request) -> Response:
    """What an erasure removed, and whether a version is kept that may still hold the user."""
    admit(request, "admin")
    receipt = request.path_params["erasure_id"]
    found: dict[str, Any] = {}
    if RECEIPT.fullmatch(receipt):
        found = await run_in_threadpool(_receipt, context(request), receipt)
    if not found:
        raise Problem(
            "not-found",
            f"No erasure {receipt[:40]!r} is known.",
            "Check the id; one that was asked for while Redis was away is known once the learner has carried it out.",
        )
    return answer(found)


async def _erase(request: Request, user_id: str) -> Response:
    caller, ctx = admit(request, "admin"), context(request)
    order = Erase(secrets.token_hex(12), user_id, caller.name)
    value = encode_control(order)
    problem = decode_control(value)
    if isinstance(problem, Rejection):
        raise invalid("user_id", problem.expected, problem.found, reason=problem.reason)
    try:
        await run_in_threadpool(ctx.intake.send, "control", [Outgoing("", value)])
    except KafkaUnavailable as error:
        raise away(str(error)) from None
    except RecordRefused as error:
        raise refused(error, None) from None
    ctx.forgetting.forget([user_id])
    await run_in_threadpool(_note, ctx, order.id)
    logs.say("erasure asked for", erasure=order.id, actor=caller.name)
    return answer({"erasure_id": order.id, "status": "accepted", "receipt": f"/erasures/{order.id}"}, 202)


def _note(ctx: Context, receipt: str) -> None:
    try:
        erasing.asked_for(ctx.store, receipt, ctx.clock())
    except StoreUnavailable as error:
        # The order is in Kafka, which is what counts: the receipt begins when the learner carries it out.
        logs.warn("receipt not begun", erasure=receipt, detail=str(error))


def _receipt(ctx: Context, receipt: str) -> dict[str, Any]:
    try:
        told = erasing.read(ctx.store, receipt)
        holding = erasing.holding(ctx.store, int(told["seq"])) if "seq" in told else None
    except StoreUnavailable as error:
        raise store_away(error) from None
    if not told:
        return {}
    return described(receipt, told, holding)


def described(receipt: str, told: dict[str, str], holding: tuple[int, list[str]] | None) -> dict[str, Any]:
    """The receipt as it is answered. `holding`: versions from before that are kept, and what names one of them.

    >>> described("5f", {"requested_at": "7.0"}, None)["status"]
    'accepted'
    >>> described("5f", {"seq": "9", "erased_at": "8.5", "history": "3"}, (2, ["reference"]))["status"]
    'erased'
    >>> described("5f", {"seq": "9", "erased_at": "8.5", "history": "3"}, (0, []))["status"]
    'complete'
    """
    kept, names = holding if holding is not None else (None, [])
    status = "accepted" if kept is None else "erased" if kept else "complete"
    return {
        "erasure_id": receipt,
        "status": status,
        "requested_at": _moment(told, "requested_at"),
        "erased_at": _moment(told, "erased_at"),
        "removed": {name: int(told[name]) for name in COUNTS if name in told},
        "version": told.get("version"),
        "versions_that_may_hold_the_user": kept,
        "held_by": names,
        "not_erased": NOT_ERASED,
    }


def _moment(told: dict[str, str], field: str) -> float | None:
    return float(told[field]) if field in told else None


__all__ = ["described", "router"]
