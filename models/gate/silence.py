"""Lets old events decide about an alarm once no new ones come, which could outvote it. Stage 6.

A shop that sends its past and then nothing, or one at night, compares nothing. Its newest version would wait for the
first events of the morning because of an alarm that the last ones of the evening raised.
"""

from __future__ import annotations

import math
from typing import Final

from models.gate.evidence import Evidence, Policy
from models.statistics import Comparison

NUMBERS: Final = ("known", "lost", "gained")
"""What the service counts of the answers to old events: those that the reference finds; of these, those that the
candidate misses; those that only the candidate finds."""


def silent(evidence: Evidence, policy: Policy) -> bool:
    """Whether no event was learned for so long that none is expected."""
    return evidence.standing is not None and evidence.quiet >= policy.quiet


def over(evidence: Evidence, policy: Policy, compared: Comparison | None, former: str) -> bool:
    """Whether an alarm is over because no event comes, and old ones do not speak against the candidate.

    Args:
        evidence: what is known.
        policy: the thresholds.
        compared: the candidate against the reference, or the one before it.
        former: id of the reference before; "" for none.

    >>> from models.gate.evidence import Version
    >>> from models.statistics import Standing
    >>> from models.statistics.confidence import Sums
    >>> def after(seconds, known=0.0, lost=0.0):
    ...     numbers = {"replay_known": known, "replay_lost": lost}
    ...     return Evidence(reference=Version("a", 1), standing=Standing(), quiet=seconds, numbers=numbers)
    >>> some = Comparison("a", hit=Sums(n=7))
    >>> [over(after(seconds, known=100), Policy(), some, "") for seconds in (59.0, 60.0)]
    [False, True]

    With few old events to ask it takes longer, unless the reference is the first version, with which nothing was ever
    compared: no guard looked at that one either.

    >>> [over(after(seconds, known=9), Policy(), some, "") for seconds in (60.0, 3_599.0, 3_600.0)]
    [False, False, True]
    >>> over(after(60.0), Policy(), None, ""), over(after(60.0), Policy(), None, "before")
    (True, False)

    A version that finds fewer of them than the reference keeps waiting:

    >>> over(after(9_999.0, known=100, lost=9), Policy(), some, ""), over(after(9_999.0, 100, 10), Policy(), some, "")
    (True, False)
    """
    if evidence.standing is None or evidence.quiet < needed(evidence, policy, compared, former):
        return False
    return not lost(evidence, policy)


def needed(evidence: Evidence, policy: Policy, compared: Comparison | None, former: str) -> float:
    """Seconds without an event after which old ones decide. The arguments are those of `over`."""
    first = not former and (compared is None or not compared.n)
    enough = evidence.numbers.get("replay_known", 0.0) >= policy.least_replayed
    return policy.quiet if enough or first else policy.quiet_unasked


def lost(evidence: Evidence, policy: Policy) -> bool:
    """Whether the candidate finds less of the old events than the reference, by more than chance allows."""
    gone, gained = (evidence.numbers.get(f"replay_{name}", 0.0) for name in ("lost", "gained"))
    return gone - gained > policy.shift_deviations * math.sqrt(gone + gained)


def so_far(evidence: Evidence, policy: Policy, compared: Comparison | None, former: str) -> str:
    """Says why an alarm goes on although no event comes; "" while events come. The arguments are those of `over`.

    >>> from models.statistics import Standing
    >>> found = {"replay_known": 100.0, "replay_lost": 20.0}
    >>> so_far(Evidence(standing=Standing(), quiet=70.0, numbers=found), Policy(), None, "")
    ', and no event comes: of 100 old ones that the reference finds it misses 20, and finds 0 others'
    >>> so_far(Evidence(standing=Standing(), quiet=70.0), Policy(), None, "before")
    ', or until no event has come for 3600 s: 70 s so far'
    """
    if not silent(evidence, policy):
        return ""
    if lost(evidence, policy):
        known, gone, gained = (round(evidence.numbers.get(f"replay_{name}", 0.0)) for name in NUMBERS)
        finds = f"of {known} old ones that the reference finds it misses {gone}, and finds {gained} others"
        return f", and no event comes: {finds}"
    lasts = needed(evidence, policy, compared, former)
    return f", or until no event has come for {lasts:.0f} s: {evidence.quiet:.0f} s so far"


__all__ = ["lost", "needed", "over", "silent", "so_far"]
