"""When a call is repeated, how long it waits, and what its caller gets."""

from __future__ import annotations

import msgspec
import pytest
from sluicegate_client import calls
from sluicegate_client.calls import Call
from sluicegate_client.errors import Away, Refused
from sluicegate_client.exchange import NoReply, Reply, Send, Wait, exchange
from sluicegate_client.retry import Retry
from sluicegate_client.types import Slate

SLATE = {"request_id": "5f", "user_id": "ann", "model_version": None, "model_age_seconds": None, "served_by": "ranker"}
GOOD = Reply(200, {}, msgspec.json.encode({**SLATE, "degraded": [], "items": [], "added_in_a_later_version": 1}))
BUSY = Reply(503, {}, b"<html>")
RETRY = Retry(attempts=3, first=1.0, longest=8.0, patience=10.0)


def play(outcomes: list[Reply | NoReply], retry: Retry = RETRY) -> tuple[Slate, list[float]]:
    """The answer of a call that gets these outcomes, and the waits before it."""
    call: Call[Slate] = calls.recommend("ann", {"n": 3})
    steps = exchange(call, retry, lambda: 0.5)
    waits: list[float] = []
    outcome: Reply | NoReply | None = None
    given = iter(outcomes)
    while True:
        try:
            step = steps.send(outcome)
        except StopIteration as end:
            slate: Slate = end.value
            return slate, waits
        if isinstance(step, Wait):
            waits.append(step.seconds)
            outcome = None
        else:
            assert isinstance(step, Send)
            outcome = next(given)


def test_a_call_is_repeated_after_no_answer_and_after_a_busy_one() -> None:
    slate, waits = play([NoReply("ConnectError"), BUSY, GOOD])
    assert (slate.request_id, waits) == ("5f", [0.5, 1.0])


def test_a_service_that_names_a_time_is_not_asked_earlier() -> None:
    _, waits = play([Reply(429, {"retry-after": "3"}, b""), GOOD])
    assert waits == [3.5]


@pytest.mark.parametrize(
    ("outcomes", "retry", "says"),
    [
        ([NoReply("ConnectError refused")] * 3, RETRY, "ConnectError refused .tried 3 times"),
        ([Reply(503, {"retry-after": "60"}, b"")], RETRY, "status 503"),
        ([NoReply("ReadTimeout")], Retry(attempts=1), "ReadTimeout"),
        ([Reply(200, {}, b"<html>a portal</html>")], RETRY, "no answer of a Sluicegate"),
    ],
)
def test_a_call_gives_up_in_words(outcomes: list[Reply | NoReply], retry: Retry, says: str) -> None:
    with pytest.raises(Away, match=says):
        play(outcomes, retry)


def test_a_refusal_is_not_repeated_and_says_what_to_do() -> None:
    problem = {"type": "t", "title": "Invalid", "status": 422, "detail": "n is 0.", "next": "Ask for 1 to 200."}
    wrong = {"path": "$.n", "expected": "`int` >= 1", "found": "0"}
    with pytest.raises(Refused, match=r"n is 0\. Ask for 1 to 200\.") as raised:
        play([Reply(422, {}, msgspec.json.encode({**problem, "errors": [wrong]}))])
    assert (raised.value.status, raised.value.errors[0].path) == (422, "$.n")


def test_ids_and_lists_are_written_so_that_the_service_reads_them_back() -> None:
    path = calls.path("items", "tea/green, new", "similar")
    assert calls.listed(path, 3, None, ["url", "a,b"], {}).path == (
        "/items/tea%2Fgreen%2C%20new/similar?n=3&attributes=url&attributes=a%2Cb"
    )
    assert calls.listed("/popular", None, None, (), {}).path == "/popular"
    asked = calls.listed(
        "/popular", None, None, (), {"exclude_in_view": False, "context": {"device": "phone"}, "rotate": 0}
    )
    assert asked.path == "/popular?exclude_in_view=false&context=device%3Aphone&rotate=0"
