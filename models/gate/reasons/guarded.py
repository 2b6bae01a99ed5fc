"""Explains each guard that held a version: what it measured, its threshold, and what outvotes it. Stage 6."""

from __future__ import annotations

import math
from typing import Final

from models.gate.comparisons import lacking, least_compared
from models.gate.guards import FEW_USERS, GUARDS, Yields, garbage
from models.gate.reasons import phrases
from models.gate.reasons.situation import Remedy, Said, Situation, said
from models.gate.silence import lost

STREAM_ENDS: Final = "ends by itself once the last records are in order again"


def _stream(text: str) -> Remedy:
    return Remedy(kind="stream", text=text)


def _ways(case: Situation, reason: str, *ends: Remedy) -> tuple[Remedy, ...]:
    """How an alarm ends by itself, which evidence outvotes it (by the table of guards), what an operator can do."""
    holds = [guard for guard in GUARDS if guard.reason == reason and guard.holds(case.case)]
    outvoted = (remedy for guard in holds[:1] for remedy in _outvoted(case, guard.yields_to))
    return (*ends, *outvoted, *_in_silence(case), *case.by_hand())


def _in_silence(case: Situation) -> tuple[Remedy, ...]:
    """What ends an alarm when no event comes any more; () where that does not."""
    if case.evidence.standing is None or lost(case.evidence, case.policy):
        return ()
    lasts, longer = phrases.span(case.policy.quiet), phrases.span(case.policy.quiet_unasked)
    text = (
        f"Should no event come for {lasts}, or for {longer} where few old ones can be asked, those decide: it goes "
        "live unless it finds less of them than the reference."
    )
    return (_stream(text),)


def _outvoted(case: Situation, by: Yields) -> tuple[Remedy, ...]:
    if by == "nothing":
        return ()
    if by == "better":
        return (case.until("reference", "better"),)
    found = case.case.compared
    missing = least_compared(case.policy) - (found.lately.n if found is not None else 0)
    if missing > 0:
        return (case.counted("reference", missing, "to tell whether it finds less than the reference"),)
    text = f"It also goes live as soon as {lacking(found, case.policy)}."
    return (Remedy(kind="tested_events", text=text),)


def one_user(case: Situation) -> Said:
    """One user caused too many of the last events."""
    window, policy = case.evidence.known.window, case.policy
    most = max(policy.one_user, FEW_USERS / max(window.users, 1))
    why = (
        f"One user caused {phrases.share(window.top_user)} of the last {phrases.count(window.records)} records; "
        f"{phrases.share(most)} is the most. The model is tested on that user as well, so no evidence outvotes this."
    )
    ends = _stream(f"It {STREAM_ENDS}. Is that user a bot? Then keep its events out.")
    return said(why, remedies=_ways(case, "one_user", ends))


def _second_look(case: Situation) -> Remedy:
    window = case.evidence.known.window
    return _stream(
        "It ends as soon as labels are shown to be sound: when users who have had an event since hits fell are found "
        f"about as often as usual by their next ones. So far {phrases.count(window.further_hits)} of "
        f"{phrases.count(window.further)} are."
    )


def few_hits(case: Situation) -> Said:
    """Events are found far less often than usual."""
    window = case.evidence.known.window
    why = (
        f"Only {phrases.share(window.hit)} of the last tested events were found, usually {phrases.share(window.usual)} "
        "are: where every model misses, labels are no evidence."
    )
    ends = _stream(
        "It ends when 95 % of the usual hits are back, or when the low rate has become usual, in an hour or so."
    )
    return said(why, remedies=_ways(case, "few_hits", _second_look(case), ends))


def lag(case: Situation) -> Said:
    """The learner is far behind the stream."""
    why = (
        f"The learner is {phrases.span(case.evidence.known.lag)} behind the stream, so labels come late; "
        f"{phrases.span(case.policy.lag)} is the most."
    )
    ends = _stream("It ends when the learner has caught up; `sluicegate_consumer_lag_records` shows how far it is.")
    return said(why, remedies=_ways(case, "lag", ends))


