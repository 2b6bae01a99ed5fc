"""Plain records of the gate: evidence, policy and state go into a decision, and a `Decision` comes out. Stage 6."""

from __future__ import annotations

import msgspec

from models.gate.vocabulary import Action, Mode, Verb
from models.statistics import Standing
from models.structs import Prepared


class Version(msgspec.Struct, metaclass=Prepared, frozen=True):
    """What the gate knows of a version.

    Attributes:
        id: its name.
        seq: its place in the order of versions.
        created_at: when it was cut, epoch seconds.
        consumed: records that it covers.
        offsets: topic -> partition -> the next offset, which it does not cover.
        rebuilt: name of the rebuild that its model comes from, "" for a model that was never rebuilt.
    """

    id: str
    seq: int
    created_at: float = 0.0
    consumed: int = 0
    offsets: dict[str, dict[int, int]] = {}
    rebuilt: str = ""


class Request(msgspec.Struct, metaclass=Prepared, frozen=True):
    """What an operator asks for.

    Attributes:
        verb: what to do.
        actor: who asks, the name of a key.
        reason: the operator's own words.
        mode: the mode asked for, with verb `mode`.
        until: end of a freeze, epoch seconds; None takes the policy's.
        force: promote regardless of the evidence. A version with faults is not served even so.
    """

    verb: Verb
    actor: str
    reason: str
    mode: Mode | None = None
    until: float | None = None
    force: bool = False


class Anchor(msgspec.Struct, metaclass=Prepared, frozen=True):
    """An older version that nothing may fall behind by more than the margin (models/gate/anchors.py).

    Attributes:
        id: its name.
        seq: its place in the order of versions.
        since: when it became an anchor, epoch seconds. It keeps this moment when it takes an older anchor's place.
        lift: how much more than the best single source the learned ranking was then shown to find, as the lower bound
            of the difference in hit rate; -1 for nothing.
    """

    id: str
    seq: int
    since: float = 0.0
    lift: float = -1.0


class Evidence(msgspec.Struct, metaclass=Prepared, frozen=True):
    """What is known at one tick.

    Attributes:
        candidate: the version under judgement, None when an operator asks for a rollback.
        serving: the champion.
        reference: the version to roll back to.
        previous: the champion before this one.
        standing: what the learner says of the candidate, read from its manifest.
        faults: reasons that the mechanical guards found against the version that would be served.
        detail: a sentence about the first fault.
        numbers: measurements of the candidate's tables, by name.
        request: what an operator asks for, None in an ordinary tick.
        anchors: the versions that the store names as anchors.
        erased_in: place of the version with the last erasure; older ones may hold a user who was erased.
        quiet: seconds since the service saw a version that had learned an event more, the candidate included.
        lost: ids of older versions that were to be served again and are damaged or gone from the store.
    """

    candidate: Version | None = None
    serving: Version | None = None
    reference: Version | None = None
    previous: Version | None = None
    standing: Standing | None = None
    faults: tuple[str, ...] = ()
    detail: str = ""
    numbers: dict[str, float] = {}
    request: Request | None = None
    anchors: tuple[Version, ...] = ()
    erased_in: int = 0
    quiet: float = 0.0
    lost: tuple[str, ...] = ()

    @property
    def known(self) -> Standing:
        """The standing; an empty one where there is none."""
        return self.standing if self.standing is not None else Standing()


