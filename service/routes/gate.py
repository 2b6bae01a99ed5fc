"""Shows the gate and its decisions, and carries out operators' requests."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, TypeVar

import msgspec
from fastapi import APIRouter, Request
from msgspec import Meta, structs
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from models import gate
from service.context import Context
from service.gate import NAME, NoVerdict, RevisionConflict, Verdict, VersionName, recorded, verdict
from service.http import (
    DecisionsPage,
    ForceAsk,
    FreezeAsk,
    GateAnswer,
    GateAsk,
    GateChange,
    ModeAsk,
    Problem,
    VersionExplained,
    decode_body,
    invalid,
    operation,
    whole_number,
)
from service.routes.common import admit, answer, context, store_away
from streaming.store import StoreUnavailable

router = APIRouter(tags=["gate"])

PAGE_LIMIT: Final = 500
"""Most decisions of one page."""

CURSOR: Final = re.compile(r"[0-9]{1,19}-[0-9]{1,19}")
"""Id of an entry of a stream in Redis. 0-0 has this form, but no entry has it, and Redis refuses what is before it."""

CHANGE: Final[dict[str, Any]] = {"answer": GateChange, "needs": "admin", "problems": ("conflict", "unavailable")}
"""What the descriptions of operators' requests have in common."""

GateAskT = TypeVar("GateAskT", bound=GateAsk)


@router.get("/gate", **operation("get_gate", answer=GateAnswer))
async def state(request: Request) -> Response:
    """Mode, revision, champion (`serving`), challenger (`head`), reference, evidence, and the policy in force."""
    admit(request, "read")
    return answer(_state(context(request)))


@router.get(
    "/gate/decisions",
    **operation(
        "list_decisions",
        parameters={
            "limit": (Annotated[int, Meta(ge=1, le=PAGE_LIMIT)], "Decisions wanted; 50 when not given."),
            "before": (Annotated[str, Meta(pattern=f"^({CURSOR.pattern})?$")], "The `next` of the page before."),
        },
        answer=DecisionsPage,
        problems=("unavailable",),
    ),
)
async def decisions(request: Request) -> Response:
    """Decisions, newest first, each with numbers, reasons, actor and both versions, chained by hash."""
    admit(request, "read")
    ctx = context(request)
    limit = whole_number(request.query_params.get("limit", "50"), "query.limit", 1, PAGE_LIMIT)
    before = request.query_params.get("before") or None
    if before is not None and (not CURSOR.fullmatch(before) or not before.strip("0-")):
        raise invalid("query.before", "the `next` of the page before", repr(before)[:40])
    found = await run_in_threadpool(_stored, ctx, limit, before)
    return answer(found)


@router.get(
    "/gate/explain",
    **operation(
        "explain_version",
        parameters={
            "version": (
                Annotated[str, Meta(pattern=f"^({NAME.pattern})?$")],
                "Id or sequence number of a version; the challenger when not given.",
            )
        },
        answer=VersionExplained,
        problems=("not-found", "unavailable"),
    ),
)
async def explain(request: Request) -> Response:
    """Why a version went live or not, in sentences, and what would have to change."""
    admit(request, "read")
    text = request.query_params.get("version") or None
    name = VersionName.parse(text) if text is not None else None
    if text is not None and name is None:
        raise invalid("query.version", "the id of a version, such as 17-2-9f3a0c, or its number", repr(text)[:40])
    return answer(await run_in_threadpool(_explained, context(request), name))


@router.post("/gate/freeze", **operation("freeze_gate", body=FreezeAsk, **CHANGE))
async def freeze(request: Request) -> Response:
    """Let no version go live until `thaw`, or until the freeze ends by itself."""
    ask, actor = await _admin(request, FreezeAsk)
    until = context(request).clock() + ask.seconds if ask.seconds is not None else None
    return await _carry_out(request, gate.Request("freeze", actor, ask.reason, until=until), ask.revision)


@router.post("/gate/thaw", **operation("thaw_gate", body=GateAsk, **CHANGE))
async def thaw(request: Request) -> Response:
    """End a freeze: return to the mode before it."""
    ask, actor = await _admin(request, GateAsk)
    return await _carry_out(request, gate.Request("thaw", actor, ask.reason), ask.revision)


@router.post("/gate/promote", **operation("promote_challenger", body=ForceAsk, **CHANGE))
async def promote(request: Request) -> Response:
    """Promote the challenger now, if it is sound and nothing speaks against it; in mode manual the only way.

    With `force` it is promoted whatever the evidence says, unless it cannot be served at all.
    """
    ask, actor = await _admin(request, ForceAsk)
    return await _carry_out(request, gate.Request("promote", actor, ask.reason, force=ask.force), ask.revision)


