"""In: a request. Out: the parts every route needs: the context, who asks, a JSON answer."""

from __future__ import annotations

import time
from typing import Any

import msgspec
from fastapi import Request
from starlette.responses import Response

from service.context import Context
from service.http.auth import BadKeys, Caller
from service.http.problems import Problem
from service.runtime import logs

JSON = "application/json"


def context(request: Request) -> Context:
    """The parts of this process."""
    found: Context = request.app.state.context
    return found


def admit(request: Request, role: str, also: str = "") -> Caller:
    """Who asks, if they may do what `role`, or `also`, may. Raises Problem 401 or 403."""
    ctx = context(request)
    try:
        ctx.keys.refresh(time.monotonic())
    except BadKeys as error:
        logs.warn("key file not read", detail=str(error))
    try:
        return ctx.keys.admit(request.headers, role, also)
    except Problem:
        ctx.telemetry.refused_keys.inc()
        raise


def limited(request: Request, caller: Caller, tokens: float = 1.0) -> float:
    """Seconds this caller has to wait before asking again, 0 when they need not."""
    who = caller.name if caller.name != "local" else request.client.host if request.client else "local"
    return context(request).buckets.take(who, tokens, time.monotonic())


def answer(value: Any, status: int = 200) -> Response:
    """Anything msgspec can encode, as JSON."""
    return Response(msgspec.json.encode(value), status, media_type=JSON)
