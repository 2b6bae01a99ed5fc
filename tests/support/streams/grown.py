"""Puts a version that learned given events into an installation: champion and reference before a process starts.

This makes a shop that has run for a while in seconds: the same models learn the same events here, without Kafka, and
their version is put into Redis as a learner would. The first decision about it is the gate's own.
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
from streaming.store import Pointer
from streaming.store.store import Store
from tests.support.processes.harness import Installation
from tests.support.streams.streams import Planned

# Events learned at once.
TOGETHER = 1_000


def learnt(ours: Installation, items: Mapping[str, dict[str, Any]], planned: Sequence[Planned]) -> State:
    """Learns facts of items and events as the installation's own learner would."""
    settings = recommender_settings(ours.settings)
    state = new_state(settings, ours.settings.recommender.seed)
    recommender = Recommender(state, settings)
    facts = {item: Known(each.get("category"), each.get("brand"), each.get("price")) for item, each in items.items()}
    recommender.describe(facts.items())
    for start in range(0, len(planned), TOGETHER):
        part = planned[start : start + TOGETHER]
        events = [decoded(each, ours.settings.events.rules()) for each in part]
        recommender.learn_events(events, [each.record_time for each in part], facts)
    return state


def decoded(planned: Planned, rules: EventRules) -> Event:
    """Returns the event as decoded from its bytes. Raises AssertionError when it is rejected."""
    event = decode(msgspec.json.encode(planned.event), rules)
    assert not isinstance(event, Rejection), event
    return event


def committed(ours: Installation, state: State, progress: Progress, admission: Admission | None = None) -> str:
    """Puts a state into Redis as head, as a learner does, and returns the version's id. No learner may run."""
    store = Store.for_learner(ours.settings)
    lease = store.acquire_lease("by hand", 30.0)
    assert lease is not None, "a learner runs"
    checkpointer = Checkpointer(store, lease, SCHEMA)
    try:
        known = admission or Admission(admission_rules(ours.settings))
        assert checkpointer.cut(state, progress, known, dict, force=True)
        assert checkpointer.flush(30.0)
        assert checkpointer.last is not None
        return checkpointer.last.id
    finally:
        checkpointer.close()
        store.release(lease)
        store.close()


def begun(ours: Installation, state: State) -> str:
    """Starts an installation with this state and none of its topics read; returns the id of the champion.

    The learned ranking is proven already, so it is served from the first request on, not the baseline.
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
        stand = [Pointer(each.id, each.seq) for each in after.anchors]
        written = msgspec.json.encode(after), msgspec.json.encode(entry)
        assert store.decide(0, *written, version, reference=version, anchors=stand)
    finally:
        store.close()
    return version