@router.post("/gate/rollback", **operation("roll_back", body=GateAsk, **CHANGE))
async def rollback(request: Request) -> Response:
    """Return to the reference, or to the version served before; nothing newer goes live for a while.

    Learning continues, and no offset moves.
    """
    ask, actor = await _admin(request, GateAsk)
    return await _carry_out(request, gate.Request("rollback", actor, ask.reason), ask.revision)


@router.post("/gate/mode", **operation("set_gate_mode", body=ModeAsk, **CHANGE))
async def mode(request: Request) -> Response:
    """Set the mode, which says who decides: continuous, strict, shadow, manual, or frozen."""
    ask, actor = await _admin(request, ModeAsk)
    chosen = next((known for known in gate.MODES if known == ask.mode), None)
    if chosen is None:
        raise invalid("$.mode", f"one of {', '.join(gate.MODES)}", repr(ask.mode))
    return await _carry_out(request, gate.Request("mode", actor, ask.reason, mode=chosen), ask.revision)


async def _admin(request: Request, kind: type[GateAskT]) -> tuple[GateAskT, str]:
    caller = admit(request, "admin")
    return decode_body(await request.body(), kind), caller.name


async def put_to_gate(ctx: Context, wish: gate.Request, revision: int) -> gate.Decision:
    """Put an operator's request to the gate.

    Args:
        ctx: The parts of this process.
        wish: The request.
        revision: The revision of the gate that the operator saw.

    Raises:
        Problem: 409 when the gate is at another revision, 503 when Redis does not answer.
    """
    try:
        return await run_in_threadpool(ctx.gatekeeper.ask, wish, revision)
    except RevisionConflict as error:
        raise Problem(
            "conflict",
            f"The gate is at revision {error.revision}, the request was made for {revision}.",
            "Read GET /gate again, and repeat the request with the new revision if you still want it.",
            revision=error.revision,
        ) from None
    except StoreUnavailable as error:
        raise store_away(error) from None


async def _carry_out(request: Request, wish: gate.Request, revision: int) -> Response:
    ctx = context(request)
    decision = await put_to_gate(ctx, wish, revision)
    return answer(GateChange(decision.action, decision.reasons, decision.detail, _state(ctx)))


def _state(ctx: Context) -> GateAnswer:
    keeper = ctx.gatekeeper
    with ctx.tables.hold() as tables:
        serving = tables.id if tables is not None else None
    return GateAnswer(
        **structs.asdict(keeper.state),
        serving=serving,
        head=keeper.follower.head.id if keeper.follower.head is not None else None,
        reference=_id(keeper.evidence.reference),
        previous=_id(keeper.evidence.previous),
        numbers={**keeper.numbers},
        # The learner's report in the newest version; the intervals are in `numbers`.
        evidence=keeper.evidence.standing,
        next_tick_seconds=ctx.settings.service.poll_interval,
        policy=keeper.policy,
        policy_hash=gate.policy_hash(keeper.policy),
        store_error=keeper.store_error or keeper.refusal or None,
        load_error=keeper.follower.load_error or None,
    )


def _explained(ctx: Context, name: VersionName | None) -> VersionExplained:
    with ctx.tables.hold() as tables:
        served = tables.id if tables is not None else None
    try:
        found = verdict(ctx.gatekeeper, ctx.store, served, name)
    except NoVerdict as error:
        raise Problem("not-found", str(error), error.next_step) from None
    except StoreUnavailable as error:
        raise store_away(error) from None
    rates = {name: round(rate, 3) for name, rate in ctx.gatekeeper.reader.pace.rates(ctx.clock()).items()}
    explanation = gate.explain(found.record, rates)
    if found.status == "held":
        # What it would have taken then is of no use to anybody now.
        explanation = structs.replace(explanation, remedies=())
    return VersionExplained(
        found.version,
        found.status,
        explanation,
        gate.explain(found.ended) if found.ended is not None else None,
        _note(found),
        rates,
    )


def _note(found: Verdict) -> str:
    """How the decision relates to the version."""
    newer = "Newer versions have come since, and the gate looks at the newest only: ask for the challenger."
    if found.by_neighbour:
        return (
            "No decision names it: a hold that repeats is recorded once a minute. It came while "
            f"{found.record.to_version} and those after it were held for these reasons. {newer}"
        )
    return newer if found.status == "held" else ""


def _id(version: gate.Version | None) -> str | None:
    return version.id if version is not None else None


def _stored(ctx: Context, limit: int, before: str | None) -> dict[str, object]:
    try:
        entries = recorded(ctx.store, limit, before or "+")
    except StoreUnavailable as error:
        raise store_away(error) from None
    return {
        "decisions": [msgspec.Raw(record) for _, record in entries],
        "next": entries[-1][0] if len(entries) == limit else None,
    }
