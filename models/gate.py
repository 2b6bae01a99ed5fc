"""In: the gate's state, evidence on a candidate version, policy, now. Out: promote, hold or roll back, why. Stage 6.

`decide` is pure: cool-downs, consecutive ticks and expiries live in `GateState`, so that the audit can be replayed and
must come to the same decisions.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

Mode = Literal["continuous", "manual", "frozen"]
Action = Literal["promote", "hold", "rollback", "mode"]
Verb = Literal["promote", "rollback", "freeze", "thaw", "mode"]

MODE_VERBS: Final = frozenset({"freeze", "thaw", "mode"})
"""Requests that change who decides, whatever the versions are: no version is looked at for them."""
MODES: Final[tuple[Mode, ...]] = ("continuous", "manual", "frozen")
ACTIONS: Final[tuple[Action, ...]] = ("promote", "hold", "rollback", "mode")
"""What a decision can be. Closed: metric labels are made from it. `mode` changes who decides, not what is served."""

REASONS: Final = (
    "sound",  # every guard passed
    "first_version",  # nothing is served yet
    "requested",  # an operator asked for exactly this
    "no_candidate",  # nothing beside what is served
    "not_newer",  # the candidate is what is served, or older
    "unreadable",  # damaged, incomplete or gone from the store
    "wrong_schema",  # its tables are declared otherwise than this code's
    "wrong_dimensions",  # an array does not have the declared shape
    "not_finite",  # NaN or infinity in a served table
    "canary_empty",  # a canary query had no answer although items exist
    "canary_not_finite",  # a canary query had a score that is no number
    "canary_repeated",  # a canary query had an item twice
    "canary_unsorted",  # a canary query was not in descending order
    "canary_failed",  # a canary query raised
    "manual",  # mode manual: waiting for an operator
    "frozen",  # mode frozen: nothing moves
    "cooling_down",  # too soon after a roll-back
    "mode_changed",  # an operator changed the mode
    "freeze_expired",  # the freeze ran out; the mode before it is in force again
)
"""Every reason a decision can name. Closed: dashboards and callers may branch on it."""


class Version(msgspec.Struct, frozen=True):
    """What the gate needs to know of a version: its name, place in the order, and the stream positions it contains."""

    id: str
    seq: int
    created_at: float = 0.0
    consumed: int = 0
    offsets: dict[str, dict[int, int]] = {}


class Request(msgspec.Struct, frozen=True):
    """What an operator asks for. `until` ends a freeze (epoch seconds); `mode` is the one asked for by verb `mode`."""

    verb: Verb
    actor: str
    reason: str
    mode: Mode | None = None
    until: float | None = None


class Evidence(msgspec.Struct, frozen=True):
    """What is known at one tick. `faults` are reasons the mechanical guards found; `numbers` are measurements.

    `numbers` holds what the guards measured, by name; comparisons of champion and challenger join it under their own
    names, so that the audit's shape does not depend on which guards exist.
    """

    candidate: Version | None = None
    serving: Version | None = None
    faults: tuple[str, ...] = ()
    detail: str = ""
    numbers: dict[str, float] = {}
    request: Request | None = None


class Policy(msgspec.Struct, frozen=True):
    """What the shop wants. Durations in seconds.

    `cooldown` after the first roll-back doubles with each further one up to `cooldown_limit`, so that a learner that
    keeps going wrong is tried less and less often. `freeze` is how long a freeze without an end lasts: a forgotten
    freeze must not stop learning for good. `hold_sample`: a hold that repeats is audited this often.
    """

    cooldown: float = 300.0
    cooldown_limit: float = 21_600.0
    freeze: float = 86_400.0
    hold_sample: float = 60.0
    canary_queries: int = 8


class GateState(msgspec.Struct, frozen=True):
    """What the gate remembers between ticks. `revision` counts decisions that changed it, for compare-and-set.

    `before_freeze` is the mode a thaw returns to; `passes` and `holds` are consecutive ticks; `cool_until` ends the
    pause after a roll-back; `audited_at` is when the last audit record was written and `audit_hash` its hash.
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
    cool_until: float = 0.0
    promoted_at: float = 0.0
    last_action: Action | None = None
    last_reasons: tuple[str, ...] = ()
    audited_at: float = 0.0
    audit_hash: str = ""


