"""The closed sets in which the gate speaks: modes, actions, requests, reasons. Stage 6."""

from __future__ import annotations

from typing import Final, Literal

Mode = Literal["continuous", "strict", "shadow", "manual", "frozen"]
Action = Literal["promote", "hold", "rollback", "mode", "quarantine"]
Verb = Literal["promote", "rollback", "freeze", "thaw", "mode", "quarantine"]

MODE_VERBS: Final = frozenset({"freeze", "thaw", "mode"})
"""Requests that change who decides, whatever the versions are: no version is looked at for them."""
UNSEEN_VERBS: Final = MODE_VERBS | {"quarantine"}
"""Requests for which no version need be loaded here."""
MODES: Final[tuple[Mode, ...]] = ("continuous", "strict", "shadow", "manual", "frozen")
ACTIONS: Final[tuple[Action, ...]] = ("promote", "hold", "rollback", "mode", "quarantine")
"""What a decision can be. Closed: metric labels are made from it. `mode` changes who decides, not what is served, and
`quarantine` what is learnt: it notes an order that goes to the learner."""

REASON_TEXTS: Final = {
    "sound": "every guard passed",
    "first_version": "nothing is served yet",
    "requested": "an operator asked for exactly this",
    "forced": "an operator asked for it whatever the evidence says",
    "no_candidate": "nothing beside what is served",
    "not_newer": "the candidate is what is served, or older",
    "not_older": "an operator asked to go back to what is not older than what is served",
    "no_reference": "there is no last known good version to go back to",
    "unreadable": "damaged, incomplete or gone from the store",
    "wrong_schema": "its tables are declared otherwise than this code's",
    "wrong_dimensions": "an array does not have the declared shape",
    "not_finite": "NaN or infinity in a served table",
    "norms": "its weights are far outside the band of the healthy versions before it",
    "canary_empty": "a canary query had no answer although items exist",
    "canary_not_finite": "a canary query had a score that is no number",
    "canary_repeated": "a canary query had an item twice",
    "canary_unsorted": "a canary query was not in descending order",
    "canary_failed": "a canary query raised",
    "lists_changed": "its lists share little with those served, and the evidence does not say that it is as good",
    "forgetting": "old events that the last known good version finds it does not, and it is not shown to be better now",
    "concentrated": "what users are shown rests on far fewer items than usual, and it is not shown to be better",
    "scores_shifted": "its scores are spread far otherwise than those served, and no evidence says that it is as good",
    "lag": "the learner is far behind the stream: labels come late",
    "bad_records": "too many of the last records were refused",
    "duplicates": "too many of the last records were duplicates",
    "unknown_items": "too many of the last events named items nobody had touched before",
    "one_user": "one user made too many of the last events",
    "few_hits": "what comes is found far less often than usual: such labels are no evidence",
    "shift": "hits fell abruptly, and the evidence does not say that the candidate is better",
    "harm": "worse than what it is compared with, for certain",
    "crash": "only the other model was right, too often in a short time",
    "warmup": "too few tested events to judge it",
    "inconclusive": "shown neither no worse nor worse",
    "passing": "shown no worse, but not yet for enough ticks in a row",
    "dwelling": "too soon after the promotion before",
    "superior": "better than what is served, for certain",
    "not_inferior": "not worse than what is served by more than the margin, for certain",
    "champion_old": "no sign of harm, and what is served is older than it may become",
    "recovering": "after a roll-back, and not yet shown to be no worse than what is served",
    "recovered": "shown to be no worse than what it was rolled back to",
    "unproven": "a rebuilt model, and not yet shown to be no worse than what is served",
    "proven": "a rebuilt model, shown to be no worse than what was served",
    "healthy": "not worse than the last known good version by more than the margin, so it is the new one",
    "bootstrap": "the learnt ranking has not beaten the best single source yet, which is served",
    "beats_baseline": "the learnt ranking has beaten the best single source and is served from now on",
    "below_baseline": "the learnt ranking is worse than the best single source, which is served",
    "shadow": "mode shadow: the best single source is served, the learnt ranking only reported",
    "manual": "mode manual: waiting for an operator",
    "frozen": "mode frozen: nothing moves",
    "cooling_down": "too soon after a roll-back",
    "mode_changed": "an operator changed the mode",
    "freeze_expired": "the freeze ran out; the mode before it is in force again",
}
"""Every reason a decision can name, and what it means. Closed: dashboards and callers may branch on it."""

REASONS: Final = tuple(REASON_TEXTS)

__all__ = ["ACTIONS", "MODES", "MODE_VERBS", "REASONS", "REASON_TEXTS", "UNSEEN_VERBS", "Action", "Mode", "Verb"]
