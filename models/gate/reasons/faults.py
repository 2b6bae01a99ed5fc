"""Explains the mechanical faults: a version that cannot be served, whatever the evidence says. Stage 6."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from models.gate.reasons.situation import Remedy, Said, Situation, said

LATER: Final = Remedy(
    kind="later_version",
    text="No wait and no command makes this version servable. A later version without the fault goes live by itself; "
    "after a faulty one the gate looks again within half a minute.",
)

RELEASES: Final = Remedy(
    kind="operator",
    text="Learner and service are of different releases: bring both to the same one, then the next version fits.",
)

BACK: Final = Remedy(
    kind="operator",
    text="If every version has it, put the learned tables back to the reference: "
    '`sluicegate gate quarantine add --reason "..."`.',
    command='sluicegate gate quarantine add --reason "..."',
)

TEXTS: Final = {
    "unreadable": ("it is damaged, incomplete or gone from the store", ()),
    "wrong_schema": ("its tables are declared differently from this service's", (RELEASES,)),
    "wrong_dimensions": ("one of its arrays does not have the declared shape", (RELEASES,)),
    "not_finite": ("a table that requests read holds NaN or an infinity", (BACK,)),
    "canary_empty": ("a canary query had no answer although there are items", (BACK,)),
    "canary_not_finite": ("the answer to a canary query had a score that is not a number", (BACK,)),
    "canary_repeated": ("the answer to a canary query had an item twice", (BACK,)),
    "canary_unsorted": ("the answer to a canary query was not in descending order", (BACK,)),
    "canary_failed": ("a canary query raised an error", (BACK,)),
}


def _explained(text: str, also: tuple[Remedy, ...]) -> Callable[[Situation], Said]:
    def told(case: Situation) -> Said:
        detail = f" ({case.detail})" if case.detail and case.actor == "auto" else ""
        return said(f"It cannot be served: {text}{detail}.", remedies=(LATER, *also))

    return told


FAULTS: Final = {reason: _explained(text, also) for reason, (text, also) in TEXTS.items()}
"""What each fault is explained by."""

__all__ = ["FAULTS"]
