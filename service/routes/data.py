"""Shows what became of the records that came in, and how much of the catalogue can be used."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import msgspec
from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from models.ledger import IntakeCounts
from models.snapshot import Damaged, Manifest
from service.context import Context
from service.http import CatalogueCoverage, DataAnswer, operation
from service.routes.common import admit, answer, context, store_away
from service.runtime.telemetry import counted
from service.serving import SPAN
from streaming.store import StoreUnavailable

router = APIRouter(tags=["data"])


@router.get("/data", **operation("get_data", answer=DataAnswer, problems=("unavailable",)))
async def get_data(request: Request) -> Response:
    """What became of the events that came in, by type, outcome and reason, and how complete the catalogue is."""
    admit(request, "read")
    ctx = context(request)
    admin = ctx.keys.grants(request.headers, "admin")
    newest, coverage = await run_in_threadpool(lambda: (_newest(ctx), _coverage(ctx)))
    progress = newest.progress if newest is not None else None
    return answer(
        DataAnswer(
            newest.id if newest is not None else None,
            newest.created_at if newest is not None else None,
            progress.consumed if progress is not None else 0,
            progress.lost if progress is not None else 0,
            dict(progress.outcomes) if progress is not None else {},
            counts_in(newest.evidence) if newest is not None else None,
            {name: counted(counter) for name, counter in ctx.telemetry.events.items()},
            {name: counted(counter) for name, counter in ctx.telemetry.items_accepted.items()},
            ctx.refused.newest(values=admin),
            coverage,
        )
    )


def _newest(ctx: Context) -> Manifest | None:
    try:
        head = ctx.store.head()
        return ctx.store.manifest(head.id) if head is not None else None
    except StoreUnavailable as error:
        raise store_away(error) from None
    except Damaged:
        # Collected between two reads, or really damaged; then the gate says so.
        return None


def counts_in(evidence: Mapping[str, Any]) -> IntakeCounts | None:
    """The counts that a version carries; None where it has none, or in the form of another release.

    >>> counts_in({"intake": {"since": 7.0}}).since, counts_in({}), counts_in({"intake": 3})
    (7.0, None, None)
    """
    try:
        return msgspec.convert(evidence["intake"], IntakeCounts)
    except (KeyError, msgspec.ValidationError):
        return None


def _coverage(ctx: Context) -> CatalogueCoverage:
    catalogue = ctx.catalogue
    items, having = catalogue.coverage()
    lately = ctx.lately.items(time.monotonic())
    recommended = sum(catalogue.get(item) is not None and not catalogue.hidden(item) for item in lately)
    return CatalogueCoverage(
        items=items, hidden=max(0, len(catalogue) - items), recommended=recommended, recommended_seconds=SPAN, **having
    )


__all__ = ["counts_in", "router"]
