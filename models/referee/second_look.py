"""Tells garbage labels from people who all began something new, when hits have fallen. Stage 3.

Of either no model finds much, so comparing models tells nothing. But people go on: the next event of a user whose
interest has changed is found as often as ever, because the history that models read has the change in it by then. Of
labels that are garbage the next one is missed like the first. So the question is put to the further events of users
who have had one since hits fell.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec

from models.structs import Prepared

GARBAGE: Final = 1 / 5
"""Share of the usual hits that garbage leaves, at most: shuffled labels leave a tenth."""

SURE: Final = math.log(1_000)
"""Logarithm of the likelihood ratio from which on labels are sound. Where a fourth of the events is found, 30 to 70 of
them show it. Garbage ever does in one of a thousand falls at most (Wald, "Sequential tests of statistical hypotheses",
1945), and if it leaves a third of the hits, in one of forty (docs/experiments.md)."""

MOST: Final = 0.95
"""Largest usual hit rate that is reckoned with: above it a miss would say everything."""


class SecondLook(msgspec.Struct, metaclass=Prepared):
    """The question about one fall of hits.

    Attributes:
        since: Epoch second of the event at which it was put; -1 while there is none.
        further: Tested events since then of users who had had another one since then.
        hits: Hits among them.
        evidence: Logarithm of the likelihood ratio: found as often as usual, against as seldom as garbage. Above SURE
            nothing is added. It may fall far: after much garbage as many sound events have to speak for the labels.
        sound: Whether it has reached SURE, and not fallen below 0 since then.

    >>> look = SecondLook()
    >>> look.begin(100)
    >>> for number in range(200):
    ...     look.tested(number % 4 == 0, 0.25, second=110, before=105)
    >>> look.sound, look.further, look.hits
    (True, 200, 50)

    Garbage that comes later uses the evidence up, and the question is put again:

    >>> for second in range(120, 220):
    ...     look.tested(False, 0.25, second, before=110)
    >>> look.sound, look.since > 120
    (False, True)

    Users who have had no event since say nothing:

    >>> look.tested(True, 0.25, second=230, before=90)
    >>> look.further
    0
    """

    since: int = -1
    further: int = 0
    hits: int = 0
    evidence: float = 0.0
    sound: bool = False

    def begin(self, second: int) -> None:
        """Put the question: hits fell at this epoch second."""
        self.since, self.further, self.hits, self.evidence, self.sound = second, 0, 0, 0.0, False

    def end(self) -> None:
        """Drop the question: hits are back."""
        self.begin(-1)

    def tested(self, hit: bool, usual: float, second: int, before: int) -> None:
        """Take a tested event.

        Args:
            hit: Whether it was found.
            usual: Usual hit rate.
            second: Its epoch second.
            before: Epoch second of its user's event before; -1 for none.
        """
        if not 0 <= self.since <= before:
            return
        usual = min(usual, MOST)
        self.further += 1
        self.hits += hit
        gain = -math.log(GARBAGE) if hit else math.log((1.0 - usual) / (1.0 - GARBAGE * usual))
        self.evidence = min(self.evidence + gain, SURE)
        if self.evidence >= SURE:
            self.sound = True
        elif self.sound and self.evidence < 0.0:
            # What held so far no longer does: events from now on have to show it again.
            self.begin(second)


__all__ = ["GARBAGE", "SURE", "SecondLook"]
