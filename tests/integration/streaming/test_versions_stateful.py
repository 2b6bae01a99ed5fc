"""Any order of learning, cutting, dying, being taken over and damage: nothing is lost, nothing is learned twice."""

import uuid

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from streaming.checkpoint.checkpointer import Checkpointer
from streaming.store.store import Store
from streaming.versions import loading as versions
from streaming.versions.retention import BESIDE
from tests.conftest import eventually
from tests.support.streams import toy
from tests.support.streams.toy import Toy

EXPECTED: dict[int, str] = {}


def digest_at(offset):
    """What a learner that never died holds when `offset` is due."""
    if offset not in EXPECTED:
        EXPECTED[offset] = Toy().learn(offset).state.digest()
    return EXPECTED[offset]


class Versions(RuleBasedStateMachine):
    url = ""

    def __init__(self):
        super().__init__()
        self.store = Store(self.url, uuid.uuid4().hex[:8], timeout=20.0, retries=1)
        self.learner, self.durable, self.checkpointer = Toy(), 0, None
        self.served = ""
        self.saved = None
        self.start(None)

    def start(self, manifest):
        lease = self.store.acquire_lease("a", 30.0)
        self.checkpointer = Checkpointer(self.store, lease, toy.SCHEMA, start=manifest)

    @rule(count=st.integers(1, 20))
    def learn(self, count):
        self.learner.learn(self.learner.next + count)

    @precondition(lambda self: self.learner.next)
    @rule(base=st.booleans())
    def cut(self, base):
        self.checkpointer.bases.interval = -1.0 if base else 1e9
        took = self.checkpointer.cut(
            self.learner.state, self.learner.progress, self.learner.admission, dict, force=True
        )
        assert self.checkpointer.flush(60.0) or not took
        eventually(lambda: not self.checkpointer.bases.busy)
        self.durable = max(self.durable, self.learner.next if took else 0)

    @rule()
    def die_and_start_again(self):
        self.checkpointer.close()
        loaded = versions.load(self.store, "head", toy.SCHEMA, served_only=False)
        assert (loaded is None) == (self.durable == 0)
        self.learner = Toy.of(loaded) if loaded else Toy()
        assert self.learner.next == self.durable
        self.start(loaded.manifest if loaded else None)

    @precondition(lambda self: self.durable)
    @rule()
    def redis_fails_over_to_an_empty_one(self):
        keys = self.store.call("KEYS", self.store.key("*"))
        self.store.call("DEL", *keys)
        self.checkpointer._look()
        took = self.checkpointer.cut(
            self.learner.state, self.learner.progress, self.learner.admission, dict, force=True
        )
        assert took
        assert self.checkpointer.flush(60.0)
        self.durable, self.served, self.saved = self.learner.next, "", None

    @precondition(lambda self: self.durable)
    @rule()
    def redis_writes_its_state_to_disk(self):
        keys = self.store.call("KEYS", self.store.key("*"))
        self.saved = {key: self.store.call("DUMP", key) for key in keys}, self.durable, self.served

    @precondition(lambda self: self.saved)
    @rule()
    def redis_goes_back_under_a_living_learner(self):
        """And those who served a version that is lost go on from it."""
        follower = versions.load(self.store, "head", toy.SCHEMA, served_only=True)
        saved, _, self.served = self.saved
        self.store.call("DEL", *self.store.call("KEYS", self.store.key("*")))
        for key, dumped in saved.items():
            self.store.call("RESTORE", key, 0, dumped)
        self.checkpointer._look()
        took = self.checkpointer.cut(
            self.learner.state, self.learner.progress, self.learner.admission, dict, force=True
        )
        assert self.checkpointer.flush(60.0) or not took
        self.durable = self.learner.next
        head = versions.load(self.store, "head", toy.SCHEMA, served_only=True)
        if head.manifest.kind == "delta":
            versions.advance(self.store, follower.state, follower.manifest.id, head.manifest.id, served_only=True)
            assert follower.state.digest() == head.state.digest()

    @precondition(lambda self: self.durable)
    @rule()
    def serve_head(self):
        revision = self.store.gate().revision
        self.served = self.store.head().id
        assert self.store.decide(revision, b"", b"", self.served)

    @precondition(lambda self: self.durable)
    @rule(data=st.data())
    def a_base_beside_the_chain_is_damaged(self, data):
        beside = [pointer.id for pointer in self.store.bases() if pointer.id.endswith(BESIDE)]
        if beside:
            id_ = data.draw(st.sampled_from(beside))
            self.store.call("SET", self.store.key("c", id_, 0), b"damage")

    @rule()
    def collect(self):
        self.checkpointer._index.collect()

    @invariant()
    def head_is_what_an_undisturbed_learner_holds(self):
        loaded = versions.load(self.store, "head", toy.SCHEMA, served_only=False)
        assert (loaded is None) == (self.durable == 0)
        if loaded is not None:
            offset = loaded.manifest.progress.offsets["events"][0]
            assert offset == self.durable
            assert loaded.state.digest() == digest_at(offset)
            assert loaded.manifest.progress == Toy().learn(offset).progress
        if self.served:
            assert versions.load(self.store, "serving", toy.SCHEMA, served_only=True).manifest.id == self.served

    def teardown(self):
        self.checkpointer.close()
        self.store.close()


def test_any_order_of_faults_loses_and_repeats_nothing(redis_url):
    Versions.url = redis_url
    run_state_machine_as_test(
        Versions,
        settings=settings(
            max_examples=15, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
