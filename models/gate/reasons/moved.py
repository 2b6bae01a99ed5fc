"""Explains promotions, rollbacks and changes of the mode. Stage 6."""

from __future__ import annotations

from typing import Final

from models.gate.reasons import phrases
from models.gate.reasons.against_anchors import rollback_to_anchor
from models.gate.reasons.held import against
from models.gate.reasons.situation import Said, Situation, said


def sound(case: Situation) -> Said:
    """Every guard passed."""
    compared = case.interval("reference", "Its") if case.state.mode != "strict" else ""
    return said("It can be served, and no guard spoke against it.", compared)


def first_version(case: Situation) -> Said:
    """Nothing was served before."""
    del case
    return said("No version was served before it, so nothing but a fault could hold it.")


def requested(case: Situation) -> Said:
    """An operator asked."""
    return said(f"{case.actor} asked for it: {case.detail}.")


def forced(case: Situation) -> Said:
    """Regardless of the evidence."""
    compared = case.interval(against(case), "Its")
    return said("It was forced: the evidence was not asked.", compared)


def superior(case: Situation) -> Said:
    """Shown to be better."""
    return said("It is shown to find more than the champion.", case.interval("champion", "Its"))


def not_inferior(case: Situation) -> Said:
    """Shown to be no worse, several times in a row."""
    why = (
        f"It is shown to be no worse than the champion by more than {phrases.points(case.margin('champion'))}, as were "
        f"the versions before it, {case.policy.passes} in a row."
    )
    return said(why, case.interval("champion", "Its"))


def champion_old(case: Situation) -> Said:
    """The champion was served for long."""
    age = phrases.span(max(0.0, case.at - case.state.promoted_at))
    why = (
        f"The champion had been served for {age}. Each {phrases.span(case.policy.max_age)} mode strict takes a look, "
        "one of few, and replaces it by a version that the look finds to be no worse by more than "
        f"{phrases.points(case.margin('champion'))}."
    )
    return said(why, case.interval("champion", "Its"))


def recovered(case: Situation) -> Said:
    """The wait after a rollback is over."""
    why = "After a rollback it is the first to be shown to be no worse than the champion."
    return said(why, case.interval("champion", "Its"))


def proven(case: Situation) -> Said:
    """A rebuilt model is accepted."""
    why = "Its model comes from a rebuild, and is shown to be no worse than the champion."
    return said(why, case.interval("champion", "Its"))


def healthy(case: Situation) -> Said:
    """It becomes the reference."""
    why = (
        f"It is shown to be no worse than the reference by more than {phrases.points(case.margin('reference'))}, over "
        f"{phrases.count(case.policy.healthy_tested)} tested events at least, so it becomes the reference."
    )
    return said(why)


def rollback_harm(case: Situation) -> Said:
    """A rollback because users got worse pages."""
    name = "probation" if case.compared("probation") is not None and case.state.mode == "strict" else "reference"
    who = "The champion's" if name == "probation" else "The learner's"
    then = "an older version is served again" if case.evidence.lost else "it is served again"
    why = f"Users were shown to get worse pages than the reference would give them, so {then}."
    return said(why, case.interval(name, who))


def rollback_crash(case: Situation) -> Said:
    """A rollback because the champion had collapsed."""
    then = "an older version is served again" if case.evidence.lost else "it is served again"
    return said(f"Only the reference was right, too often in a short time, so {then}.")


def bootstrap(case: Situation) -> Said:
    """The baseline orders slates until the ranking has beaten it."""
    why = "The baseline, the best single source, orders slates: the learned ranking has not beaten it yet."
    return said(why, case.interval("learnt", "The learned ranking's"))


def beats_baseline(case: Situation) -> Said:
    """The learned ranking is served."""
    why = "The learned ranking has beaten the baseline, and orders slates from now on."
    return said(why, case.interval("learnt", "The learned ranking's"))


def below_baseline(case: Situation) -> Said:
    """The baseline is served."""
    why = "The learned ranking is shown to be worse than the baseline, which orders slates from now on."
    return said(why, case.interval("learnt", "The learned ranking's"))


def shadow(case: Situation) -> Said:
    """Mode shadow."""
    del case
    return said("The mode is shadow: the baseline orders slates, and the learned ranking is only reported.")


def mode_changed(case: Situation) -> Said:
    """An operator changed the mode."""
    return said(f"{case.actor} changed the mode: {case.detail}.")


def freeze_expired(case: Situation) -> Said:
    """A freeze ran out."""
    return said(f"The freeze ran out, so the mode before it, {case.state.before_freeze}, is in force again.")


MOVED: Final = {
    explained.__name__: explained
    for explained in (
        sound,
        first_version,
        requested,
        forced,
        superior,
        not_inferior,
        champion_old,
        recovered,
        proven,
        healthy,
        bootstrap,
        beats_baseline,
        below_baseline,
        shadow,
        mode_changed,
        freeze_expired,
    )
}
"""What each reason that lets something happen is explained by."""

BACK: Final = {"harm": rollback_harm, "crash": rollback_crash, "behind_anchor": rollback_to_anchor}
"""Reasons that say something else of a rollback than of a hold."""

__all__ = ["BACK", "MOVED"]
