"""Records that are no events, and users that are no people: the stream goes on, and each is accounted for."""

from __future__ import annotations

import random
from collections import Counter

from streaming.intake.dead_letter import HEAD, WHOLE
from tests.acceptance.conftest import Open
from tests.acceptance.test_kills import stop
from tests.support.processes.harness import Installation
from tests.support.streams.malformed import Bad, malformed
from tests.support.streams.streams import EPOCH, Shop, robot

# How much more memory may be resident after a thousand bad records than before, in bytes: they hold 20 MB themselves.
GROWTH = 32 << 20


def post(ours: Installation, bad: list[Bad], rng: random.Random) -> None:
    for each in bad:
        ours.post_raw(each.value, rng.randbytes(8), EPOCH, None, "rejected")
    ours.flush()


def test_a_thousand_malformed_records_of_many_kinds_stop_nothing_and_are_kept_with_their_reason(
    open_installation: Open, seed: int
) -> None:
    ours, rng = open_installation(), random.Random(seed)
    learner = ours.learner()
    # Buffers for fetched batches grow to their size within the first two thousand, and stay: a leak goes on growing.
    bad = [malformed(1_000, seed + more) for more in range(3)]
    for each in bad[:2]:
        post(ours, each, rng)
        ours.wait_learnt(learner)
    before = learner.memory()
    post(ours, bad[2], rng)
    ours.wait_learnt(learner)
    growth = learner.memory() - before
    ours.send(Shop(seed=seed).stream(1_000))
    ours.wait_learnt(learner)
    metrics = learner.metrics()
    stop(ours, learner)
    assert growth < GROWTH, f"{growth / 1e6:.0f} MB more"
    posted = [each for thousand in bad for each in thousand]
    assert_kept(ours, posted)
    for reason, count in Counter(each.reason for each in posted).items():
        assert metrics[f"sluicegate_deadletter_total{{reason={reason}}}"] == count


def assert_kept(ours: Installation, bad: list[Bad]) -> None:
    """The dead letter holds each of these, whole or its beginning, with its reason, and nothing else."""
    letters = ours.read(ours.settings.topic("deadletter"), len(bad))
    found: Counter[tuple[bytes, str]] = Counter()
    for letter in letters:
        headers = {name: value.decode() for name, value in letter.headers}
        found[letter.value or b"", headers["sluicegate-reason"]] += 1
        assert headers["sluicegate-topic"] == ours.events
        assert int(headers["sluicegate-offset"]) >= 0
    expected = Counter((beginning(each.value), each.reason) for each in bad)
    assert found == expected


def beginning(value: bytes | None) -> bytes:
    """What the dead letter keeps of a value."""
    value = value or b""
    return value if len(value) <= WHOLE else value[:HEAD]


def test_a_robot_is_learnt_up_to_the_cap_of_its_minute(open_installation: Open) -> None:
    ours = open_installation()
    learner = ours.learner()
    ours.send(robot(1_000, cap=ours.settings.admission.cap_per_minute))
    stop(ours, learner)
    assert ours.ledger.outcomes() == {"learnt": 600, "capped": 400}
