"""Explains each guard that held a version: what it measured, its threshold, and what outvotes it. Stage 6."""

from __future__ import annotations

import math
from typing import Final

from models.gate.guards import FEW_USERS
from models.gate.reasons import phrases
from models.gate.reasons.situation import Remedy, Said, Situation, said

STREAM_ENDS: Final = "ends by itself once the last records are in order again"


def _stream(text: str) -> Remedy:
    return Remedy(kind="stream", text=text)


def one_user(case: Situation) -> Said:
    """One user caused too many of the last events."""
    window, policy = case.evidence.known.window, case.policy
    most = max(policy.one_user, FEW_USERS / max(window.users, 1))
    why = (
        f"One user caused {phrases.share(window.top_user)} of the last {phrases.count(window.records)} records; "
        f"{phrases.share(most)} is the most. The model is tested on that user as well, so no evidence outvotes this."
    )
    return said(
        why, remedies=(_stream(f"It {STREAM_ENDS}. Is that user a bot? Then keep its events out."), *case.by_hand())
    )


def few_hits(case: Situation) -> Said:
    """Events are found far less often than usual."""
    window = case.evidence.known.window
    why = (
        f"Only {phrases.share(window.hit)} of the last tested events were found, usually {phrases.share(window.usual)} "
        "are: where every model misses, labels are no evidence."
    )
    remedies = [
        _stream(
            "It ends when 95 % of the usual hits are back, or when the low rate has become usual, in an hour or so."
        )
    ]
    if not window.fallen:
        remedies.append(case.until("reference", "better"))
    return said(why, remedies=(*remedies, *case.by_hand()))


def lag(case: Situation) -> Said:
    """The learner is far behind the stream."""
    why = (
        f"The learner is {phrases.span(case.evidence.known.lag)} behind the stream, so labels come late; "
        f"{phrases.span(case.policy.lag)} is the most."
    )
    return said(
        why,
        remedies=(
            _stream("It ends when the learner has caught up; `sluicegate_consumer_lag_records` shows how far it is."),
            case.until("reference", "as_good"),
            *case.by_hand(),
        ),
    )


def _shares(case: Situation, share: float, what: str, most: float) -> Said:
    window = case.evidence.known.window
    why = (
        f"{phrases.share(share)} of the last {phrases.count(window.records)} {what}; {phrases.share(most)} is the most."
    )
    return said(why, remedies=(_stream(f"It {STREAM_ENDS}."), case.until("reference", "as_good"), *case.by_hand()))


def bad_records(case: Situation) -> Said:
    """Too many records were rejected."""
    return _shares(case, case.evidence.known.window.bad, "records were rejected", case.policy.bad)


def duplicates(case: Situation) -> Said:
    """Too many records were duplicates."""
    return _shares(case, case.evidence.known.window.duplicate, "records were duplicates", case.policy.duplicate)


def unknown_items(case: Situation) -> Said:
    """Too many events named items that nobody had touched."""
    what = "records had a tested event whose item nobody had touched before"
    return _shares(case, case.evidence.known.window.unknown, what, case.policy.unknown)


def norms(case: Situation) -> Said:
    """Its weights are outside the band."""
    norm, usual = case.number("norm"), math.exp(case.state.norms.mean)
    why = (
        f"Its weights are far outside the band of the versions that went live: {norm:.3g}, where {usual:.3g} is usual."
    )
    return said(why, remedies=(case.until("reference", "as_good"), *case.by_hand()))


def shift(case: Situation) -> Said:
    """Hits fell abruptly."""
    window, policy, found = case.evidence.known.window, case.policy, case.compared("reference")
    alarm = "Hits fell abruptly"
    if window.lately < policy.shift_share * window.usual:
        why = (
            f"{alarm}: {phrases.share(window.lately)} of the last 100 tested events were found, less than "
            f"{phrases.share(policy.shift_share)} of the usual {phrases.share(window.usual)}. Labels may be garbage."
        )
        waits = _stream("It ends when more is found again, or with the alarm, 2,000 tested events after it was raised.")
        return said(why, remedies=(waits, case.until("reference", "better"), *case.by_hand()))
    compared = found.lately.n if found is not None else 0
    if compared < policy.shift_tested:
        why = (
            f"{alarm}, and nothing tells yet that the candidate is not to blame: {compared} of {policy.shift_tested} "
            "tested events were compared with the reference."
        )
        further = case.counted("reference", policy.shift_tested - compared, "to tell")
        return said(why, remedies=(further, *case.by_hand()))
    assert found is not None
    why = (
        f"{alarm}, and of the last {phrases.count(compared)} tested events the candidate found "
        f"{phrases.points(found.lately.hit / compared)} fewer than the reference, by more than chance."
    )
    waits = _stream(
        "It ends when the candidate finds as much again, or with the alarm, 2,000 tested events after it was raised."
    )
    return said(why, remedies=(waits, case.until("reference", "better"), *case.by_hand()))


def lists_changed(case: Situation) -> Said:
    """Its lists share little with the champion's."""
    why = (
        f"Its lists share {phrases.share(case.number('overlap'))} of their first ten items with the champion's; "
        f"{phrases.share(case.policy.least_overlap)} is the least. Made-up weights look like that."
    )
    return said(why, remedies=(case.until("reference", "as_good"), *case.by_hand()))


def scores_shifted(case: Situation) -> Said:
    """Its scores spread unlike the champion's."""
    why = (
        f"Its scores are spread unlike the champion's: stability index {case.number('score_psi'):.2f} (most "
        f"{case.policy.score_psi:g}), Kolmogorov-Smirnov distance {case.number('score_ks'):.2f} (most "
        f"{case.policy.score_ks:g})."
    )
    return said(why, remedies=(case.until("reference", "as_good"), *case.by_hand()))


def forgetting(case: Situation) -> Said:
    """It misses old events that the reference finds."""
    why = (
        f"Asked again about old events, it misses {phrases.count(case.number('replay_lost'))} of "
        f"{phrases.count(case.number('replay_known'))} that the reference finds, and finds "
        f"{phrases.count(case.number('replay_gained'))} others: more than chance."
    )
    return said(why, remedies=(case.until("reference", "better"), *case.by_hand()))


def concentrated(case: Situation) -> Said:
    """Slates rest on few items."""
    exposed = case.evidence.known.exposed
    why = (
        f"The ten most shown items fill {phrases.share(exposed.top)} of the last slates, usually "
        f"{phrases.share(exposed.usual)}; {phrases.share(exposed.usual + case.policy.crowding)} is the most."
    )
    waits = _stream(
        "It ends when slates are as varied as before, or when the share has become usual, in some 10,000 slates."
    )
    return said(why, remedies=(waits, case.until("reference", "better"), *case.by_hand()))


GUARDED: Final = {
    explained.__name__: explained
    for explained in (
        one_user,
        few_hits,
        lag,
        bad_records,
        duplicates,
        unknown_items,
        norms,
        shift,
        lists_changed,
        scores_shifted,
        forgetting,
        concentrated,
    )
}
"""What each guard is explained by."""

__all__ = ["GUARDED"]
