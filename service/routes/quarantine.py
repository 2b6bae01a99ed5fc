"""Orders quarantines, their replay and their drop, in topic `control`; each order is in the audit first.

The learner carries orders out between two batches, and its next version says what became of them.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any, Final, Literal

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from models import gate
from models.ledger import Quarantined
from models.records import Drop, Order, Quarantine, Replay, encode_control
from models.snapshot import Damaged
from service.context import Context
from service.http import (
    GateAsk,
    Problem,
    Proposal,
    QuarantineAsk,
    QuarantineOrdered,
    QuarantinesAnswer,
    QuarantineSettled,
    decode_body,
    identifier,
    invalid,
    operation,
)
from service.ingest import KafkaUnavailable, Outgoing
from service.routes.common import admit, answer, away, context, refused, store_away
from service.routes.gate import put_to_gate
from streaming.kafka import RecordRefused
from streaming.store import StoreUnavailable

router = APIRouter(tags=["gate"])

SETTLE: Final[dict[str, Any]] = {
    "body": GateAsk,
    "answer": QuarantineSettled,
    "status": 202,
    "needs": "admin",
    "problems": ("conflict", "not-found", "unavailable"),
}
"""What the descriptions of the two ends of a quarantine have in common."""

ORDERED: Final[dict[str, Literal["replay ordered", "drop ordered"]]] = {
    "replay": "replay ordered",
    "drop": "drop ordered",
}


@router.get("/gate/quarantine", **operation("list_quarantines", answer=QuarantinesAnswer, problems=("unavailable",)))
async def quarantines(request: Request) -> Response:
    """Stretches of the stream that are not learned, newest first, and whether the gate proposes one."""
    admit(request, "read")
    ctx = context(request)
    found, keeper = await run_in_threadpool(_listed, ctx), ctx.gatekeeper
    return answer(QuarantinesAnswer(found[::-1], proposed(keeper.state, keeper.evidence.reference, found)))


@router.post(
    "/gate/quarantine",
    **operation(
        "quarantine_events",
        body=QuarantineAsk,
        answer=QuarantineOrdered,
        status=202,
        needs="admin",
        problems=("conflict", "unavailable"),
    ),
)
async def hold(request: Request) -> Response:
    """Return to what a good version had learned, and hold the events since. The champion stays."""
    caller, ask = admit(request, "admin"), decode_body(await request.body(), QuarantineAsk)
    ctx = context(request)
    version = await run_in_threadpool(_way_back, ctx, ask.version)
    order = Quarantine(f"q-{secrets.token_hex(6)}", version, caller.name, ask.reason)
    note = f"{ask.reason} ({order.id}: back to {version})"
    await _give(request, order, gate.Request("quarantine", caller.name, note), ask.revision)
    return answer(QuarantineOrdered(order.id, version), 202)


@router.post("/gate/quarantine/{quarantine}/replay", **operation("replay_quarantine", **SETTLE))
async def replay(request: Request) -> Response:
    """Learn the events of a quarantine after all. New events wait meanwhile."""
    return await _settle(request, "replay")


@router.post("/gate/quarantine/{quarantine}/drop", **operation("drop_quarantine", **SETTLE))
async def drop(request: Request) -> Response:
    """Give up the events of a quarantine, for good."""
    return await _settle(request, "drop")


async def _settle(request: Request, what: Literal["replay", "drop"]) -> Response:
    caller, ask = admit(request, "admin"), decode_body(await request.body(), GateAsk)
    name = identifier(request.scope, "quarantine")
    _must_be_held(await run_in_threadpool(_listed, context(request)), name)
    kind = Replay if what == "replay" else Drop
    order = kind(f"{what}-{secrets.token_hex(6)}", name, caller.name, ask.reason)
    note = gate.Request("quarantine", caller.name, f"{ask.reason} ({name}: {what})")
    await _give(request, order, note, ask.revision)
    return answer(QuarantineSettled(name, ORDERED[what]), 202)


async def _give(request: Request, order: Order, note: gate.Request, revision: int) -> None:
    """Put an order into the audit, then into the topic: an order without a record must not be carried out."""
    ctx = context(request)
    await put_to_gate(ctx, note, revision)
    try:
        await run_in_threadpool(ctx.intake.send, "control", [Outgoing("", encode_control(order))])
    except KafkaUnavailable as error:
        raise away(str(error)) from None
    except RecordRefused as error:
        raise refused(error, None) from None


def _listed(ctx: Context) -> list[Quarantined]:
    """The quarantines in the newest version, oldest first."""
    try:
        head = ctx.store.head()
        return ctx.store.manifest(head.id).progress.quarantines if head is not None else []
    except StoreUnavailable as error:
        raise store_away(error) from None
    except Damaged:
        # Collected between two reads, or really damaged; then the gate says so.
        return []


def _must_be_held(found: Sequence[Quarantined], name: str) -> None:
    states = {each.id: each.state for each in found}
    if name not in states:
        raise Problem(
            "not-found",
            f"There is no quarantine {name[:80]!r}.",
            "GET /gate/quarantine lists them, a second after an order.",
        )
    if states[name] != "held":
        raise Problem("conflict", f"Quarantine {name} is {states[name]}, not held.", "There is nothing left to decide.")


def _way_back(ctx: Context, wanted: str | None) -> str:
    """The version to return to, by default the reference, if it is kept."""
    try:
        reference = ctx.store.pointers().get("reference")
        version = wanted or (reference.id if reference is not None else "")
        if not version:
            raise invalid("$.version", "id of a version to return to: there is no reference yet", "nothing")
        ctx.store.manifest(version)
    except StoreUnavailable as error:
        raise store_away(error) from None
    except Damaged as error:
        raise invalid("$.version", "id of a version that is kept", f"{version[:80]!r}: {error}") from None
    return version


def proposed(state: gate.GateState, reference: gate.Version | None, found: Sequence[Quarantined]) -> Proposal | None:
    """The proposal after a rollback for harm, until a quarantine is ordered: return to what the reference had learned.

    It would hold all events since then, good ones as well, so it is only proposed.
    """
    done = any(each.at >= state.rolled_back_at for each in found if each.state != "refused")
    if not state.recovering or reference is None or done:
        return None
    return Proposal(reference.id, state.rolled_back_at)


__all__ = ["proposed", "router"]