def _shares(case: Situation, reason: str, share: float, what: str, most: float) -> Said:
    window = case.evidence.known.window
    why = (
        f"{phrases.share(share)} of the last {phrases.count(window.records)} {what}; {phrases.share(most)} is the most."
    )
    return said(why, remedies=_ways(case, reason, _stream(f"It {STREAM_ENDS}.")))


def bad_records(case: Situation) -> Said:
    """Too many records were rejected."""
    return _shares(case, "bad_records", case.evidence.known.window.bad, "records were rejected", case.policy.bad)


def duplicates(case: Situation) -> Said:
    """Too many records were duplicates."""
    return _shares(
        case, "duplicates", case.evidence.known.window.duplicate, "records were duplicates", case.policy.duplicate
    )


def unknown_items(case: Situation) -> Said:
    """Too many events named items that nobody had touched."""
    what = "records had a tested event whose item nobody had touched before"
    return _shares(case, "unknown_items", case.evidence.known.window.unknown, what, case.policy.unknown)


def norms(case: Situation) -> Said:
    """Its weights are outside the band."""
    norm, usual = case.number("norm"), math.exp(case.state.norms.mean)
    why = (
        f"Its weights are far outside the band of the versions that went live: {norm:.3g}, where {usual:.3g} is usual."
    )
    return said(why, remedies=_ways(case, "norms"))


def shift(case: Situation) -> Said:
    """Hits fell abruptly."""
    window, policy, found = case.evidence.known.window, case.policy, case.case.compared
    alarm, ends = "Hits fell abruptly", _stream("It ends with the alarm, 2,000 tested events after it was raised.")
    if garbage(case.case):
        why = (
            f"{alarm}: {phrases.share(window.lately)} of the last 100 tested events were found, less than "
            f"{phrases.share(policy.shift_share)} of the usual {phrases.share(window.usual)}. Labels may be garbage."
        )
        return said(why, remedies=_ways(case, "shift", _second_look(case), ends))
    compared, least = (found.lately.n if found is not None else 0), least_compared(policy)
    if compared < least or found is None:
        why = (
            f"{alarm}, and nothing tells yet that the candidate is not to blame: {compared} of {least} "
            "tested events were compared with the reference."
        )
        return said(why, remedies=_ways(case, "shift"))
    why = (
        f"{alarm}, and of the last {phrases.count(compared)} tested events the candidate found "
        f"{phrases.count(-found.lately.hit)} fewer than the reference, more than chance allows."
    )
    return said(why, remedies=_ways(case, "shift", ends))


def lists_changed(case: Situation) -> Said:
    """Its lists share little with the champion's."""
    why = (
        f"Its lists share {phrases.share(case.number('overlap'))} of their first ten items with the champion's; "
        f"{phrases.share(case.policy.least_overlap)} is the least. Made-up weights look like that."
    )
    return said(why, remedies=_ways(case, "lists_changed"))


def scores_shifted(case: Situation) -> Said:
    """Its scores spread unlike the champion's."""
    why = (
        f"Its scores are spread unlike the champion's: stability index {case.number('score_psi'):.2f} (most "
        f"{case.policy.score_psi:g}), Kolmogorov-Smirnov distance {case.number('score_ks'):.2f} (most "
        f"{case.policy.score_ks:g})."
    )
    return said(why, remedies=_ways(case, "scores_shifted"))


def forgetting(case: Situation) -> Said:
    """It misses old events that the reference finds."""
    why = (
        f"Asked again about old events, it misses {phrases.count(case.number('replay_lost'))} of "
        f"{phrases.count(case.number('replay_known'))} that the reference finds, and finds "
        f"{phrases.count(case.number('replay_gained'))} others: more than chance."
    )
    return said(why, remedies=_ways(case, "forgetting"))


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
    return said(why, remedies=_ways(case, "concentrated", waits))


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
