"""In: the store's pointers. Out: the serving pointer moved when the gate says so, table sets that follow it. Stage 6.

One background thread: look, follow `serving`, and when `head` is newer load it into the idle set, examine it, decide.
Several services do this at once; the compare-and-set in the store lets one decision through and the others follow it.
"""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from typing import Final

import msgspec

from models import gate
from models.gate import Decision, Evidence, GateState, Request, Version, audit
from models.recommender import new_scratch
from models.snapshot import Damaged, Incompatible, Manifest, TooNew
from models.state import Schema
from models.warmup import warm_serving
from service.gate.canary import Findings, contrast, inspect
from service.gate.evidence import EvidenceReader
from service.gate.policy import policy_of
from service.gate.recall import forgotten
from service.runtime import Telemetry, logs
from service.serving import TableSet, TableSets
from streaming.settings import Settings
from streaming.store import Pointer, Store, StoreUnavailable, VersionGone
from streaming.versions import NoSoundVersion

# Seconds before another candidate is examined after one was found faulty, doubled up to the limit: a learner that keeps
# writing faulty versions would otherwise have this process load a base each second.
RETRY: Final = 0.5
RETRY_LIMIT: Final = 30.0
# Seconds to wait after the store failed to answer.
STORE_RETRY: Final = 0.5
# Seconds between two lines of the log that name the served version.
SAY_SERVING: Final = 60.0
# Seconds that a tick under way has to end when the process was asked to.
STOP_PATIENCE: Final = 2.0
# Ways of preparing tables after which there are many new objects that stay.
WHOLE: Final = frozenset({"copy", "load"})
# Canary queries put to a version that another service has examined already.
WARM_QUERIES: Final = 3


# Fields of an audit record that the log leaves out: long, and in the audit.
UNSAID: Final = frozenset({"offsets", "at", "state", "evidence", "policy"})


class RevisionConflict(Exception):
    """The gate's state is not the one the operator saw. `revision` is what it is now."""

    def __init__(self, revision: int) -> None:
        super().__init__(f"the gate is at revision {revision}")
        self.revision = revision


