"""A call is tried again while the other side is away, and each new reason for waiting is reported once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import pytest

from streaming.waiting import until_there


class Clock:
    """Monotonic seconds that pass only in pauses. After `stop_at` of them the process is asked to stop."""

    def __init__(self, stop_at: float = math.inf) -> None:
        self.now, self.stop_at = 0.0, stop_at

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> bool:
        self.now += seconds
        return self.now >= self.stop_at


def answers(*script: object) -> Callable[[], object]:
    """A call that raises the errors of the script and returns what is no error; its last entry is repeated."""
    entries: Iterator[object] = iter([*script[:-1], *[script[-1]] * 1000])

    def call() -> object:
        entry = next(entries)
        if isinstance(entry, Exception):
            raise entry
        return entry

    return call


def test_an_answer_ends_the_waiting_and_each_new_error_is_reported_once() -> None:
    clock, reported = Clock(), []
    call = answers(OSError("refused"), OSError("refused"), OSError("reset"), OSError("refused"), "here")
    found = until_there(call, (OSError,), clock.pause, 1.0, lambda error: reported.append(str(error)))
    assert found == "here"
    assert reported == ["refused", "reset", "refused"]
    assert clock.now == 4.0


def test_who_is_asked_to_stop_gets_no_answer() -> None:
    clock = Clock(stop_at=3.0)
    assert until_there(answers(OSError("refused")), (OSError,), clock.pause, 1.0, lambda _: None) is None
    assert clock.now == 3.0
    stopped = Clock(stop_at=0.0)
    assert until_there(answers(ValueError("must not be called")), (OSError,), stopped.pause, 1.0, print) is None


def test_an_error_that_waiting_does_not_fix_is_raised() -> None:
    with pytest.raises(ValueError, match="a defect"):
        until_there(answers(OSError("refused"), ValueError("a defect")), (OSError,), Clock().pause, 1.0, lambda _: None)


def test_patience_ends_after_the_same_error_for_too_long() -> None:
    clock = Clock()
    call = answers(*[OSError("one")] * 8, OSError("other"))
    with pytest.raises(OSError, match="other"):
        until_there(call, (OSError,), clock.pause, 1.0, lambda _: None, lambda _: 10.0, clock)
    assert clock.now == 8.0 + 11.0