class Decision(msgspec.Struct, frozen=True):
    """What to do, why, what was measured, and what to remember. `detail` is a sentence for people."""

    action: Action
    reasons: tuple[str, ...]
    numbers: dict[str, float]
    next_state: GateState
    detail: str = ""

    @property
    def moves(self) -> bool:
        """Whether the serving pointer moves to the candidate."""
        return self.action in {"promote", "rollback"}


def decide(state: GateState, evidence: Evidence, policy: Policy, now: float) -> Decision:
    """Whether users may see the candidate. The first rule that applies wins; `now` is in epoch seconds.

    A sound newer version is promoted:

    >>> new, old = Version("b", 2), Version("a", 1)
    >>> decide(GateState(), Evidence(new, old), Policy(), 0.0).action
    'promote'

    Whatever is wrong with it holds it, also when an operator asks for it:

    >>> bad = Evidence(new, old, faults=("not_finite",), request=Request("promote", "ops", "try it"))
    >>> decide(GateState(), bad, Policy(), 0.0).reasons
    ('not_finite',)
    >>> decide(GateState(), Evidence(old, old), Policy(), 0.0).reasons
    ('not_newer',)

    Modes manual and frozen hold until asked; a frozen gate refuses even that:

    >>> manual, frozen = GateState(mode="manual"), GateState(mode="frozen")
    >>> decide(manual, Evidence(new, old), Policy(), 0.0).reasons
    ('manual',)
    >>> ask = Evidence(new, old, request=Request("promote", "ops", "release"))
    >>> decide(manual, ask, Policy(), 0.0).reasons, decide(frozen, ask, Policy(), 0.0).reasons
    (('requested', 'sound'), ('frozen',))

    An operator rolls back to a version that is older than what is served; learning goes on, and nothing newer goes
    live until the cool-down is over:

    >>> back = decide(GateState(), Evidence(old, new, request=Request("rollback", "ops", "bad slates")), Policy(), 0.0)
    >>> back.action, decide(back.next_state, Evidence(new, old), Policy(), 1.0).reasons
    ('rollback', ('cooling_down',))

    A request about the mode changes the mode alone, and a freeze ends by itself:

    >>> freeze = Evidence(request=Request("freeze", "ops", "sale day", until=60.0))
    >>> stopped = decide(GateState(), freeze, Policy(), 0.0)
    >>> stopped.action, stopped.next_state.mode
    ('mode', 'frozen')
    >>> decide(stopped.next_state, Evidence(new, old), Policy(), 61.0).reasons
    ('freeze_expired', 'sound')
    """
    state, expired = _thawed(state, now)
    request = evidence.request
    if request is not None and request.verb in MODE_VERBS:
        return _change_mode(state, request, policy, now)
    action, reasons = _judge(state, evidence, now)
    if expired:
        reasons = ("freeze_expired", *reasons)
    return Decision(action, reasons, evidence.numbers, _after(state, action, reasons, policy, now), evidence.detail)


def _judge(state: GateState, evidence: Evidence, now: float) -> tuple[Action, tuple[str, ...]]:
    candidate, serving, request = evidence.candidate, evidence.serving, evidence.request
    backwards = request is not None and request.verb == "rollback"
    if state.mode == "frozen":
        return "hold", ("frozen",)
    if candidate is None:
        return "hold", evidence.faults or ("no_candidate",)
    if serving is not None and not backwards and (candidate.id == serving.id or candidate.seq <= serving.seq):
        return "hold", ("not_newer",)
    if state.mode == "manual" and request is None:
        return "hold", ("manual",)
    if now < state.cool_until and request is None:
        return "hold", ("cooling_down",)
    if evidence.faults:
        return "hold", evidence.faults
    if request is not None:
        return ("rollback" if backwards else "promote"), ("requested", "sound")
    return "promote", ("sound",) if serving is not None else ("first_version", "sound")


