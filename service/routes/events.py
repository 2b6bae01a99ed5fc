"""Accepts events as JSON, NDJSON or CloudEvents and answers with the outcome of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from models.records import EventMapping, ItemFacts
from service.context import Context
from service.http import KEY_PARAMETER, Caller, EventOutcome, EventsAnswer, Problem, SentEvent, operation
from service.ingest import PUBLIC_FACTS, KafkaUnavailable, beacons, out_of_envelopes, send_translated, split, translated
from service.ingest.foreign import PARAMETER
from service.routes.common import (
    admit,
    answer,
    away,
    check_names,
    check_rate,
    context,
    none_valid,
    too_many,
    writing,
)

router = APIRouter(tags=["events"])


@router.post(
    "/events",
    **operation(
        "send_events",
        parameters={
            "mapping": (str, "Records are of another shape: the name of a mapping of the settings, or of a preset.")
        },
        lines=SentEvent,
        answer=EventsAnswer,
        status=202,
        needs="events",
        problems=("not-found", "too-many-requests", "unavailable"),
        public=True,
    ),
)
async def post_events(request: Request) -> Response:
    """Send events. 202 with the outcome of each when at least one is in the topic; 422 when all were rejected.

    Events in envelopes of CloudEvents are read as well (`application/cloudevents+json`, `-batch+json`, or headers
    `ce-*`): docs/mapping.md.
    """
    ctx = context(request)
    caller = writer(request)
    public = caller.role == beacons.ROLE
    if public:
        check_beacon(request, ctx, caller)
    body = await request.body()
    if public:
        ctx.beacons.check_size(len(body))
    raw = split(body, request.headers.get("content-type", ""))
    name = request.query_params.get(PARAMETER)
    mapping = None if name is None else ctx.foreign.mapping(name)
    if mapping is None:
        raw = out_of_envelopes(raw, request.headers.items(), ctx.intake.rules.kinds)
    if len(raw) > ctx.settings.service.max_events_per_request:
        raise Problem(
            "too-large",
            f"{len(raw)} events in one request; at most {ctx.settings.service.max_events_per_request} are accepted.",
            "Send them in several requests, or a file with `sluicegate send`.",
        )
    if not public:
        check_rate(request, caller)
    send = partial(ctx.intake.send_events, rules=ctx.beacons.rules if public else None, public=public)
    work = partial(send, raw) if mapping is None else partial(_send_foreign, ctx, mapping, raw, send, public=public)
    with writing(ctx, public=public):
        try:
            outcomes = await run_in_threadpool(work)
        except KafkaUnavailable as error:
            ctx.telemetry.events["unavailable"].inc(len(raw))
            raise away(str(error)) from None
    return _answer(request, ctx, outcomes, () if mapping is None else mapping.unread)


def _send_foreign(
    ctx: Context,
    mapping: EventMapping,
    raw: list[bytes],
    send: Callable[[Sequence[bytes]], list[EventOutcome]],
    *,
    public: bool,
) -> list[EventOutcome]:
    found = translated(mapping, raw, ctx.clock(), ctx.settings.service.max_events_per_request)
    outcomes = send_translated(found, send, _of_a_page if public else ctx.completions.send)
    for outcome in outcomes:
        # The learner counts those of events of ours. Of these it never sees what the mapping left out.
        for field in outcome.left_out if outcome.outcome == "accepted" else ():
            ctx.telemetry.left_out[field].inc()
    return outcomes


def _of_a_page(said: Mapping[str, ItemFacts]) -> dict[str, str]:
    """A warning for each item that a page describes: its facts are not sent."""
    return dict.fromkeys(said, PUBLIC_FACTS)


def writer(request: Request, role: str = "events") -> Caller:
    """The caller, with `role` or a public key. That may stand in the address: `navigator.sendBeacon` has no headers."""
    key = request.query_params.get(KEY_PARAMETER)
    if key is None:
        return admit(request, role, also=beacons.ROLE)
    caller = context(request).keys.public(key)
    if caller is None:
        context(request).telemetry.refused_keys.inc()
        raise Problem(
            "unauthorized",
            "The key in the address is not a known public key.",
            "Only a key with role beacon may stand in an address; send other keys in the header X-API-Key.",
        )
    check_names(request)
    return caller


def check_beacon(request: Request, ctx: Context, caller: Caller) -> None:
    """Check origin, size and rate. Raises Problem 403, 413 or 429."""
    ctx.beacons.check_origin(request.headers.get("origin"))
    declared = request.headers.get("content-length", "")
    ctx.beacons.check_size(int(declared) if declared.isdigit() else 0)
    wait = ctx.beacons.wait(caller.name, request.client.host if request.client else "", time.monotonic())
    if wait:
        raise too_many(ctx.telemetry, "This page, or this public key, sends too often.", wait)


def _answer(request: Request, ctx: Context, outcomes: list[EventOutcome], unread: tuple[str, ...]) -> Response:
    ctx.refused.note("events", outcomes, ctx.clock())
    counts = {name: sum(entry.outcome == name for entry in outcomes) for name in ctx.telemetry.events}
    for name, number in counts.items():
        ctx.telemetry.events[name].inc(number)
    if counts["rejected"] == len(outcomes):
        raise none_valid("events", outcomes, "docs/events.md says what an event is.")
    return answer(EventsAnswer(request.scope["request_id"], **counts, outcomes=outcomes, unread=unread), 202)


__all__ = ["check_beacon", "router", "writer"]
