"""Explains the holds that no guard is behind: comparisons, pauses, and modes that wait for somebody. Stage 6."""

from __future__ import annotations

from typing import Final

import msgspec

from models.gate.comparisons import against_champion, against_reference
from models.gate.reasons import phrases
from models.gate.reasons.situation import Remedy, Said, Situation, said

THAW: Final = 'sluicegate gate thaw --reason "..."'


def against(case: Situation) -> str:
    """The comparison that judges a candidate: with the champion where that one is frozen, else with the reference."""
    frozen = case.state.mode == "strict" or case.state.recovering or _rebuilt(case)
    if frozen:
        return "champion"
    judged = against_reference(case.evidence) is not None or against_champion(case.evidence) is None
    return "reference" if judged else "champion"


def _rebuilt(case: Situation) -> bool:
    candidate, champion = case.evidence.candidate, case.evidence.serving
    return candidate is not None and champion is not None and candidate.rebuilt != champion.rebuilt


def harm(case: Situation) -> Said:
    """Held because it is shown to be worse."""
    name = against(case)
    why = f"It is shown to find less than {'the champion' if name == 'champion' else 'the reference'}."
    quarantine = Remedy(
        kind="operator",
        text="If the learner was fed garbage, a quarantine puts the learned tables back to the reference: "
        '`sluicegate gate quarantine add --reason "..."`.',
        command='sluicegate gate quarantine add --reason "..."',
    )
    remedies = (case.until(name, "as_good"), quarantine, *case.by_hand())
    return said(why, case.interval(name, "Its"), remedies=remedies)


def crash(case: Situation) -> Said:
    """Held because only the other model was right, too often."""
    name = against(case)
    found = case.compared(name)
    lost = f", {found.wrong} times against {found.right} in this window of tested events" if found is not None else ""
    why = (
        f"Only {'the champion' if name == 'champion' else 'the reference'} was right, too often in a short time{lost}."
    )
    waits = Remedy(
        kind="tested_events",
        text="A new window begins every 1,000 tested events; it ends when the candidate finds as much again.",
    )
    return said(why, remedies=(waits, *case.by_hand()))


def warmup(case: Situation) -> Said:
    """Too few tested events."""
    found = against_champion(case.evidence)
    have, least = found.n if found is not None else 0, case.policy.least_tested
    why = (
        f"{phrases.count(have)} tested events were compared with the champion; mode strict judges from "
        f"{phrases.count(least)} on."
    )
    if case.evidence.known.paused:
        why += f" Nothing is compared at present: {case.evidence.known.paused}."
    return said(why, remedies=(case.counted("champion", max(0, least - have), "until it is judged"), *case.by_hand()))


def inconclusive(case: Situation) -> Said:
    """Shown to be neither worse nor no worse."""
    why = "It is shown to be neither worse nor no worse than the champion."
    allowed = f"No worse means: not more than {phrases.points(case.margin('champion'))} below."
    age = case.later(
        max(case.state.promoted_at, case.state.looked_at) + case.policy.max_age,
        "A champion that is old is replaced after one of few looks at what was compared: the next comes",
    )
    remedies = (case.until("champion", "as_good"), age, *case.by_hand())
    return said(why, case.interval("champion", "Its"), allowed, remedies=remedies)


def passing(case: Situation) -> Said:
    """No worse, but not yet for enough versions."""
    counts = case.evidence.candidate is not None and case.evidence.candidate.id != case.state.passed
    passed, wanted = case.state.passes + counts, case.policy.passes
    why = (
        f"It is shown to be no worse than the champion, {passed} of {wanted} versions in a row: a single one may be "
        "luck."
    )
    missing = max(1, wanted - passed)
    versions = "version" if missing == 1 else "versions"
    waits = Remedy(
        kind="later_version",
        text=f"{missing} more {versions} of which the same is shown, without one in between that fails.",
    )
    return said(why, case.interval("champion", "Its"), remedies=(waits, *case.by_hand()))


def dwelling(case: Situation) -> Said:
    """Too soon after the last promotion."""
    ends = case.state.promoted_at + case.policy.dwell
    why = f"Mode strict leaves each champion for {phrases.span(case.policy.dwell)} at least."
    return said(why, remedies=(case.later(ends, "That ends"), *case.by_hand()))