class Gatekeeper:
    """Follows and decides: in its own thread tick by tick, and under the same lock for operators' requests."""

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
        self._store, self._tables, self._schema = store, tables, schema
        self._settings, self._telemetry, self._clock = settings, telemetry, clock
        self.name = name
        self.policy = policy_of(settings)
        self.gathering = EvidenceReader(store)
        self._scratch = new_scratch()
        self._inspected = ("", "")
        self._findings = Findings((), "", {})
        self.looked = False
        self.store_error = ""
        self.load_error = ""
        self.kernels = "not compiled yet"
        self.head: Pointer | None = None
        self.evidence = Evidence()
        self.numbers: dict[str, float] = {}
        self.state = GateState(mode=settings.gate.mode, before_freeze=_before(settings.gate.mode))
        self.revision = 0
        self.moved: Callable[[Decision], None] = lambda _: None
        self._faults: dict[str, tuple[tuple[str, ...], str]] = {}
        self._unkept: set[str] = set()
        self._failures = 0
        self._not_before = 0.0
        self._said = 0.0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gatekeeper", daemon=True)

    # -- the thread -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to follow."""
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
                decision = self.tick()
                wait = 0.0 if decision is not None else self._settings.service.poll_interval
                if decision is not None:
                    self.moved(decision)
            except StoreUnavailable as error:
                wait = STORE_RETRY
                self._store_failed(error)
            except Exception:
                # The thread that follows must outlive any defect: requests go on with what is loaded.
                wait = STORE_RETRY
                self._telemetry.load_failures.inc()
                logs.fault("gate tick failed")

    def _compile(self) -> None:
        # Before the first version is looked at, so that no request is the one that waits for it.
        self.kernels = "being compiled, once on this machine"
        warm_serving()
        self.kernels = "ok"

    def _store_failed(self, error: StoreUnavailable) -> None:
        self._telemetry.store_up.set(0)
        if not self.store_error:
            logs.warn("store unavailable", detail=str(error))
        self.store_error = str(error)

    def tick(self) -> Decision | None:
        """One look. Returns the decision when it moved the pointer."""
        with self._lock:
            return self._tick(None)

    def ask(self, request: Request, revision: int) -> Decision:
        """Carry out an operator's request. Raises RevisionConflict, and StoreUnavailable."""
        with self._lock:
            self._read_gate()
            if self.revision != revision:
                raise RevisionConflict(self.revision)
            decision = self._tick(request)
            if decision is None:
                raise RevisionConflict(self.revision)
            return decision

    # -- one tick ---------------------------------------------------------------------------------------------------

    def _tick(self, request: Request | None) -> Decision | None:
        self._read_gate()
        pointers = self._store.pointers()
        self._store_answered()
        head, serving = pointers.get("head"), pointers.get("serving")
        # A freeze must not wait until a version is loaded.
        waits = request is None or request.verb not in gate.UNSEEN_VERBS
        followed = serving is None or not waits or self._follow(serving.id)
        self.looked = True
        self.head = head
        if request is None and not followed:
            # What is served could not be loaded here; another replica may be fine, so this one does not decide.
            return None
        active = self._tables.active
        now_served = _version(active.manifest) if active is not None and serving is not None else None
        decision = self._judge(self.gathering.evidence(pointers, now_served, request))
        if decision is None and waits and self.evidence.reference is not None:
            # In a tick that moved nothing: no version waits for the copy.
            self._keep(self.evidence.reference.id)
        return decision

    def _store_answered(self) -> None:
        self._telemetry.store_up.set(1)
        if self.store_error:
            logs.say("store available again")
        self.store_error = ""

    def _read_gate(self) -> None:
        record = self._store.gate()
        self.revision = record.revision
        if record.state:
            self.state = msgspec.json.decode(record.state, type=GateState)
        self._telemetry.gate(self.state)
        self._tables.serve_baseline(self.state.baseline)

    def _judge(self, evidence: Evidence) -> Decision | None:
        now = self._clock()
        target = gate.wanted(self.state, evidence, self.policy, now)
        if target is not None:
            if evidence.request is None and time.monotonic() < self._not_before:
                return None
            evidence = self._examined(evidence, target, now)
        decision = gate.decide(self.state, evidence, self.policy, now)
        self.evidence, self.numbers = evidence, decision.numbers
        if not gate.worth_recording(self.state, decision, self.policy, now) and evidence.request is None:
            return None
        if not self._commit(decision, evidence, now):
            return None
        return decision if decision.moves or evidence.request is not None else None

    def _commit(self, decision: Decision, evidence: Evidence, now: float) -> bool:
        entry = audit.record(self.state, decision, evidence, self.policy, now, self.name)
        state = msgspec.structs.replace(decision.next_state, audited_at=now, audit_hash=entry.hash)
        try:
            won = self._stored(decision, state, entry)
        except VersionGone:
            won = False
        if not won:
            # Another service decided first, or the learner has moved on; the next look shows what is there now.
            return False
        self._telemetry.decisions[decision.action].inc()
        for reason in decision.reasons:
            self._telemetry.reasons[reason].inc()
        if decision.reasons != ("sound",):
            # A sound version a second is no news; the audit has it.
            logs.say("gate", **{k: v for k, v in msgspec.to_builtins(entry).items() if k not in UNSAID})
        if decision.moves:
            self._swap(state.baseline)
        self._read_gate()
        return True

    def _stored(self, decision: Decision, state: GateState, entry: audit.AuditRecord) -> bool:
        target = decision.target.id if decision.target else None
        reference = decision.reference.id if decision.reference else None
        written = msgspec.json.encode(state), msgspec.json.encode(entry)
        try:
            return self._store.decide(self.revision, *written, target, reference=reference)
        except StoreUnavailable as error:
            if decision.action != "rollback":
                raise
            # Users come first: what harms them goes, even where the audit has no room. The log holds the record.
            logs.warn("rolled back without an audit record", detail=str(error))
            return self._store.rescue(self.revision, written[0], target or "")

    # -- candidates -------------------------------------------------------------------------------------------------

    def _examined(self, evidence: Evidence, target: Version, now: float) -> Evidence:
        version = target.id
        if version in self._faults:
            faults, detail = self._faults[version]
            return msgspec.structs.replace(evidence, faults=faults, detail=detail)
        faults, detail, numbers = self._examine(version, now)
        idle = self._tables.idle
        if faults:
            self._reject(version, faults, detail)
        else:
            self._failures = 0
        if evidence.candidate is not None and version == evidence.candidate.id and idle is not None:
            evidence = msgspec.structs.replace(evidence, candidate=_version(idle.manifest))
        return msgspec.structs.replace(evidence, faults=faults, detail=detail, numbers=numbers)

    def _examine(self, version: str, now: float) -> tuple[tuple[str, ...], str, dict[str, float]]:
        try:
            self._prepare(version)
        except (Damaged, NoSoundVersion) as error:
            return ("not_finite" if "NaN" in str(error) else "unreadable",), str(error), {}
        except TooNew as error:
            return ("wrong_schema",), str(error), {}
        except Incompatible as error:
            return ("wrong_dimensions",), str(error), {}
        candidate, active = self._tables.idle, self._tables.active
        assert candidate is not None
        pair = candidate.id, active.id if active is not None else ""
        if pair != self._inspected:
            # A candidate that is held is looked at five times a second; the same tables answer the same.
            self._findings = self._inspect(candidate, active, now)
            self._inspected = pair
        return self._findings

    def _inspect(self, candidate: TableSet, active: TableSet | None, now: float) -> Findings:
        started = time.perf_counter()
        queries = self.policy.canary_queries
        faults, detail, numbers = inspect(candidate.state, candidate.recommender, self._schema, queries, now)
        if not faults and active is not None:
            served, over = active.recommender, candidate.recommender
            numbers = numbers | contrast(served, over, candidate.state, queries, now, self._scratch)
            numbers = numbers | forgotten(self.gathering.reservoir, self._tables.kept, candidate, self._scratch)
        self._telemetry.loading["check"].observe(time.perf_counter() - started)
        return Findings(faults, detail, numbers)

    def _prepare(self, version: str, *, or_older: bool = False) -> None:
        started = time.perf_counter()
        how = self._tables.prepare(version, or_older=or_older)
        if how in self._telemetry.loading:
            self._telemetry.loading[how].observe(time.perf_counter() - started)
        if how in WHOLE:
            # A full collection walks all there is, the code of every library included, and stops requests meanwhile.
            gc.freeze()

    def _reject(self, version: str, faults: tuple[str, ...], detail: str) -> None:
        self._faults = {version: (faults, detail)}
        self._inspected = ("", "")
        self._wait_longer()
        self._telemetry.load_failures.inc()
        # What the idle tables hold now is not to be built upon; they are loaded anew from what is served.
        self._tables.drop_idle()
        active = self._tables.active
        logs.warn("candidate refused", version=version, faults=faults, detail=detail)
        if active is not None:
            self._prepare(active.id)

    # -- following --------------------------------------------------------------------------------------------------

    def _follow(self, serving: str) -> bool:
        """Serve what the pointer names. False when it cannot be loaded; then the newest sound one before it serves."""
        active = self._tables.active
        if active is not None and active.id == serving:
            self.load_error = ""
            return True
        if self.load_error and time.monotonic() < self._not_before:
            return False
        try:
            self._prepare(serving, or_older=active is None)
            self._warm()
            self._swap()
        except (Damaged, NoSoundVersion, TooNew, Incompatible) as error:
            self._cannot_follow(serving, str(error))
            return False
        reached = self._tables.active
        if reached is not None and reached.id != serving:
            self._cannot_follow(serving, f"{serving} is damaged, {reached.id} is served in its place")
            return False
        self._failures, self.load_error = 0, ""
        return True

    def _keep(self, version: str) -> None:
        """Have the last known good version at hand. Without it a roll-back takes as long as loading a base."""
        if version in self._unkept:
            return
        try:
            self._tables.keep(version)
        except (Damaged, NoSoundVersion, TooNew, Incompatible) as error:
            self._unkept = {version}
            logs.warn("the last known good version is not at hand", version=version, detail=str(error))

    def _cannot_follow(self, serving: str, detail: str) -> None:
        self._telemetry.load_failures.inc()
        self._wait_longer()
        if self.load_error != detail:
            logs.warn("served version cannot be loaded", version=serving, detail=detail)
        self.load_error = detail

    def _wait_longer(self) -> None:
        self._failures += 1
        self._not_before = time.monotonic() + min(RETRY * 2 ** min(self._failures - 1, 16), RETRY_LIMIT)

    def _warm(self) -> None:
        """Ask a version that was decided on elsewhere a few queries: code and caches are warm before a request."""
        idle = self._tables.idle
        assert idle is not None
        found = inspect(idle.state, idle.recommender, self._schema, WARM_QUERIES, self._clock())
        if found.faults:
            logs.warn("served version has faults", version=idle.id, faults=found.faults, detail=found.detail)

    def _swap(self, baseline: bool | None = None) -> None:
        before = self._tables.active
        idle = self._tables.idle
        assert idle is not None
        started = time.perf_counter()
        self._tables.swap(baseline)
        self._telemetry.loading["swap"].observe(time.perf_counter() - started)
        self._show(before, idle)

    def _show(self, before: TableSet | None, now_served: TableSet) -> None:
        manifest = now_served.manifest
        self._telemetry.sequence.set(manifest.seq)
        self._telemetry.created.set(manifest.created_at)
        self._telemetry.items.set(now_served.items)
        self._telemetry.bytes.set(self._tables.nbytes)
        if before is not None:
            for moment in arrivals(before.manifest, manifest):
                self._telemetry.event_to_served.observe(max(0.0, self._clock() - moment))
        if before is None or time.monotonic() - self._said > SAY_SERVING:
            self._said = time.monotonic()
            logs.say("serving", version=manifest.id, seq=manifest.seq, items=now_served.items)


def arrivals(before: Manifest, after: Manifest) -> list[float]:
    """Record times (epoch seconds) of a sample of the events that `after` learnt and `before` had not; [] for none."""
    if after.progress.consumed <= before.progress.consumed:
        return []
    found = after.evidence.get("record_times", [])
    return [float(moment) for moment in found] if isinstance(found, list) else []


def _version(manifest: Manifest) -> Version:
    progress = manifest.progress
    return Version(
        manifest.id, manifest.seq, manifest.created_at, progress.consumed, progress.offsets, progress.rebuilt
    )


def _before(mode: gate.Mode) -> gate.Mode:
    return "continuous" if mode == "frozen" else mode


__all__ = ["Gatekeeper", "RevisionConflict", "arrivals"]
