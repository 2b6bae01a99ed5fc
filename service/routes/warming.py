"""Makes one page before the first request: code, tables and the connection to Redis are warm when somebody asks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from service.context import Context
from service.http import NOBODY, ask_from_query
from service.runtime import logs
from service.serving import Envelope, RequestMoment, View, Visit, encode, page
from streaming.milestones import Milestones
from streaming.store import StoreUnavailable

LOOK: Final = 0.02
"""Seconds between looks at whether everything is loaded."""

REQUEST_ID: Final = "00"


async def warm_up(ctx: Context, ready: Callable[[], None], started: Milestones) -> None:
    """Wait until everything is loaded, make a page for nobody, and let requests come.

    Args:
        ctx: The parts that are loaded.
        ready: Called right before requests may come.
        started: Learns what was loaded when; the log says it.
    """
    while not _loaded(ctx, started):
        await asyncio.sleep(LOOK)
    try:
        await make_page(ctx)
    except Exception:
        logs.fault("the first page failed")  # requests will say what is wrong, each for itself
    ready()
    ctx.warm.set()
    started.note("ready")
    logs.say("ready", **started.moments)


def _loaded(ctx: Context, started: Milestones) -> bool:
    keeper = ctx.gatekeeper
    parts = {"kernels": keeper.kernels == "ok", "facts": ctx.catalogue.ready.is_set(), "version": keeper.ready}
    for part, there in parts.items():
        if there:
            started.note(part)
    return ctx.loaded


async def make_page(ctx: Context) -> bytes:
    """A page for nobody, which is counted nowhere."""
    with suppress(StoreUnavailable):
        await ctx.quick.call("PING")
    now = ctx.clock()
    visit = Visit(ask_from_query(b"", now, ctx.options), NOBODY, RequestMoment(now, ctx.showings, REQUEST_ID))
    with ctx.tables.hold() as tables:
        view = View(tables, ctx.catalogue)
        return encode(view, page.recommend(view, visit), Envelope(REQUEST_ID, now, []))


__all__ = ["make_page", "warm_up"]
