"""Helpers of all routes: the context, the caller, JSON answers, common problems."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import msgspec
from fastapi import Request
from starlette.responses import Response

from models.records import Order, Rejection, decode_control, encode_control
from service.context import Context
from service.gate import StateUnreadable
from service.http import (
    BadKeys,
    Caller,
    EventOutcome,
    ItemOutcome,
    Problem,
    check_local,
    check_parameters,
    invalid,
    is_loopback,
    parameters_of,
)
from service.ingest import KafkaUnavailable, Outgoing
from service.runtime import logs
from service.runtime.telemetry import Telemetry
from service.serving import TableSet
from streaming.kafka import RecordRefused
from streaming.store import StoreUnavailable

JSON = "application/json"

OrderKind = TypeVar("OrderKind", bound=Order)

LOCAL_NAME = "local"
"""Name of a caller who needs no key."""


def context(request: Request) -> Context:
    """The parts of this process."""
    found: Context = request.app.state.context
    return found


def takes_gzip(request: Request) -> bool:
    """Whether the caller reads answers that are compressed with gzip: it says so, and not with weight 0."""
    named = (each.replace(" ", "").lower() for each in request.headers.get("accept-encoding", "").split(","))
    weights = {name: weight for name, _, weight in (each.partition(";q=") for each in named)}
    return weights.get("gzip", "0").strip("0.") != "" or weights.get("gzip") == ""


def admit(request: Request, role: str, also: str = "", *, any_parameters: bool = False) -> Caller:
    """The caller, if they have the role `role` or `also`, and ask for nothing that the route does not know.

    Args:
        request: The request.
        role: The role.
        also: Another one that does as well.
        any_parameters: Whether parameters with names that the route does not know are passed over.

    Raises:
        Problem: 401 or 403, 415 for a body without a key that is no JSON, 422 for a parameter of another name.
    """
    ctx = context(request)
    try:
        ctx.keys.refresh(time.monotonic())
    except BadKeys as error:
        logs.warn("key file not read", detail=str(error))
    try:
        caller = ctx.keys.admit(request.headers, role, also)
        if caller.name == LOCAL_NAME:
            check_local(request.method, request.headers, loopback=is_loopback(ctx.settings.service.host))
    except Problem:
        ctx.telemetry.refused_keys.inc()
        raise
    if not any_parameters:
        check_names(request)
    return caller


def check_names(request: Request) -> None:
    """Raise Problem 422 for a query parameter that the description of the route does not have, or one given twice."""
    raw: bytes = request.scope["query_string"]
    if raw:
        check_parameters(raw, parameters_of(request.scope["route"].operation_id))


def check_rate(request: Request, caller: Caller) -> None:
    """Take one of the requests that a caller may make. Raises Problem 429 when it comes too early."""
    ctx = context(request)
    who = caller.name if caller.name != LOCAL_NAME else request.client.host if request.client else "local"
    wait = ctx.buckets.take(who, 1.0, time.monotonic())
    if wait:
        raise too_many(ctx.telemetry, f"This caller makes more than {ctx.buckets.rate:g} requests per second.", wait)


@contextmanager
def writing(ctx: Context, *, public: bool = False) -> Iterator[None]:
    """One of the requests that may wait for Kafka at once. Raises Problem 429 when there are as many already."""
    slots = ctx.intake.public_slots if public else ctx.intake.slots
    if not slots.acquire(blocking=False):
        raise too_many(ctx.telemetry, "Too many requests are waiting for Kafka already.", 1.0)
    try:
        yield
    finally:
        slots.release()


def answer(value: Any, status: int = 200) -> Response:
    """A JSON answer of anything that msgspec can encode."""
    return Response(msgspec.json.encode(value), status, media_type=JSON)


def readable(order: OrderKind, fields: Mapping[str, str]) -> OrderKind:
    """The order, if it is one that the learner can read.

    Args:
        order: Made of what a request says.
        fields: Where the request says it, by the field of the order.

    Raises:
        Problem: 422, by the field of the request.
    """
    problem = decode_control(encode_control(order))
    if isinstance(problem, Rejection):
        raise invalid(fields.get(problem.path, problem.path), problem.expected, problem.found, reason=problem.reason)
    return order


def send_order(ctx: Context, order: Order) -> None:
    """Write an order to topic `control`. Raises Problem when Kafka does not take it."""
    try:
        ctx.intake.send("control", [Outgoing("", encode_control(order))])
    except KafkaUnavailable as error:
        raise away(str(error)) from None
    except RecordRefused as error:
        raise refused(error, None) from None


def away(detail: str) -> Problem:
    """The problem of a record that Kafka did not accept."""
    return Problem(
        "unavailable",
        f"Kafka does not accept records: {detail}.",
        "Send the same request again in a few seconds; with an event_id nothing counts twice.",
        headers={"Retry-After": "5"},
    )


def too_many(telemetry: Telemetry, detail: str, wait: float) -> Problem:
    """The problem of a caller who sends too often, counted; they may try again after `wait` seconds."""
    telemetry.rate_limited.inc()
    seconds = max(1, round(wait + 0.5))
    return Problem("too-many-requests", detail, f"Try again in {seconds} s.", headers={"Retry-After": str(seconds)})


def none_valid(what: str, outcomes: Sequence[EventOutcome | ItemOutcome], documented: str) -> Problem:
    """The problem of a request of which nothing is valid.

    Args:
        what: What was sent, in the plural.
        outcomes: The outcome of each, all of them rejections.
        documented: A sentence that says where to read what is valid.
    """
    first = outcomes[0]
    return Problem(
        "invalid",
        f"None of {len(outcomes)} {what} is valid; at {first.path}: expected {first.expected}, found {first.found}.",
        f"Correct the values in `errors`; {documented}",
        errors=[_place(entry, outcomes[-1].index + 1) for entry in outcomes],
    )


def _place(entry: EventOutcome | ItemOutcome, records: int) -> dict[str, str | int]:
    path = entry.path if records == 1 else entry.path.replace("$", f"$[{entry.index}]", 1)
    part = entry.part if isinstance(entry, EventOutcome) else 0
    return {
        "index": entry.index,
        **({"part": part} if part else {}),
        "reason": entry.reason,
        "path": path,
        "expected": entry.expected,
        "found": entry.found,
    }


NO_ANSWER: Final = frozenset({"timeout", "connection", "loading"})
"""Kinds of error after which the same request may work in a moment."""


def refused(error: RecordRefused, value: bytes | None) -> Problem:
    """The problem of a record that Kafka refuses for good."""
    if error.kind == "too_large" and value is not None:
        step = "Send less in one record, or raise max.message.bytes of the topic."
        return Problem("too-large", f"{error}; it has {len(value)} bytes.", step)
    return Problem("invalid", f"{error}.", "Sending it again is useless: look at the configuration of the topic.")


def store_away(error: StoreUnavailable) -> Problem:
    """The problem of a request that needs Redis while Redis does not answer, or not as it should."""
    if isinstance(error, StateUnreadable):
        return Problem(
            "unavailable",
            f"The gate decides nothing: {error.why}.",
            "If a newer release wrote it, bring all services to that one. Otherwise order a mode, which writes a new "
            "state: `sluicegate gate mode continuous --reason ...`.",
        )
    if error.kind == "other":
        # Redis is there: to send the same again changes nothing.
        detail = f"Redis refused a command: {error}."
        return Problem("internal", detail, "Look at what else writes to this Redis; the service's log has the request.")
    if error.kind not in NO_ANSWER:
        return Problem(
            "unavailable",
            f"Redis cannot be used now: {error}.",
            "Try again once that is put right; /recommend keeps answering meanwhile.",
            headers={"Retry-After": "5"},
        )
    return Problem(
        "unavailable",
        f"Redis does not answer: {error}.",
        "Try again in a few seconds; /recommend keeps answering meanwhile. /readyz says when Redis is back.",
        headers={"Retry-After": "5"},
    )


def degraded(ctx: Context, tables: TableSet | None) -> list[str]:
    """In which ways an answer from these tables is less than it could be now."""
    reasons = []
    if tables is None:
        reasons.append("no_version")
    if ctx.gatekeeper.store_error:
        reasons.append("store_unavailable")
    if ctx.gatekeeper.follower.load_error:
        reasons.append("version_unloadable")
    return reasons
