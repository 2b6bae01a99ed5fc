"""Keeps a bounded sample of tested events that reaches far back, and asks two versions for them again. Stage 6.

Learning today may cost what was learned last week. Questions of every age are put to the candidate and to the
reference. Both have learned the answers since, so the candidate has forgotten those that only the reference still
knows.
"""

from __future__ import annotations

import threading
from bisect import insort
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final, NamedTuple

import msgspec

from models.statistics.packed import CannotUnpack, pack, unpack
from models.structs import Prepared

SIZE: Final = 512
"""Questions kept, some 500 KB. Of 200 that the reference answers, 30 lost and 5 gained are far beyond chance."""

LENGTH: Final = 20
"""Newest interactions of a history that are kept. Older ones hardly change a list."""

SHORTEST: Final = 3
"""Interactions below which the next item cannot be guessed."""

SLICE: Final = 4
"""Questions put to each version: some 2 ms of a thread that competes with requests for a core. All are asked within 128
versions, about two minutes of a busy shop."""


class PastQuestion(msgspec.Struct, metaclass=Prepared, frozen=True, array_like=True, gc=False):
    """A user's history at a moment, and the item that followed.

    Attributes:
        items: ids of the history, newest first.
        times: their moments, epoch seconds.
        kinds: codes of their kinds.
        now: when the next event came, epoch seconds.
        item: its item.
        user: hash of the user's id.
    """

    items: list[str]
    times: list[float]
    kinds: list[int]
    now: float
    item: str
    user: int


class Found(NamedTuple):
    """Answers to the questions of a reservoir.

    Attributes:
        asked: questions put to both versions.
        known: those that the reference answers.
        lost: of these, those that the candidate does not answer.
        gained: those that only the candidate answers.
    """

    asked: int = 0
    known: int = 0
    lost: int = 0
    gained: int = 0


class _Asked:
    __slots__ = ("by", "known", "now", "question")

    def __init__(self, question: PastQuestion) -> None:
        self.question, self.by, self.known, self.now = question, "", False, False


class Reservoir:
    """Questions whose ages spread on a logarithmic scale: as many of the last minutes as of the hours and days before.

    Any thread may call `erase`; everything else is for one thread.

    Args:
        size: questions kept.

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
        self._all = False

    @property
    def questions(self) -> list[PastQuestion]:
        """All questions, oldest first."""
        return [each.question for each in self._asked]

    def add(self, question: PastQuestion) -> None:
        """Adds a question. Of too many, the one is dropped that its neighbours in age represent best."""
        with self._lock:
            # Questions of several partitions do not come in the order of their times.
            insort(self._asked, _Asked(question), key=lambda each: each.question.now)
            if len(self._asked) > self._size:
                del self._asked[_superfluous([question.now for question in self.questions])]

    def packed(self) -> str:
        """Returns all questions as a base carries them."""
        return pack(self.questions)

    def refill(self, evidences: Iterable[Mapping[str, object]], erased: Collection[int] = ()) -> int:
        """Collects the questions that versions carry; the next `ask` puts all of them.

        Args:
            evidences: What each version carries, from a base with all questions of its time on, oldest first.
            erased: hashes of the ids of users whose questions are left out.

        Returns:
            Versions whose questions are discarded: another release wrote them.

        >>> first, second = Reservoir(), Reservoir()
        >>> first.add(PastQuestion(["tea"], [0.0], [0], 1.0, "mug", 7))
        >>> second.refill([{"questions": first.packed()}, {"asked": [[["mug"], [1.0], [0], 2.0, "pot", 8]]}])
        0
        >>> [each.item for each in second.questions]
        ['mug', 'pot']
        >>> second.refill([{"questions": "of another release"}, {"asked": [["tea"]]}], {8}), second.questions
        (2, [])
        """
        self._asked, discarded = [], 0
        for evidence in evidences:
            if "questions" in evidence:
                self._asked = []
            try:
                for question in _carried(evidence):
                    self.add(question)
            except CannotUnpack:
                discarded += 1
        self.erase(erased)
        self._all = True
        return discarded

    def put_all(self) -> None:
        """Lets the next `ask` put all questions."""
        self._all = True

    def erase(self, users: Collection[int]) -> None:
        """Forgets the questions of users, given by the hashes of their ids."""
        with self._lock:
            self._asked = [each for each in self._asked if each.question.user not in users]

    def ask(
        self, reference: str, knows: Callable[[PastQuestion], bool], finds: Callable[[PastQuestion], bool]
    ) -> Found:
        """Puts the next SLICE of questions to both versions.

        Args:
            reference: id of the reference, whose answers are remembered.
            knows: whether the reference answers a question.
            finds: whether the candidate does. Its answers count until the question's next turn.

        Returns:
            Counts over all questions that were put to this reference.
        """
        with self._lock:
            asked = self._asked
            count = len(asked) if self._all else min(SLICE, len(asked))
            turn = [asked[(self._next + step) % len(asked)] for step in range(count)]
            self._all = False
            self._next = (self._next + len(turn)) % max(len(asked), 1)
        for each in turn:
            if each.by != reference:
                each.by, each.known = reference, knows(each.question)
            each.now = finds(each.question)
        compared = [each for each in asked if each.by == reference]
        lost = sum(each.known and not each.now for each in compared)
        gained = sum(each.now and not each.known for each in compared)
        return Found(len(compared), sum(each.known for each in compared), lost, gained)


def asked(evidence: Mapping[str, object]) -> list[PastQuestion]:
    """Returns the questions that one version carries; none when another release wrote it.

    >>> asked({"asked": [[["tea"], [1.0], [0], 2.0, "mug", 7]]})[0].item, asked({"asked": [["tea"]]}), asked({})
    ('mug', [], [])
    """
    try:
        return _newest(evidence)
    except CannotUnpack:
        return []


def _carried(evidence: Mapping[str, object]) -> list[PastQuestion]:
    """Returns the questions of a version, all of its time for a base. Raises CannotUnpack."""
    return unpack(evidence["questions"], list[PastQuestion]) if "questions" in evidence else _newest(evidence)


def _newest(evidence: Mapping[str, object]) -> list[PastQuestion]:
    """Returns the newest questions of a version. Raises CannotUnpack."""
    try:
        return msgspec.convert(evidence.get("asked", []), list[PastQuestion])
    except msgspec.ValidationError as error:
        raise CannotUnpack(str(error)) from None


def _superfluous(times: list[float]) -> int:
    """Returns the place of the question, neither first nor last, whose neighbours lie closest for its age."""
    newest = times[-1]
    gaps = [
        (after - before) / (newest - time + 1.0)
        for before, time, after in zip(times, times[1:], times[2:], strict=False)
    ]
    return 1 + gaps.index(min(gaps))


__all__ = ["LENGTH", "SHORTEST", "SIZE", "SLICE", "Found", "PastQuestion", "Reservoir", "asked"]
