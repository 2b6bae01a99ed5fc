"""Tested events in; a bounded sample that reaches far back, and what two versions find of it, out. Stage 6.

What is learnt today may cost what was learnt last week. Questions of every age are put to a candidate and to the last
known good version; both have learnt the answers since, so what only the latter still knows was forgotten.
"""

from __future__ import annotations

import threading
from bisect import insort
from collections.abc import Callable, Collection
from typing import Final, NamedTuple

import msgspec

SIZE: Final = 512
"""Questions kept, some 500 KB. Of 200 that the reference answers, 30 lost and 5 gained are far beyond chance."""

LENGTH: Final = 20
"""Interactions of a history that are kept, the newest: beyond them a list hardly changes."""

SHORTEST: Final = 3
"""Of fewer, what comes next is anybody's guess."""

SLICE: Final = 4
"""Questions put to each version: some 2 ms of a thread that takes a core from requests. All are asked within 128
versions, about two minutes of a busy shop."""


class PastQuestion(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What was known of a user, newest first, and what came. Times in epoch seconds; `user` is a hash of the id."""

    items: list[str]
    times: list[float]
    kinds: list[int]
    now: float
    item: str
    user: int


class Found(NamedTuple):
    """Of `asked` questions: those the reference answers, of these those the candidate does not, and the other way."""

    asked: int = 0
    known: int = 0
    lost: int = 0
    gained: int = 0


class _Asked:
    __slots__ = ("by", "known", "now", "question")

    def __init__(self, question: PastQuestion) -> None:
        self.question, self.by, self.known, self.now = question, "", False, False


class Reservoir:
    """Ages stay spread on a logarithmic scale: about as many of the last minutes as of the hours and days before.

    `erase` is for any thread, everything else for one.

    >>> ages = Reservoir(size=4)
    >>> for second in range(1, 101):
    ...     ages.add(PastQuestion(["tea"], [0.0], [0], float(second), "mug", 7))
    >>> [100 - int(each.now) for each in ages.questions]
    [99, 22, 4, 0]
    >>> ages.ask("v1", knows := lambda question: True, lambda question: question.now > 50.0)
    Found(asked=4, known=4, lost=1, gained=0)
    >>> ages.erase({7})
    >>> ages.ask("v1", knows, knows)
    Found(asked=0, known=0, lost=0, gained=0)
    """

    def __init__(self, size: int = SIZE) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._asked: list[_Asked] = []
        self._next = 0

    @property
    def questions(self) -> list[PastQuestion]:
        """All of them, the oldest first."""
        return [each.question for each in self._asked]

    def add(self, question: PastQuestion) -> None:
        """Take a question in; of too many, the one goes that its neighbours in age stand in for best."""
        with self._lock:
            # Questions of several partitions do not come in the order of their times.
            insort(self._asked, _Asked(question), key=lambda each: each.question.now)
            if len(self._asked) > self._size:
                del self._asked[_superfluous([question.now for question in self.questions])]

    def erase(self, users: Collection[int]) -> None:
        """Forget what these users did, by the hashes of their ids."""
        with self._lock:
            self._asked = [each for each in self._asked if each.question.user not in users]

    def ask(
        self, reference: str, knows: Callable[[PastQuestion], bool], finds: Callable[[PastQuestion], bool]
    ) -> Found:
        """Put the next SLICE of questions to both; what all that were put to this reference say.

        reference: its version, whose answers are remembered. A candidate's answers stand until it is their turn again.
        """
        with self._lock:
            asked = self._asked
            turn = [asked[(self._next + step) % len(asked)] for step in range(min(SLICE, len(asked)))]
            self._next = (self._next + len(turn)) % max(len(asked), 1)
        for each in turn:
            if each.by != reference:
                each.by, each.known = reference, knows(each.question)
            each.now = finds(each.question)
        told = [each for each in asked if each.by == reference]
        lost = sum(each.known and not each.now for each in told)
        gained = sum(each.now and not each.known for each in told)
        return Found(len(told), sum(each.known for each in told), lost, gained)


def _superfluous(times: list[float]) -> int:
    """Place of the one, neither first nor last, whose neighbours lie closest for its age."""
    newest = times[-1]
    gaps = [
        (after - before) / (newest - time + 1.0)
        for before, time, after in zip(times, times[1:], times[2:], strict=False)
    ]
    return 1 + gaps.index(min(gaps))


__all__ = ["LENGTH", "SHORTEST", "SIZE", "SLICE", "Found", "PastQuestion", "Reservoir"]
