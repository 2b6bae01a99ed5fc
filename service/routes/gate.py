"""In: an operator's wish. Out: the gate's state, its decisions, a change refused when somebody was faster."""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec
from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from models import gate
from service.context import Context
from service.gate import RevisionConflict
from service.http import FreezeAsk, GateAsk, ModeAsk, Problem, body, invalid, operation, whole
from service.routes.common import admit, answer, context, store_away
from streaming.store import StoreUnavailable

router = APIRouter(tags=["gate"])

PAGE_LIMIT: Final = 500
"""Most decisions of one page."""

GateAskT = TypeVar("GateAskT", bound=GateAsk)


class ForceAsk(GateAsk, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A version put live by hand; `force`: whatever the evidence says of it."""

    force: bool = False


@router.get("/gate", **operation(problems=("unavailable",)))
async def state(request: Request) -> Response:
    """Mode, revision, what is served, what waits, and the policy in force."""
    admit(request, "read")
    return answer(_state(context(request)))


@router.get(
    "/gate/decisions",
    **operation(
        parameters={"limit": (int, "Decisions wanted, 1 to 500."), "before": (str, "The `next` of the page before.")},
        problems=("invalid", "unavailable"),
    ),
)
async def decisions(request: Request) -> Response:
    """Decisions, newest first, each with numbers, reasons, actor and both versions, chained by hash."""
    admit(request, "read")
    ctx = context(request)
    limit = whole(request.query_params.get("limit", "50"), "query.limit", 1, PAGE_LIMIT)
    before = request.query_params.get("before") or None
    found = await run_in_threadpool(_stored, ctx, limit, before)
    return answer(found)


@router.post(
    "/gate/freeze", **operation(body=FreezeAsk, needs="admin", problems=("conflict", "invalid", "unavailable"))
)
async def freeze(request: Request) -> Response:
    """Nothing goes live until `thaw`, or until the freeze ends by itself."""
    ask, actor = await _admin(request, FreezeAsk)
    until = context(request).clock() + ask.seconds if ask.seconds is not None else None
    return await _carry_out(request, gate.Request("freeze", actor, ask.reason, until=until), ask.revision)


@router.post("/gate/thaw", **operation(body=GateAsk, needs="admin", problems=("conflict", "invalid", "unavailable")))
async def thaw(request: Request) -> Response:
    """Back to the mode before the freeze."""
    ask, actor = await _admin(request, GateAsk)
    return await _carry_out(request, gate.Request("thaw", actor, ask.reason), ask.revision)


@router.post(
    "/gate/promote", **operation(body=ForceAsk, needs="admin", problems=("conflict", "invalid", "unavailable"))
)
async def promote(request: Request) -> Response:
    """Let the newest version go live now, if it is sound and nothing speaks against it; the way forward in mode manual.

    With `force` it goes live whatever the evidence says; what cannot be served still does not.
    """
    ask, actor = await _admin(request, ForceAsk)
    return await _carry_out(request, gate.Request("promote", actor, ask.reason, force=ask.force), ask.revision)


@router.post(
    "/gate/rollback", **operation(body=GateAsk, needs="admin", problems=("conflict", "invalid", "unavailable"))
)
async def rollback(request: Request) -> Response:
    """Back to the last known good version, or to what was served before; nothing newer goes live for a while.

    Learning goes on, and no offset moves.
    """
    ask, actor = await _admin(request, GateAsk)
    return await _carry_out(request, gate.Request("rollback", actor, ask.reason), ask.revision)


@router.post("/gate/mode", **operation(body=ModeAsk, needs="admin", problems=("conflict", "invalid", "unavailable")))
async def mode(request: Request) -> Response:
    """Who decides: continuous, strict, shadow, manual, or frozen."""
    ask, actor = await _admin(request, ModeAsk)
    chosen = next((known for known in gate.MODES if known == ask.mode), None)
    if chosen is None:
        raise invalid("$.mode", f"one of {', '.join(gate.MODES)}", repr(ask.mode))
    return await _carry_out(request, gate.Request("mode", actor, ask.reason, mode=chosen), ask.revision)


async def _admin(request: Request, kind: type[GateAskT]) -> tuple[GateAskT, str]:
    caller = admit(request, "admin")
    return body(await request.body(), kind), caller.name


async def put_to_gate(ctx: Context, wish: gate.Request, revision: int) -> gate.Decision:
    """What the gate decides on an operator's wish. Raises the problem of a revision that is past, or of Redis away."""
    try:
        return await run_in_threadpool(ctx.gatekeeper.ask, wish, revision)
    except RevisionConflict as error:
        raise Problem(
            "conflict",
            f"The gate is at revision {error.revision}, the request was made for {revision}.",
            "Read GET /gate again, and repeat the request with its revision if it is still wanted.",
            revision=error.revision,
        ) from None
    except StoreUnavailable as error:
        raise store_away(error) from None


async def _carry_out(request: Request, wish: gate.Request, revision: int) -> Response:
    ctx = context(request)
    decision = await put_to_gate(ctx, wish, revision)
    return answer({
        "action": decision.action,
        "reasons": decision.reasons,
        "detail": decision.detail,
        "gate": _state(ctx),
    })


def _state(ctx: Context) -> dict[str, object]:
    keeper = ctx.gatekeeper
    with ctx.tables.hold() as held:
        serving = held.id if held is not None else None
    return {
        "revision": keeper.revision,
        **msgspec.to_builtins(keeper.state),
        "serving": serving,
        "head": keeper.head.id if keeper.head is not None else None,
        "reference": _id(keeper.evidence.reference),
        "previous": _id(keeper.evidence.previous),
        "numbers": keeper.numbers,
        "evidence": _evidence(keeper.evidence),
        "next_tick_seconds": ctx.settings.service.poll_interval,
        "policy": keeper.policy,
        "policy_hash": gate.policy_hash(keeper.policy),
        "store_error": keeper.store_error or None,
        "load_error": keeper.load_error or None,
    }


def _id(version: gate.Version | None) -> str | None:
    return version.id if version is not None else None


def _evidence(evidence: gate.Evidence) -> dict[str, object] | None:
    """What the learner wrote into the newest version; the intervals are in `numbers`."""
    if evidence.standing is None:
        return None
    found: dict[str, object] = msgspec.to_builtins(evidence.standing)
    return found


def _stored(ctx: Context, limit: int, before: str | None) -> dict[str, object]:
    try:
        entries = ctx.store.decisions(limit, before or "+")
    except StoreUnavailable as error:
        raise store_away(error) from None
    return {
        "decisions": [msgspec.Raw(record) for _, record in entries],
        "next": entries[-1][0] if len(entries) == limit else None,
    }
