"""What goes into a decision and what comes out of it, as plain records. Stage 6."""

from __future__ import annotations

import msgspec

from models.gate.vocabulary import Action, Mode, Verb
from models.statistics import Standing


class Version(msgspec.Struct, frozen=True):
    """What the gate needs to know of a version: its name, place in the order, and the stream positions it contains.

    `rebuilt` names the rebuild its model comes from, "" for the one that was never rebuilt.
    """

    id: str
    seq: int
    created_at: float = 0.0
    consumed: int = 0
    offsets: dict[str, dict[int, int]] = {}
    rebuilt: str = ""


class Request(msgspec.Struct, frozen=True):
    """What an operator asks for. `until` ends a freeze (epoch seconds); `mode` is the one asked for by verb `mode`.

    `force`: promote or go back whatever the evidence says. What cannot be served is not served even so.
    """

    verb: Verb
    actor: str
    reason: str
    mode: Mode | None = None
    until: float | None = None
    force: bool = False


class Evidence(msgspec.Struct, frozen=True):
    """What is known at one tick. `faults` are reasons the mechanical guards found; `numbers` are measurements.

    `reference` is the last known good version. `previous`: the one served before. `standing` came inside the
    candidate, from the learner. `faults` are about the version that would be served: the decision's `target`.
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


class Policy(msgspec.Struct, frozen=True):
    """What the shop wants. Durations in seconds, shares of 1; each number with its reason in docs/gate.md.

    `cooldown` after the first roll-back doubles with each further one up to `cooldown_limit`, so that a learner that
    keeps going wrong is tried less and less often. `freeze` is how long a freeze without an end lasts: a forgotten
    freeze must not stop learning for good. `hold_sample`: a hold that repeats is audited this often.
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
    forgotten: float = 0.1
    least_replayed: int = 50
    crowding: float = 0.2
    lag: float = 900.0
    window: int = 1_000
    bad: float = 0.3
    duplicate: float = 0.5
    unknown: float = 0.9
    one_user: float = 0.2


class Band(msgspec.Struct, frozen=True):
    """Fading mean and mean square of a measure over the versions that went live."""

    n: int = 0
    mean: float = 0.0
    square: float = 0.0


class GateState(msgspec.Struct, frozen=True):
    """What the gate remembers between ticks. `revision` counts decisions that changed it, for compare-and-set.

    `before_freeze` is the mode a thaw returns to; `passes` are consecutive versions shown to be no worse, `passed` the
    last of them; `holds` are consecutive holds; `cool_until` ends the pause after a roll-back; `recovering`: since the
    last one nothing was shown to be as good as what is served.
    `baseline`: the best single source is served in place of the learnt ranking; `proven`: that ranking has beaten it.
    `audited_at` is when the last audit record was written and `audit_hash` its hash.
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
    norms: Band = Band()
    last_action: Action | None = None
    last_reasons: tuple[str, ...] = ()
    audited_at: float = 0.0
    audit_hash: str = ""


class Decision(msgspec.Struct, frozen=True):
    """What to do, why, what was measured, and what to remember. `detail` is a sentence for people.

    `target`: the version to be served from now on, None to leave it. `reference`: the new last known good one.
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
        """Whether the serving pointer moves to the target."""
        return self.action in {"promote", "rollback"}


__all__ = ["Band", "Decision", "Evidence", "GateState", "Policy", "Request", "Version"]
