"""Shows the experiments on users and how their arms do, and starts, stops and deletes them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from models import experiments
from models.experiments import CannotRun, Experiment, ExperimentAsk, ExperimentResults, Kept, Unknown
from service.context import Context
from service.gate import RevisionConflict
from service.http import ExperimentsAnswer, Problem, StopAsk, decode_body, identifier, operation
from service.routes.common import admit, answer, context, store_away
from streaming.store import StoreUnavailable

router = APIRouter(tags=["experiments"])

SEGMENT: Final[dict[str, tuple[Any, str]]] = {
    "segment": (str, "Count its users alone: one of setting `learner.segments`, as plan:pro. Default: all users.")
}
"""The parameter of the routes that show results."""

CHANGE: Final[dict[str, Any]] = {"needs": "admin", "problems": ("not-found", "conflict", "unavailable")}
"""What the descriptions of operators' requests have in common."""


@router.get("/experiments", **operation("list_experiments", parameters=SEGMENT, answer=ExperimentsAnswer))
async def show_all(request: Request) -> Response:
    """All experiments and how their arms do, the latest first."""
    admit(request, "read")
    return answer(ExperimentsAnswer(await run_in_threadpool(_all, context(request), _segment(request))))


@router.get(
    "/experiments/{experiment}",
    **operation("get_experiment", parameters=SEGMENT, answer=ExperimentResults, problems=("not-found",)),
)
async def show(request: Request) -> Response:
    """One experiment: rates and lifts by arm, with intervals that hold at every look, and what they mean."""
    admit(request, "read")
    name = identifier(request.scope, "experiment")
    return answer(await run_in_threadpool(_one, context(request), name, _segment(request)))


@router.post(
    "/experiments",
    **operation("start_experiment", body=ExperimentAsk, answer=ExperimentResults, status=201, **CHANGE),
)
async def start(request: Request) -> Response:
    """Start an experiment, five seconds from now or later, so that every replica knows it by then."""
    caller, ask = admit(request, "admin"), decode_body(await request.body(), ExperimentAsk)
    ctx = context(request)
    try:
        new = experiments.experiment_of(ask, ctx.clock(), secrets.token_hex(16), caller.name)
    except CannotRun as error:
        raise Problem(
            "invalid",
            f"The experiment cannot run: {error}.",
            "Change that part and send it again; docs/experimenting.md has the fields.",
        ) from None
    note = f"experiment {new.name} starts" + (f": {ask.reason}" if ask.reason else "")
    await _change(ctx, caller.name, note, lambda kept: experiments.started(kept, new, ctx.clock()))
    return answer(await run_in_threadpool(_one, ctx, new.name), 201)


@router.post(
    "/experiments/{experiment}/stop",
    **operation("stop_experiment", body=StopAsk, answer=ExperimentResults, **CHANGE),
)
async def stop(request: Request) -> Response:
    """Stop an experiment now: all users get what they would without it. Its results stay."""
    caller, ask = admit(request, "admin"), decode_body(await request.body(), StopAsk)
    ctx, name = context(request), identifier(request.scope, "experiment")
    note = f"experiment {name} is stopped: {ask.reason}"
    await _change(ctx, caller.name, note, lambda kept: experiments.stopped(kept, name, ctx.clock(), caller.name))
    return answer(await run_in_threadpool(_one, ctx, name))


@router.delete("/experiments/{experiment}", **operation("delete_experiment", answer=ExperimentsAnswer, **CHANGE))
async def delete(request: Request) -> Response:
    """Forget an experiment that is over, with its results; the experiments that are left."""
    caller = admit(request, "admin")
    ctx, name = context(request), identifier(request.scope, "experiment")
    note = f"experiment {name} is deleted"
    await _change(ctx, caller.name, note, lambda kept: experiments.deleted(kept, name, ctx.clock()))
    return answer(ExperimentsAnswer(await run_in_threadpool(_all, ctx)))


async def _change(ctx: Context, actor: str, note: str, change: Callable[[Kept], Kept]) -> None:
    try:
        await run_in_threadpool(ctx.gatekeeper.change_experiments, actor, note, change)
    except Unknown as error:
        raise _unknown(error) from None
    except CannotRun as error:
        raise Problem("conflict", f"That cannot be done: {error}.", "GET /experiments shows what there is.") from None
    except RevisionConflict:
        detail = "The gate decided something between all attempts to write the order down."
        raise Problem("conflict", detail, "Send the same request again.") from None
    except StoreUnavailable as error:
        raise store_away(error) from None


def _segment(request: Request) -> str:
    """The segment that is asked for, "" for all users. Raises Problem for one that is not counted."""
    wanted = request.query_params.get("segment", "")
    counted = [segment.text for segment in context(request).segments]
    if wanted and wanted not in counted:
        names = ", ".join(counted) or "none"
        raise Problem(
            "invalid",
            f"Users of segment {wanted[:40]!r} are not counted apart; setting learner.segments names: {names}.",
            "Ask for one of these, or add it to that setting: it is counted from then on.",
            errors=[{"path": "query.segment", "expected": f"one of {names}", "found": repr(wanted)[:40]}],
        )
    return wanted


def _all(ctx: Context, among: str = "") -> list[ExperimentResults]:
    return _results(ctx, sorted(ctx.gatekeeper.experiments.kept, key=lambda each: -each.start), among)


def _one(ctx: Context, name: str, among: str = "") -> ExperimentResults:
    try:
        experiment = experiments.named(ctx.gatekeeper.experiments.kept, name)
    except Unknown as error:
        raise _unknown(error) from None
    return _results(ctx, [experiment], among)[0]


def _results(ctx: Context, wanted: Sequence[Experiment], among: str) -> list[ExperimentResults]:
    version, counts = ctx.gatekeeper.reader.counts()
    now, segments = ctx.clock(), [segment.text for segment in ctx.segments]
    return [
        experiments.results(each, counts.tallies.get(each.id), now, version or None, segments, among) for each in wanted
    ]


def _unknown(error: Unknown) -> Problem:
    return Problem("not-found", f"{str(error)[:1].upper()}{str(error)[1:]}.", "GET /experiments lists them.")


__all__ = ["router"]
