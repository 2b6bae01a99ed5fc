"""Calls again until the other side is there, and reports each new reason for waiting once."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until_there(
    call: Callable[[], T],
    away: tuple[type[Exception], ...],
    pause: Callable[[float], bool],
    seconds: float,
    report: Callable[[Exception], None],
    patience: Callable[[Exception], float] = lambda _: math.inf,
    clock: Callable[[], float] = time.monotonic,
) -> T | None:
    """Return the answer of `call`, trying again while the other side is away; None when asked to stop first.

    >>> answers = iter([OSError("refused"), OSError("refused"), OSError("reset"), 42])
    >>> def call() -> int:
    ...     answer = next(answers)
    ...     if isinstance(answer, OSError):
    ...         raise answer
    ...     return answer
    >>> until_there(call, (OSError,), lambda _: False, 0.0, print)
    refused
    reset
    42

    Args:
        call: Asks the other side.
        away: Errors that mean it is away. Any other error is raised.
        pause: Waits so many seconds and returns whether to stop. It is asked with 0 before every call.
        seconds: Pause between two calls.
        report: Receives an error whose text is not that of the error before it.
        patience: Seconds for which errors of one text are waited out; after them the error is raised.
        clock: Monotonic seconds.
    """
    last_message, since = "", 0.0
    while not pause(0.0):
        try:
            return call()
        except away as error:
            if str(error) != last_message:
                last_message, since = str(error), clock()
                report(error)
            elif clock() > since + patience(error):
                raise
            pause(seconds)
    return None


__all__ = ["until_there"]
