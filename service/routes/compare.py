"""Answers with two slates of one user, made in two ways, for people who compare. Neither counts as shown."""

from __future__ import annotations

from typing import Final

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from models.experiments import ORDERS, Arm
from models.slate import Showings
from service.context import Context
from service.http import CompareAsk, ComparedSlates, PageAsk, Slate, compared_from_body, invalid, operation
from service.routes.common import admit, answer, context, degraded
from service.routes.visits import held_for, language_of, past_of, take_impressions, visit_of
from service.serving import Envelope, UserPast, View, reasons, slate, treated
from service.serving import page as pages

router = APIRouter(tags=["recommend"])

NOTHING_CHANGED: Final = Arm("served", 1.0)
"""An arm that leaves everything as it is."""


@router.post("/recommend/compare", **operation("compare", body=CompareAsk, answer=ComparedSlates))
async def compare(request: Request) -> Response:
    """Two slates of a user under the same options: of two versions, of two that order, or of two arms."""
    admit(request, "read")
    ctx, now = context(request), context(request).clock()
    one, other, ask = compared_from_body(await request.body(), now, ctx.options)
    sides = _arm(ctx, one, "$.one"), _arm(ctx, other, "$.other")
    language = language_of(ctx, ask, request.headers)
    take_impressions(ctx)
    past = await past_of(ctx, ask, now, with_shown=True)
    request_id = request.scope["request_id"]
    first, second = (_slate(ctx, ask, arm, past, now, request_id, language) for arm in sides)
    same = {item.item_id for item in first.items} & {item.item_id for item in second.items}
    return answer(ComparedSlates(first, second, len(same)))


def _arm(ctx: Context, side: str, path: str) -> Arm:
    """What a side stands for, as the arm of an experiment. Raises Problem 422 for a name that stands for nothing."""
    if side == "served":
        return NOTHING_CHANGED
    if side == "reference":
        return Arm(side, 1.0, version="reference")
    if side in ORDERS:
        return Arm(side, 1.0, order=side)
    experiment, _, name = side.partition("/")
    kept = ctx.gatekeeper.experiments.kept
    found = next((arm for each in kept if each.name == experiment for arm in each.arms if arm.name == name), None)
    if found is None:
        arms = [f"{each.name}/{arm.name}" for each in kept for arm in each.arms]
        raise invalid(path, f"one of {', '.join(['served', 'reference', *ORDERS, *arms])}", repr(side))
    return found


def _slate(
    ctx: Context, ask: PageAsk, arm: Arm, past: UserPast, now: float, request_id: str, language: str | None
) -> Slate:
    visit = visit_of(ctx, treated(ask, {arm.name: arm}), past, now, request_id, tested=False)
    # What is only looked at must not count as shown: showings of this process are left as they are.
    moment = visit.moment._replace(showings=Showings())
    visit = visit._replace(ask=msgspec.structs.replace(visit.ask, arms=None), moment=moment)
    with held_for(ctx, visit) as tables:
        view = View(tables, ctx.catalogue)
        page = pages.recommend(view, visit)
        lacking = [*([] if past.read else ["history_unavailable"]), *degraded(ctx, tables)]
        why = reasons(view, visit, page, ctx.languages[language]) if language is not None else ()
        told = Envelope(
            request_id,
            now,
            lacking,
            ask.user_id,
            visit.ask.explore > 0,
            ask.explain,
            ask.attributes,
            why,
        )
        return slate(view, page, told)


__all__ = ["router"]
