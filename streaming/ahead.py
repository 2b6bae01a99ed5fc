"""Makes calls on a thread of its own, a few ahead of whoever uses their answers: one reads while the other computes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def ahead(calls: Sequence[Callable[[], Sequence[T]]], most: int) -> Iterator[T]:
    """What the calls answer, one after the other and in their order. A single call is made on the caller's thread.

    >>> list(ahead([lambda: "ab", lambda: "", lambda: "c"], most=1))
    ['a', 'b', 'c']

    Args:
        calls: Each answers with some of the whole.
        most: Calls that are made before the caller asks for what they answer.

    Raises:
        Exception: What a call raises, in its turn.
    """
    if len(calls) <= 1:
        yield from (answer for call in calls for answer in call())
        return
    with ThreadPoolExecutor(1, "ahead") as worker:
        waiting: deque[Future[Sequence[T]]] = deque()
        try:
            for call in calls:
                waiting.append(worker.submit(call))
                if len(waiting) > most:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:  # the caller may have enough
            for each in waiting:
                each.cancel()


__all__ = ["ahead"]
