"""In: events, an installation. Out: a version that learnt them, served and last known good before a process starts.

A shop that has run for a while, made in seconds: the same models learn the same events here, without Kafka, and the
version they make is put into Redis as a learner would; the first decision about it is the gate's own.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from models.gate import Evidence, GateState, Policy, Version, audit, decide
from models.ledger.admission import Admission
from models.ledger.progress import Progress
from models.recommender.recommender import Recommender, new_state
from models.records.events import Event, EventRules, Rejection, decode
from models.state.schema import SCHEMA
from models.state.state import State
from streaming.checkpoint.checkpointer import Checkpointer
from streaming.intake.catalogue import Known
from streaming.intake.parameters import admission_rules, recommender_settings
from streaming.store.store import Store
from tests.support.processes.harness import Installation
from tests.support.streams.streams import Planned

# Events learnt at once.
TOGETHER = 1_000


def learnt(ours: Installation, said: Mapping[str, dict[str, Any]], planned: Sequence[Planned]) -> State:
    """What is learnt from what a shop says of its items and these events, as the installation's own learner would."""
    settings = recommender_settings(ours.settings)
    state = new_state(settings, ours.settings.recommender.seed)
    recommender = Recommender(state, settings)
    facts = {item: Known(each.get("category"), each.get("brand"), each.get("price")) for item, each in said.items()}
    recommender.describe(facts.items())
    for start in range(0, len(planned), TOGETHER):
        part = planned[start : start + TOGETHER]
        events = [decoded(each, ours.settings.events.rules()) for each in part]
        recommender.learn_events(events, [each.record_time for each in part], facts)
    return state


def decoded(planned: Planned, rules: EventRules) -> Event:
    """The event, through its bytes: AssertionError when it is refused."""
    event = decode(msgspec.json.encode(planned.event), rules)
    assert not isinstance(event, Rejection), event
    return event


def committed(ours: Installation, state: State, progress: Progress, admission: Admission | None = None) -> str:
    """Put a state into Redis as head, the way a learner does; the version's id. No learner may run."""
    store = Store.for_learner(ours.settings)
    lease = store.acquire_lease("by hand", 30.0)
    assert lease is not None, "a learner runs"
    checkpointer = Checkpointer(store, lease, SCHEMA)
    try:
        known = admission or Admission(admission_rules(ours.settings))
        assert checkpointer.cut(state, progress, known, {}, force=True)
        assert checkpointer.flush(30.0)
        assert checkpointer.last is not None
        return checkpointer.last.id
    finally:
        checkpointer.close()
        store.release(lease)
        store.close()


def begun(ours: Installation, state: State) -> str:
    """An installation that has learnt this, and read nothing of its topics: the version's id, which is served.

    The ranking has proved itself before: it is served from the first request on, not the best single source.
    """
    version = committed(ours, state, Progress())
    manifest = ours.store.manifest(version)
    before, now = GateState(proven=True), time.time()
    evidence = Evidence(Version(version, manifest.seq, manifest.created_at))
    decision = decide(before, evidence, Policy(), now)
    entry = audit.record(before, decision, evidence, Policy(), now, "by hand")
    after = msgspec.structs.replace(decision.next_state, audited_at=now, audit_hash=entry.hash)
    store = Store.for_service(ours.settings)
    try:
        assert store.decide(0, msgspec.json.encode(after), msgspec.json.encode(entry), version, reference=version)
    finally:
        store.close()
    return version