def needs_candidate(state: GateState, evidence: Evidence, now: float) -> bool:
    """Whether the decision depends on loading the candidate: if not, it need not be fetched at all.

    >>> needs_candidate(GateState(mode="manual"), Evidence(Version("b", 2), Version("a", 1)), 0.0)
    False
    >>> freeze = Request("freeze", "ops", "sale day")
    >>> needs_candidate(GateState(), Evidence(Version("b", 2), Version("a", 1), request=freeze), 0.0)
    False
    """
    if evidence.request is not None and evidence.request.verb in MODE_VERBS:
        return False
    return _judge(_thawed(state, now)[0], evidence, now)[0] != "hold"


def _thawed(state: GateState, now: float) -> tuple[GateState, bool]:
    if state.mode != "frozen" or state.frozen_until is None or now < state.frozen_until:
        return state, False
    return msgspec.structs.replace(state, mode=state.before_freeze, frozen_until=None), True


def _change_mode(state: GateState, request: Request, policy: Policy, now: float) -> Decision:
    mode: Mode = "frozen" if request.verb == "freeze" else state.before_freeze
    if request.verb == "mode":
        mode = request.mode or state.mode
    until = None
    if mode == "frozen":
        until = request.until if request.until is not None else now + policy.freeze
    elif request.verb == "thaw" and state.mode != "frozen":
        mode = state.mode
    fresh = msgspec.structs.replace(
        state,
        mode=mode,
        before_freeze=state.before_freeze if state.mode == "frozen" else state.mode,
        frozen_until=until,
        mode_reason=request.reason,
        mode_actor=request.actor,
    )
    return Decision("mode", ("mode_changed",), {}, _after(fresh, "mode", ("mode_changed",), policy, now))


def _after(state: GateState, action: Action, reasons: tuple[str, ...], policy: Policy, now: float) -> GateState:
    rolled = state.rollbacks + (action == "rollback")
    pause = min(policy.cooldown * 2.0 ** min(rolled - 1, 32), policy.cooldown_limit) if action == "rollback" else 0.0
    return msgspec.structs.replace(
        state,
        revision=state.revision + 1,
        passes=state.passes + 1 if action == "promote" else 0,
        holds=state.holds + 1 if action == "hold" else 0,
        rollbacks=rolled,
        cool_until=now + pause if action == "rollback" else state.cool_until,
        promoted_at=now if action == "promote" else state.promoted_at,
        last_action=action,
        last_reasons=reasons,
    )


def worth_recording(before: GateState, decision: Decision, policy: Policy, now: float) -> bool:
    """Whether a decision joins the audit. A hold that repeats does, once a `hold_sample`; having nothing new does not.

    >>> first = decide(GateState(mode="manual"), Evidence(Version("b", 2), Version("a", 1)), Policy(), 0.0)
    >>> worth_recording(GateState(), first, Policy(), 0.0)
    True
    >>> worth_recording(first.next_state, first, Policy(), 1.0)
    False
    """
    if decision.reasons in {("not_newer",), ("no_candidate",)}:
        return False
    if decision.action != "hold" or before.last_action != "hold" or before.last_reasons != decision.reasons:
        return True
    return now - before.audited_at >= policy.hold_sample


__all__ = [
    "ACTIONS",
    "MODES",
    "MODE_VERBS",
    "REASONS",
    "Action",
    "Decision",
    "Evidence",
    "GateState",
    "Mode",
    "Policy",
    "Request",
    "Version",
    "decide",
    "needs_candidate",
    "worth_recording",
]