def recovering(case: Situation) -> Said:
    """After a rollback."""
    why = "After a rollback a version has to be shown to be no worse than the champion before it goes live."
    remedies = (case.until("champion", "as_good"), *case.by_hand())
    return said(why, case.interval("champion", "Its"), remedies=remedies)


def unproven(case: Situation) -> Said:
    """A rebuilt model."""
    why = (
        "Its model comes from a rebuild, so being newer is no reason to serve it: it has to be shown to be no worse "
        "than the champion."
    )
    undo = Remedy(
        kind="operator",
        text="If it is never accepted, go back to the champion's model: `sluicegate rebuild --undo`.",
        command="sluicegate rebuild --undo",
    )
    remedies = (case.until("champion", "as_good"), *case.by_hand(), undo)
    return said(why, case.interval("champion", "Its"), remedies=remedies)


def cooling_down(case: Situation) -> Said:
    """Too soon after a rollback."""
    ends, times = case.state.cool_until, case.state.rollbacks
    row = f", the {_nth(times)} in a row" if times > 1 else ""
    why = f"Nothing newer goes live for a while after a rollback{row}."
    return said(why, remedies=(case.later(ends, "The pause ends"), *case.by_hand()))


def _nth(number: int) -> str:
    ends = {1: "st", 2: "nd", 3: "rd"}
    return f"{number}{ends.get(number % 10, 'th') if number % 100 not in {11, 12, 13} else 'th'}"


def manual(case: Situation) -> Said:
    """Waiting for an operator."""
    who = f", set by {case.state.mode_actor}: {case.state.mode_reason}" if case.state.mode_reason else ""
    why = f"The mode is manual{who}. A version goes live when an operator asks for it."
    by_hand = case.by_hand() or (
        Remedy(
            kind="operator",
            text='An operator can ask for it: `sluicegate gate promote --reason "..."`.',
            command='sluicegate gate promote --reason "..."',
        ),
    )
    return said(why, remedies=by_hand)


def frozen(case: Situation) -> Said:
    """The gate is frozen."""
    state = case.state
    who = f" by {state.mode_actor}: {state.mode_reason}" if state.mode_actor else ""
    why = f"The gate is frozen{who}. Nothing goes live, not even by request."
    thaw = Remedy(kind="operator", text=f"An operator can end the freeze: `{THAW}`.", command=THAW)
    ends = () if state.frozen_until is None else (case.later(state.frozen_until, "The freeze ends by itself"),)
    return said(why, remedies=(*ends, thaw))


NEXT: Final = Remedy(kind="later_version", text="The next version that the learner commits is judged at once.")


def no_candidate(case: Situation) -> Said:
    """No version was written."""
    del case
    return said("There was no version to judge: the learner has written none, or it cannot be read.", remedies=(NEXT,))


def not_newer(case: Situation) -> Said:
    """The candidate is the champion, or older."""
    champion = case.evidence.serving
    name = f" ({champion.id})" if champion is not None else ""
    return said(f"It is the champion{name} or older, and only newer versions go live.", remedies=(NEXT,))


def not_older(case: Situation) -> Said:
    """Nothing to roll back to."""
    del case
    return said("An operator asked for a rollback, and no version to go back to is older than the champion.")


def no_reference(case: Situation) -> Said:
    """No reference."""
    del case
    return said("An operator asked for a rollback before any version was served.")


HELD: Final = {
    explained.__name__: explained
    for explained in (
        harm,
        crash,
        warmup,
        inconclusive,
        passing,
        dwelling,
        recovering,
        unproven,
        cooling_down,
        manual,
        frozen,
        no_candidate,
        not_newer,
        not_older,
        no_reference,
    )
}
"""What each of these holds is explained by."""


def next_holds(case: Situation, reasons: tuple[str, ...]) -> tuple[str, ...]:
    """Reasons that would hold the same candidate once a pause or a freeze is over.

    Args:
        case: The decision.
        reasons: Its reasons.
    """
    if "cooling_down" in reasons:
        return case.then(case.state, case.state.cool_until)
    if "frozen" in reasons:
        return case.then(msgspec.structs.replace(case.state, mode=case.state.before_freeze, frozen_until=None), case.at)
    return ()


__all__ = ["HELD", "next_holds"]
