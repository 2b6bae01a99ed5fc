"""The words of the gate: the parts that versions play, modes, actions, requests and reasons. Stage 6.

Every text about the gate that somebody reads uses these words, each for one thing:

    version     a model's state and the offsets of the stream it covers, as the learner committed them
    head        pointer to the newest version
    serving     pointer to the version that answers requests
    champion    the version that is served
    challenger  the learner's model as it stands: the evidence compares it, the newest version is a copy of it
    candidate   the version under judgement: the newest one; none when an operator asks for a rollback
    reference   the last version known to be good, where a rollback leads (pointer `reference`)
    previous    the champion before the current one (pointer `prev`)
    anchor      one of a few older references, by age, that nothing may fall behind by more than the margin
    baseline    the best single source (popularity, co-visitation, ...): what the learned ranking must beat

A model is *shown* to be better, worse or no worse than another by bounds that hold at every moment at once
(models/statistics/confidence.py). Nothing less is called shown.
"""

from __future__ import annotations

from typing import Final, Literal

Mode = Literal["continuous", "strict", "shadow", "manual", "frozen"]
Action = Literal["promote", "hold", "rollback", "mode", "quarantine", "experiment"]
Verb = Literal["promote", "rollback", "freeze", "thaw", "mode", "quarantine", "experiment"]

MODE_VERBS: Final = frozenset({"freeze", "thaw", "mode"})
"""Requests that change the mode. They are decided without looking at any version."""
UNSEEN_VERBS: Final = MODE_VERBS | {"quarantine", "experiment"}
"""Requests that are decided without loading a version."""
VERBS: Final[tuple[Verb, ...]] = ("promote", "rollback", "freeze", "thaw", "mode", "quarantine", "experiment")
"""What an operator can ask for. Closed: metric labels are made from it."""
MODES: Final[tuple[Mode, ...]] = ("continuous", "strict", "shadow", "manual", "frozen")
ACTIONS: Final[tuple[Action, ...]] = ("promote", "hold", "rollback", "mode", "quarantine", "experiment")
"""What a decision can be. Closed: metric labels are made from it. `mode` changes who decides and leaves the champion;
`quarantine` records an order that goes to the learner, `experiment` that an experiment on users begins or ends."""

REASON_TEXTS: Final = {
    "sound": "every guard passed",
    "first_version": "no version is served yet",
    "requested": "an operator asked for exactly this",
    "forced": "an operator asked for it regardless of the evidence",
    "no_candidate": "there is no candidate",
    "not_newer": "the candidate is the champion, or older",
    "not_older": "an operator asked for a rollback, and no version to go back to is older than the champion",
    "no_reference": "there is no reference to roll back to",
    "unreadable": "damaged, incomplete or gone from the store",
    "wrong_schema": "its tables are declared differently from this code's",
    "wrong_dimensions": "an array does not have the declared shape",
    "not_finite": "NaN or infinity in a served table",
    "norms": "its weights are far outside the band of the healthy versions before it",
    "canary_empty": "a canary query had no answer although items exist",
    "canary_not_finite": "a canary query had a score that is not a number",
    "canary_repeated": "the answer to a canary query had an item twice",
    "canary_unsorted": "the answer to a canary query was not in descending order",
    "canary_failed": "a canary query raised an error",
    "lists_changed": "its lists share little with the champion's",
    "forgetting": "it misses old events that the reference finds",
    "concentrated": "slates rest on far fewer items than usual",
    "scores_shifted": "its scores spread unlike the champion's",
    "lag": "the learner is far behind the stream, so labels come late",
    "bad_records": "too many of the last records were rejected",
    "duplicates": "too many of the last records were duplicates",
    "unknown_items": "too many of the last events named items that nobody had touched before",
    "one_user": "one user caused too many of the last events",
    "few_hits": "events are found far less often than usual: such labels are no evidence",
    "shift": "hits fell abruptly",
    "harm": "shown to be worse than the version it is compared with",
    "crash": "only the other model was right, too often in a short time",
    "behind_anchor": "shown to be worse than an anchor by more than the margin, in many small steps or in one",
    "reference_lost": "the reference is damaged or gone from the store, so another version takes its place",
    "lift_lost": "its lift over the best single source is shown to have fallen, so the reference stays",
    "warmup": "too few tested events to judge it",
    "inconclusive": "shown to be neither worse nor no worse",
    "passing": "shown to be no worse, but not yet for enough versions in a row",
    "dwelling": "too soon after the last promotion",
    "superior": "shown to be better than the champion",
    "not_inferior": "shown to be no worse than the champion by more than the margin",
    "champion_old": "the champion is old, and a look, one of few, found the candidate no worse by more than the margin",
    "recovering": "after a rollback, and not yet shown to be no worse than the champion",
    "recovered": "after a rollback, shown to be no worse than the champion",
    "unproven": "a rebuilt model, not yet shown to be no worse than the champion",
    "proven": "a rebuilt model, shown to be no worse than the champion",
    "healthy": "no worse than the reference by more than the margin, so it becomes the reference",
    "bootstrap": "the learned ranking has not beaten the baseline yet, so the baseline is served",
    "beats_baseline": "the learned ranking has beaten the baseline and is served from now on",
    "below_baseline": "the learned ranking is worse than the baseline, so the baseline is served",
    "shadow": "mode shadow: the baseline is served, the learned ranking is only reported",
    "manual": "mode manual: waiting for an operator",
    "frozen": "mode frozen: nothing moves",
    "cooling_down": "too soon after a rollback",
    "mode_changed": "an operator changed the mode",
    "freeze_expired": "the freeze ran out, and the mode before it is in force again",
}
"""Every reason that a decision can name, and its meaning. Closed: dashboards and callers may branch on it."""

REASONS: Final = tuple(REASON_TEXTS)

__all__ = [
    "ACTIONS",
    "MODES",
    "MODE_VERBS",
    "REASONS",
    "REASON_TEXTS",
    "UNSEEN_VERBS",
    "VERBS",
    "Action",
    "Mode",
    "Verb",
]
