"""Explains decisions about anchors: older versions that nothing may fall behind by more than the margin. Stage 6."""

from __future__ import annotations

import re
from typing import Final

from models.gate.reasons import phrases
from models.gate.reasons.situation import Remedy, Said, Situation, said

NAMED: Final = re.compile(r"(anchor\d+)_hit_high")


def furthest(case: Situation) -> str:
    """A sentence about the anchor that the candidate is shown to be furthest behind; "" without numbers."""
    ends = {found[1]: value for name, value in case.numbers.items() if (found := NAMED.fullmatch(name))}
    if not ends:
        return ""
    anchor = min(ends, key=lambda name: ends[name])
    bounds = phrases.between(case.number(f"{anchor}_hit_low"), ends[anchor])
    tested = phrases.count(case.number(f"{anchor}_n"))
    name = anchor.replace("anchor", "anchor ")
    return f"Its hit rate is {bounds} that of {name}, compared over {tested} tested events."


def behind_anchor(case: Situation) -> Said:
    """Held because it has fallen behind an older version."""
    why = (
        "It is shown to be worse than an anchor, an older reference, by more than the margin: in many small steps or "
        "in one."
    )
    waits = Remedy(
        kind="tested_events",
        text="It has to be shown to be within the margin of every anchor. Waiting alone will not do: the model has to "
        "recover first.",
    )
    return said(why, furthest(case), remedies=(waits, *case.by_hand()))


def rollback_to_anchor(case: Situation) -> Said:
    """A rollback because the champion had fallen behind an older version."""
    why = (
        "The champion was shown to be worse than an anchor, an older reference, by more than the margin, so that one "
        "is served again."
    )
    return said(why, furthest(case))


def reference_lost(case: Situation) -> Said:
    """The reference cannot be served again."""
    del case
    return said(
        "The reference is damaged or gone from the store. The youngest anchor that is older than the champion takes "
        "its place, or the champion itself where there is none and nothing speaks against it."
    )


def lift_lost(case: Situation) -> Said:
    """It goes live, and the reference stays."""
    del case
    return said(
        "It goes live and does not become the reference: how much more it finds than the best single source is shown "
        "to have fallen since a younger anchor was made."
    )


ANCHORED: Final = {"behind_anchor": behind_anchor, "reference_lost": reference_lost, "lift_lost": lift_lost}
"""What each reason about anchors is explained by."""

__all__ = ["ANCHORED", "rollback_to_anchor"]
