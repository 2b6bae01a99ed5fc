"""Moves the serving pointer when the gate says so. Stage 6.

One background thread: read the gate and the pointers, follow `serving`, and when `head` is newer load it into the idle
tables, examine it, decide. Several services do this at once; the compare-and-set in the store lets one decision through
and the others follow it.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from typing import Final

import msgspec

from models import gate
from models.experiments import SETTINGS, CannotRun, Kept, encoded, with_settings
from models.gate import AuditRecord, Decision, Evidence, GateState, Request, Version, audit
from models.recommender import new_scratch
from models.snapshot import Damaged, Incompatible, TooNew
from models.state import Schema
from models.warmup import LASTS, SERVING, compile_apart, compiled, warm_serving
from service.gate.canary import Findings, contrast, inspect
from service.gate.evidence import EvidenceReader
from service.gate.follower import Backoff, Follower, version_of
from service.gate.policy import policy_of
from service.gate.recall import forgotten
from service.gate.setback import Setback
from service.gate.state_reader import StateReader, StateUnreadable
from service.runtime import logs
from service.runtime.telemetry import Telemetry
from service.serving import Experiments, TableSet, TableSets
from streaming.settings import Settings
from streaming.store import Pointer, Store, StoreUnavailable, VersionGone
from streaming.versions import NoSoundVersion

STORE_RETRY: Final = 0.5
"""Seconds to wait after the store failed to answer."""
TRIES: Final = 20
"""Times that an order about experiments is tried while the gate itself, or another replica's, decides in between."""
STOP_PATIENCE: Final = 2.0
"""Seconds that a tick under way has to end when the process was asked to."""
NO_NEWS: Final = {("sound",), ("sound", "lift_lost")}
"""Reasons of promotions that the log leaves out: they come once a second."""
UNSAID: Final = frozenset({"offsets", "at", "state", "evidence", "policy"})
"""Fields of an audit record that the log leaves out: they are long, and the audit has them."""


class RevisionConflict(Exception):
    """The gate is no longer in the state that the operator saw. `revision` is its current one."""

    def __init__(self, revision: int) -> None:
        super().__init__(f"the gate is at revision {revision}")
        self.revision = revision