class Policy(msgspec.Struct, metaclass=Prepared, frozen=True):
    """What the shop wants: durations in seconds, shares of 1. docs/gate.md has the reason of each number.

    Attributes:
        cooldown: pause after the first rollback. It doubles with each further one, so that a learner that keeps going
            wrong is tried less and less often.
        cooldown_limit: longest pause.
        forget_rollbacks: time without a rollback after which the pause is the first one again.
        freeze: length of a freeze without an end: a forgotten freeze must not stop learning for good.
        hold_sample: a hold that repeats is audited this often.
        canary_queries: queries put to each candidate.
        alpha: chance that a version shown to be better, or no worse, is not.
        alpha_harm: chance that a version shown to be worse is not.
        alpha_crash: the same of the crash test, in one window.
        alpha_old: chance that a version which is worse by the margin ever replaces an old champion in mode strict.
        fall: least share of the other's hits that a crash has lost.
        margin: difference in hit rate that still counts as no worse.
        margin_relative: the same as a share of the other's hit rate; the larger of the two counts.
        least_tested: tested events before mode strict judges.
        healthy_tested: tested events without harm after which a version becomes the reference.
        passes: versions in a row that must be no worse in mode strict.
        dwell: least time between two promotions in mode strict.
        max_age: time between two looks at which mode strict replaces a champion without waiting for proof.
        least_overlap: share of a canary's list that candidate and champion must have in common.
        overlap_after: events learned before the guards of a young model speak.
        norm_band: half-width of the band of norms, in standard deviations.
        score_psi: population stability index of scores that holds.
        score_ks: Kolmogorov-Smirnov distance of scores that holds.
        shift_share: share of the usual hits below which labels may be garbage, while an alarm is raised.
        shift_tested: tested events that tell how the candidate does against the reference, while an alarm is raised.
            Half of them may be enough (models/gate/comparisons.py).
        shift_deviations: standard errors by which it may find less than the reference among them.
        forgotten: share of the reference's old finds whose loss holds.
        least_replayed: old finds of the reference before forgetting is judged.
        quiet: time without an event after which old events decide about an alarm.
        quiet_unasked: the same while the reference finds fewer of them than `least_replayed`.
        crowding: rise of the ten most shown items' share above usual that holds.
        lag: time that the learner may be behind the stream.
        window: records before shares of the last ones are judged.
        bad: share of rejected records that holds.
        duplicate: share of duplicates that holds.
        unknown: share of events with unknown items that holds.
        one_user: share of one user's events that holds.
        anchors: ages that anchors reach before they are replaced, shortest first.
        lift_age: age up to which an anchor's lift over the best source is compared with today's. A sale may change for
            good how much the ranking adds, and the reference must not wait for that for longer.
    """

    cooldown: float = 300.0
    cooldown_limit: float = 21_600.0
    forget_rollbacks: float = 86_400.0
    freeze: float = 86_400.0
    hold_sample: float = 60.0
    canary_queries: int = 8
    alpha: float = 0.01
    alpha_harm: float = 0.05
    alpha_crash: float = 1e-5
    alpha_old: float = 0.05
    fall: float = 0.5
    margin: float = 0.005
    margin_relative: float = 0.03
    least_tested: int = 2_000
    healthy_tested: int = 2_000
    passes: int = 3
    dwell: float = 60.0
    max_age: float = 600.0
    least_overlap: float = 0.3
    overlap_after: int = 20_000
    norm_band: float = 6.0
    score_psi: float = 1.0
    score_ks: float = 0.4
    shift_share: float = 0.5
    shift_tested: int = 100
    shift_deviations: float = 3.0
    forgotten: float = 0.1
    least_replayed: int = 50
    quiet: float = 60.0
    quiet_unasked: float = 3_600.0
    crowding: float = 0.2
    lag: float = 900.0
    window: int = 1_000
    bad: float = 0.3
    duplicate: float = 0.5
    unknown: float = 0.9
    one_user: float = 0.2
    anchors: tuple[float, ...] = (3_600.0, 86_400.0, 604_800.0)
    lift_age: float = 86_400.0


class Band(msgspec.Struct, metaclass=Prepared, frozen=True):
    """Fading mean and mean square of a measure over the `n` versions that went live."""

    n: int = 0
    mean: float = 0.0
    square: float = 0.0


class GateState(msgspec.Struct, metaclass=Prepared, frozen=True):
    """What the gate remembers between ticks. Moments are in epoch seconds.

    Attributes:
        mode: who decides.
        before_freeze: the mode to which a thaw returns.
        frozen_until: when a freeze ends by itself.
        mode_reason: why the mode was changed last, in the operator's words.
        mode_actor: who changed it.
        revision: decisions recorded so far, for compare-and-set.
        passes: versions in a row that were shown to be no worse than the champion, in mode strict.
        holds: holds in a row.
        rollbacks: rollbacks, each within `forget_rollbacks` of the one before.
        rolled_back_at: moment of the last rollback.
        cool_until: end of the pause after it.
        recovering: nothing was shown to be as good as the champion since a rollback on evidence.
        promoted_at: moment of the last promotion.
        baseline: the baseline is served in place of the learned ranking.
        proven: the learned ranking has beaten the baseline at least once.
        passed: id of the last version that counted for `passes`.
        looks: looks for an old champion since it became the champion.
        looked_at: moment of the last of them, or of the rollback that made it the champion.
        norms: sizes of the weights of the versions that went live.
        former: id of the reference before the current one.
        last_action: action of the last decision.
        last_reasons: its reasons.
        audited_at: when the last audit record was written.
        audit_hash: hash of that record.
        anchors: the anchors, one for each age of the policy, the youngest first. One version may stand in several
            places.
    """

    mode: Mode = "continuous"
    before_freeze: Mode = "continuous"
    frozen_until: float | None = None
    mode_reason: str = ""
    mode_actor: str = ""
    revision: int = 0
    passes: int = 0
    holds: int = 0
    rollbacks: int = 0
    rolled_back_at: float = 0.0
    cool_until: float = 0.0
    recovering: bool = False
    promoted_at: float = 0.0
    baseline: bool = False
    proven: bool = False
    passed: str = ""
    looks: int = 0
    looked_at: float = 0.0
    norms: Band = Band()
    former: str = ""
    last_action: Action | None = None
    last_reasons: tuple[str, ...] = ()
    audited_at: float = 0.0
    audit_hash: str = ""
    anchors: tuple[Anchor, ...] = ()


class Decision(msgspec.Struct, metaclass=Prepared, frozen=True):
    """What to do and why.

    Attributes:
        action: what to do.
        reasons: why, names of `REASON_TEXTS`.
        numbers: what was measured, by name.
        next_state: what to remember.
        detail: a sentence for people.
        target: the new champion, None to leave it.
        reference: the new reference, None to leave it.
    """

    action: Action
    reasons: tuple[str, ...]
    numbers: dict[str, float]
    next_state: GateState
    detail: str = ""
    target: Version | None = None
    reference: Version | None = None

    @property
    def moves(self) -> bool:
        """Whether the pointer `serving` moves to the target."""
        return self.action in {"promote", "rollback"}


__all__ = ["Anchor", "Band", "Decision", "Evidence", "GateState", "Policy", "Request", "Version"]
