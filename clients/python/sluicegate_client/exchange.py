"""Sends a call until it is answered or hopeless, without doing input, output or waiting itself.

`exchange` yields what to do next and is sent the outcome; the two clients differ only in who does it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import NamedTuple, TypeVar

import msgspec

from sluicegate_client.calls import Call
from sluicegate_client.errors import Away, Refused
from sluicegate_client.retry import Retry
from sluicegate_client.types import ProblemDocument

T = TypeVar("T")

AGAIN = frozenset({429, 502, 503, 504})
"""Statuses after which the same request may work: too often, or Kafka, Redis or the service is away."""


class Reply(NamedTuple):
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class NoReply(NamedTuple):
    """Why nothing came back."""

    reason: str


class Send(NamedTuple):
    """Send the call now; the outcome is a Reply or NoReply."""


class Wait(NamedTuple):
    """Wait so many seconds; there is no outcome."""

    seconds: float


Steps = Generator[Send | Wait, "Reply | NoReply | None", T]


def exchange(call: Call[T], retry: Retry, random: Callable[[], float]) -> Steps[T]:
    """The steps of a call, and its answer.

    Raises:
        Refused: The service refused it.
        Away: It was tried as often, or as long, as `retry` allows.
    """
    waited = 0.0
    failures = 0
    while True:
        outcome = yield Send()
        if isinstance(outcome, Reply) and outcome.status not in AGAIN:
            return understood(call, outcome)
        failures += 1
        reason = outcome.reason if isinstance(outcome, NoReply) else _problem(outcome).detail if outcome else ""
        delay = retry.delay(failures, random, _asked(outcome))
        if failures >= retry.attempts or waited + delay > retry.patience:
            raise Away(f"{call.method} {call.path}: {reason} (tried {failures} times)")
        waited += delay
        yield Wait(delay)


def understood(call: Call[T], reply: Reply) -> T:
    """The answer in a reply. Raises Refused for a problem, Away for what is not the service's."""
    if reply.status >= 400:
        raise Refused(reply.status, _problem(reply))
    try:
        return msgspec.json.decode(reply.body, type=call.answer)
    except msgspec.DecodeError as error:
        raise Away(f"{call.method} {call.path}: this is no answer of a Sluicegate: {error}") from error


def _asked(outcome: Reply | NoReply | None) -> float | None:
    """The seconds in Retry-After."""
    value = outcome.headers.get("retry-after", "") if isinstance(outcome, Reply) else ""
    return float(value) if value.isdigit() else None


def _problem(reply: Reply) -> ProblemDocument:
    """The problem document of a reply; a proxy's page is none."""
    try:
        return msgspec.json.decode(reply.body, type=ProblemDocument)
    except msgspec.DecodeError:
        detail = f"the answer has status {reply.status} and is not the service's own"
        return ProblemDocument("", "", reply.status, detail, "Look at what stands between, such as a proxy.")