class Gatekeeper:
    """Decides, in its own thread tick by tick and under the same lock for operators' requests, and carries it out."""

    def __init__(
        self,
        store: Store,
        tables: TableSets,
        schema: Schema,
        settings: Settings,
        telemetry: Telemetry,
        name: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Make a gatekeeper; `start` begins to follow and to decide.

        Args:
            store: Where pointers, gate and audit are.
            tables: The table sets that requests read.
            schema: What the tables of a version must look like.
            settings: The policy, the initial mode, and how often to look.
            telemetry: The metrics of this process.
            name: What the audit calls this service.
            clock: Returns epoch seconds.
        """
        self._store, self._tables, self._schema = store, tables, schema
        self._settings, self._telemetry, self._clock = settings, telemetry, clock
        self.name = name
        self.policy = policy_of(settings)
        self.reader = EvidenceReader(store)
        self.follower = Follower(tables, schema, telemetry, clock)
        self.store_error = ""
        """Why Redis did not answer; empty when it did."""
        self.refusal = ""
        """Which command Redis refused in the last tick, and why; empty when it took all of them."""
        self.kernels = "not compiled yet"
        self.evidence = Evidence()
        """The evidence of the last decision."""
        self.numbers: dict[str, float] = {}
        """The numbers of the last decision."""
        self.state = GateState(mode=settings.gate.mode, before_freeze=_before(settings.gate.mode))
        self.experiments = Experiments()
        """The experiments on users, as Redis had them at the last look."""
        self._registered, self._emptied = False, False
        self.moved: Callable[[Decision], None] = lambda _: None
        """Called with each decision of the thread that moved the pointer."""
        self._scratch = new_scratch()
        self._states = StateReader()
        self._rescue = Backoff()
        self._setback = Setback()
        self._inspected, self._asked_all = ("", "", 0.0), 0.0
        self._findings = Findings((), "", {})
        self._faults: dict[str, Findings] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gatekeeper", daemon=True)

    @property
    def revision(self) -> int:
        """The gate's revision in Redis, as it was read last."""
        return self.state.revision

    @property
    def ready(self) -> bool:
        """Whether the champion is loaded, or Redis says that there is no version yet."""
        return self._tables.active is not None or (self.follower.looked and not self.follower.load_error)

    # The thread

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread. One that compiles kernels or loads a base is left behind: it changes nothing by dying."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(STOP_PATIENCE)

    def _run(self) -> None:
        wait = 0.0
        while not self._stop.wait(wait):
            try:
                if self.kernels != "ok":
                    self._compile()
                    if self._stop.is_set():
                        return
                self._store.leave_replica()
                decision = self.tick()
                self.refusal = self._states.unreadable
                wait = 0.0 if decision is not None else self._settings.service.poll_interval
                if decision is not None:
                    self.moved(decision)
                if not self._registered:
                    self._register()
            except StoreUnavailable as error:
                wait = STORE_RETRY
                if error.kind == "other":  # Redis answers: what it refused is a fault here, no outage
                    self._refused(error)
                else:
                    self._store_failed(error)
            except Exception:
                # The thread must outlive any defect: requests go on with the tables that are loaded.
                wait = STORE_RETRY
                self._telemetry.load_failures.inc()
                logs.fault("gate tick failed")

    def _compile(self) -> None:
        # Before the first version is looked at, so that no request waits for it.
        ready = compiled(SERVING)
        self.kernels = "being loaded" if ready else f"being compiled, {LASTS}"
        if not ready:
            logs.say("kernels", detail=self.kernels)
            if not compile_apart("serving", self._stop.wait):
                return
        warm_serving()
        self.kernels = "ok"
        if not ready:
            logs.say("kernels", detail="compiled")

    def _store_failed(self, error: StoreUnavailable) -> None:
        self._telemetry.store_up.set(0)
        if not self.store_error:
            logs.warn("store unavailable", detail=str(error))
        self.store_error = str(error)

    def _refused(self, error: StoreUnavailable) -> None:
        self._telemetry.load_failures.inc()
        if not self.refusal:
            logs.warn("Redis refused a command of the gate", detail=str(error))
        self.refusal = str(error)

    def _store_answered(self) -> None:
        self._telemetry.store_up.set(1)
        if self.store_error:
            logs.say("store available again")
        self.store_error = ""

    # Ticks and requests

    def tick(self) -> Decision | None:
        """Look once. Returns the decision when it moved the pointer."""
        with self._lock:
            return self._tick(None)

    def present(self) -> AuditRecord | None:
        """The decision about the challenger as the gate would take it now; None before it judged one."""
        state, evidence, now = self.state, msgspec.structs.replace(self.evidence, request=None), self._clock()
        if evidence.candidate is None:
            return None
        decision = gate.decide(state, evidence, self.policy, now)
        return audit.record(state, decision, evidence, self.policy, now, self.name)

    def ask(self, request: Request, revision: int) -> Decision:
        """Carry out an operator's request.

        Args:
            request: What the operator asks for.
            revision: The revision of the gate that the operator saw.

        Raises:
            RevisionConflict: The gate is at another revision.
            StoreUnavailable: Redis does not answer.
        """
        with self._lock:
            self._read_gate()
            if self.revision != revision:
                raise RevisionConflict(self.revision)
            decision = self._tick(request)
            if decision is None:
                raise RevisionConflict(self.revision)
            return decision

    def change_experiments(self, actor: str, reason: str, change: Callable[[Kept], Kept]) -> None:
        """Carry out an order about experiments on users: they change and the audit has it, or neither.

        Args:
            actor: Who asks.
            reason: What it is about, in words; it stays in the audit.
            change: Returns the experiments after the order, or raises CannotRun.

        Raises:
            CannotRun: `change` refuses.
            RevisionConflict: The gate itself decided something between all attempts.
            StoreUnavailable: Redis does not answer.
        """
        for _ in range(TRIES):
            with self._lock:
                if self._tick(Request("experiment", actor, reason), change) is not None:
                    return
        raise RevisionConflict(self.revision)

    def _register(self) -> None:
        """Start and end experiments as the settings say, once in the life of this process."""
        asks, share = self._settings.asked_experiments, self._settings.experiments.holdout
        complaints: list[str] = []

        def change(kept: Kept) -> Kept:
            wanted, complaints[:] = with_settings(kept, asks, share, self._clock(), lambda: secrets.token_hex(16))
            return wanted

        with self._lock:
            self._read_gate()
        try:
            if change(self.experiments.kept) != self.experiments.kept:
                self.change_experiments(SETTINGS, "experiments as the settings have them", change)
        except RevisionConflict:
            return  # again after the next look
        except CannotRun as error:
            complaints.append(str(error))
        for complaint in complaints:
            logs.warn("experiment not started", detail=complaint)
        self._registered = True

    def _tick(self, request: Request | None, change: Callable[[Kept], Kept] | None = None) -> Decision | None:
        self._read_gate()
        # From what was read at this revision, at which the decision is stored or lost.
        experiments = encoded(change(self.experiments.changeable())) if change is not None else None
        pointers = self._store.pointers()
        self._store_answered()
        past = request is None and self._setback.lasts
        if past and not self._repaired(pointers):
            return None
        # A freeze must not wait until a version is loaded.
        waits = not past and (request is None or request.verb not in gate.UNSEEN_VERBS)
        gone = self._dropped(pointers)
        followed = self.follower.follow(pointers, load=waits)
        if self._states.unreadable and (request is None or request.verb not in gate.MODE_VERBS):
            if request is not None:
                raise StateUnreadable(self._states.unreadable)
            return None
        if request is None and not followed:
            # The served version could not be loaded here; another replica may be fine, so this one does not decide.
            return None
        active = self._tables.active
        champion = version_of(active.manifest) if active is not None and ("serving" in pointers or gone) else None
        evidence = self._with_lost(self.reader.evidence(pointers, champion, request))
        decision = self._judge(evidence, experiments)
        if decision is None and waits and self.evidence.reference is not None:
            # In a tick that moved nothing: no version waits for the copy.
            self.follower.keep(self.evidence.reference.id)
        return decision

    def _with_lost(self, evidence: Evidence) -> Evidence:
        """The evidence, with the reference among the lost versions when it is gone, or was found to be damaged."""
        reference = evidence.reference
        if reference is None or not (reference.id == self.follower.unkept or self._store.gone(reference.id)):
            return evidence
        return msgspec.structs.replace(evidence, lost=(reference.id,))

    def _repaired(self, pointers: dict[str, Pointer]) -> bool:
        """Whether the learner has written a version since Redis went back, newer than the champion."""
        head, active = pointers.get("head"), self._tables.active
        return active is None or (head is not None and head.seq > active.manifest.seq)

    def _dropped(self, pointers: dict[str, Pointer]) -> bool:
        """Drop the serving pointer when its version is gone, so that no replica can load it; whether it was."""
        serving, active = pointers.get("serving"), self._tables.active
        if serving is None or (active is not None and active.id == serving.id):
            return False
        if not self._store.gone(serving.id):
            return False
        del pointers["serving"]
        return True

    def _read_gate(self) -> None:
        record = self._store.gate()
        self._setback.note(self.revision, record.revision)
        # An emptied Redis knows no state: ours goes on, at the revision that the next decision must be made at.
        self.state = self._states.read(record, self.state)
        self._telemetry.gate(self.state)
        self._tables.serve_baseline(self.state.baseline)
        # An emptied Redis knows none either: ours are written again with the next decision.
        self._emptied = not record.revision and bool(self.experiments.kept)
        if not self._emptied:
            self._take_experiments(record.experiments)

    def _take_experiments(self, raw: bytes) -> None:
        try:
            self.experiments.take(raw)
        except CannotRun as error:  # of another release: those that were known go on
            logs.warn("experiments cannot be read", detail=str(error))

    def _judge(self, evidence: Evidence, experiments: bytes | None = None) -> Decision | None:
        now = self._clock()
        target = gate.wanted(self.state, evidence, self.policy, now)
        if target is not None and evidence.request is None and self._must_wait(evidence, target):
            return None
        while target is not None:
            evidence = self._examined(evidence, target, now)
            if not evidence.faults or _challenges(evidence, target):
                break
            # Users do not wait for a version that the store has lost: an older one may be there.
            evidence = msgspec.structs.replace(evidence, faults=(), lost=(*evidence.lost, target.id))
            target = gate.wanted(self.state, evidence, self.policy, now)
        decision = gate.decide(self.state, evidence, self.policy, now)
        self.evidence, self.numbers = evidence, decision.numbers
        if not gate.worth_recording(self.state, decision, self.policy, now) and evidence.request is None:
            return None
        if not self._commit(decision, evidence, now, experiments):
            return None
        return decision if decision.moves or evidence.request is not None else None

    def _must_wait(self, evidence: Evidence, target: Version) -> bool:
        """Whether a version to be served is in its pause, or is the challenger and lost.

        Where the challenger that was seen a moment ago is gone, Redis went back, and nothing is wrong with anything.
        """
        if self._pause(evidence, target).waiting:
            return True
        known = [each for each in (self._tables.active, self._tables.idle) if each is not None and each.id == target.id]
        return not known and _challenges(evidence, target) and self._store.gone(target.id)

    def _pause(self, evidence: Evidence, target: Version) -> Backoff:
        """The pause that a version to be served must wait for: users do not wait for a faulty challenger's."""
        return self.follower.backoff if _challenges(evidence, target) else self._rescue

    def _commit(self, decision: Decision, evidence: Evidence, now: float, experiments: bytes | None = None) -> bool:
        entry = audit.record(self.state, decision, evidence, self.policy, now, self.name)
        state = msgspec.structs.replace(decision.next_state, audited_at=now, audit_hash=entry.hash)
        try:
            won = self._stored(decision, state, entry, experiments)
        except VersionGone:
            won = False
        if not won:
            # Another service decided first, or the learner has moved on; the next look shows what is there now.
            return False
        self._telemetry.decisions[decision.action].inc()
        for reason in decision.reasons:
            self._telemetry.reasons[reason].inc()
        if evidence.request is not None and decision.action != "hold":
            self._telemetry.operator_decisions[evidence.request.verb].inc()
        if decision.reasons not in NO_NEWS:
            # A promotion of a sound version each second is no news; the audit has it.
            logs.say("gate", **{k: v for k, v in msgspec.to_builtins(entry).items() if k not in UNSAID})
        if decision.moves:
            self.follower.swap(state.baseline)
        self._read_gate()
        return True

    def _stored(
        self, decision: Decision, state: GateState, entry: audit.AuditRecord, experiments: bytes | None
    ) -> bool:
        target = decision.target.id if decision.target else None
        reference = decision.reference.id if decision.reference else None
        written = msgspec.json.encode(state), msgspec.json.encode(entry)
        moved = state.anchors != self.state.anchors
        anchors = [Pointer(each.id, each.seq) for each in state.anchors] if moved else None
        if self._emptied and experiments is None:
            experiments = encoded(self.experiments.kept)
        try:
            return self._store.decide(
                self.revision, *written, target, reference=reference, anchors=anchors, experiments=experiments
            )
        except StoreUnavailable as error:
            if decision.action != "rollback":
                raise
            # Users come first: a harmful version goes, even when the audit has no room. The log holds the record.
            logs.warn("rolled back without an audit record", detail=str(error))
            return self._store.rescue(self.revision, written[0], target or "")

    # Challengers

    def _examined(self, evidence: Evidence, target: Version, now: float) -> Evidence:
        """The evidence with what the mechanical guards find in the version that may be served next."""
        found = self._faults.get(target.id)
        if found is not None:
            return msgspec.structs.replace(evidence, faults=found.faults, detail=found.detail)
        # Once in each silence, all old events are asked again: then they decide (models/gate/silence.py).
        silence = self.reader.learned_at if gate.silent(evidence, self.policy) else 0.0
        if not _challenges(evidence, target) and self._store.gone(target.id):
            # Tables that are at hand here do not help: no pointer may name the version, and no other replica has it.
            detail = f"version {target.id} is gone from the store"
            logs.warn("an older version cannot be served again", version=target.id, detail=detail)
            return msgspec.structs.replace(evidence, faults=("unreadable",), detail=detail)
        faults, detail, numbers = found = self._examine(target.id, now, silence)
        idle = self._tables.idle
        if faults:
            self._reject(target.id, found)
            if self._pause(evidence, target) is self._rescue:
                self._rescue.failed()
        else:
            self._pause(evidence, target).succeeded()
        if _challenges(evidence, target) and idle is not None:
            evidence = msgspec.structs.replace(evidence, candidate=version_of(idle.manifest))
        return msgspec.structs.replace(evidence, faults=faults, detail=detail, numbers=numbers)

    def _examine(self, version: str, now: float, silence: float) -> Findings:
        try:
            self.follower.prepare(version)
        except (Damaged, NoSoundVersion) as error:
            return Findings(("not_finite" if "NaN" in str(error) else "unreadable",), str(error), {})
        except TooNew as error:
            return Findings(("wrong_schema",), str(error), {})
        except Incompatible as error:
            return Findings(("wrong_dimensions",), str(error), {})
        challenger, active = self._tables.idle, self._tables.active
        assert challenger is not None
        looked = challenger.id, active.id if active is not None else "", silence
        if looked != self._inspected:
            # A challenger that is held is looked at five times a second; the same tables answer the same.
            if silence and silence != self._asked_all:
                self.reader.reservoir.put_all()
                self._asked_all = silence
            self._findings = self._inspect(challenger, active, now)
            self._inspected = looked
        return self._findings

    def _inspect(self, challenger: TableSet, active: TableSet | None, now: float) -> Findings:
        started = time.perf_counter()
        queries = self.policy.canary_queries
        faults, detail, numbers = inspect(challenger.state, challenger.recommender, self._schema, queries, now)
        if not faults and active is not None:
            served, over = active.recommender, challenger.recommender
            numbers = numbers | contrast(served, over, challenger.state, queries, now, self._scratch)
            numbers = numbers | forgotten(self.reader.reservoir, self._tables.kept, challenger, self._scratch)
        self._telemetry.loading["check"].observe(time.perf_counter() - started)
        return Findings(faults, detail, numbers)

    def _reject(self, version: str, found: Findings) -> None:
        self._faults = {version: found}
        self._inspected = ("", "", 0.0)
        logs.warn("challenger refused", version=version, faults=found.faults, detail=found.detail)
        self.follower.discard()


def _challenges(evidence: Evidence, target: Version) -> bool:
    """Whether a version to be served is the challenger, and none that is gone back to."""
    return evidence.candidate is not None and evidence.candidate.id == target.id


def _before(mode: gate.Mode) -> gate.Mode:
    return "continuous" if mode == "frozen" else mode


__all__ = ["Gatekeeper", "RevisionConflict"]
