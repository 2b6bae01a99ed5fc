"""Kafka's log is not what it was: another topic of the same name, a shorter one, one with more partitions."""

from __future__ import annotations

from collections import Counter
from itertools import islice

from kafka import TopicPartition

from tests.acceptance.conftest import Open
from tests.acceptance.test_kills import endless, stop
from tests.support.processes.harness import Installation, counts
from tests.support.processes.roles import Process
from tests.support.streams.streams import EPOCH, Shop

LOG_REPLACED, OFFSETS_GONE = 4, 5


def learn_and_stop(ours: Installation, planned: int, seed: int) -> None:
    """A first learner that learned so many records and ended as asked."""
    ours.send(Shop(seed=seed).stream(planned))
    stop(ours, ours.learner())


def delete(ours: Installation) -> None:
    """Delete topic events, and wait until it is gone."""
    admin = ours.admin()
    try:
        admin.delete_topics([ours.events])
        ours.wait(lambda: ours.events not in admin.list_topics(), "the topic is gone")
    finally:
        admin.close()


def make_anew(ours: Installation) -> None:
    """Create topic events, empty."""
    admin = ours.admin()
    try:
        admin.create_topics(
            {ours.events: {"num_partitions": 4, "replication_factor": 1, "configs": {"retention.ms": "-1"}}},
            wait_for_metadata=True,
        )
    finally:
        admin.close()


def ended(learner: Process, code: int, words: str) -> None:
    """It ended with this code, and its log says why in one line, without a stack trace."""
    assert learner.wait_exit() == code, learner.log.read_text()
    assert learner.said(words), learner.log.read_text()
    assert not learner.said("Traceback")


def test_a_topic_made_anew_while_the_learner_was_away_ends_it_with_a_name(open_installation: Open) -> None:
    ours = open_installation()
    learn_and_stop(ours, 500, 13)
    delete(ours)
    make_anew(ours)
    ended(ours.learner(wait=False), LOG_REPLACED, ours.events)


def test_a_deleted_topic_is_waited_for_and_one_made_anew_ends_the_learner_with_a_name(open_installation: Open) -> None:
    ours = open_installation()
    learner = ours.learner()
    ours.send(islice(endless(14), 500))
    ours.wait_learnt(learner)
    delete(ours)
    ours.wait(lambda: learner.said(f"learning waits: topic '{ours.events}'"), "it says what it waits for", learner)
    make_anew(ours)
    ended(learner, LOG_REPLACED, ours.events)


def test_with_on_new_log_restart_the_learnt_state_is_kept_and_the_new_topic_read_from_0(
    open_installation: Open,
) -> None:
    ours = open_installation(learner__on_new_log="restart")
    shop = Shop(seed=15)
    ours.send_facts(shop.facts(), EPOCH)
    facts = len(ours.ledger)
    learner = ours.learner()
    ours.send(shop.stream(500))
    ours.wait_learnt(learner)
    before = ours.ledger.per_item()
    ours.ledger.forget(ours.events, dict.fromkeys(range(4), 1 << 40))
    delete(ours)
    make_anew(ours)
    ours.renew_producer()
    # As many as before: what is new must be seen by more than a count.
    ours.send(islice(endless(16), 500))
    expected = dict(Counter(before) + Counter(ours.ledger.per_item()))
    ours.wait(lambda: counts(ours.load().state, "item", "item_stats") == expected, "old and new are learned", learner)
    metrics = learner.metrics()
    assert metrics["sluicegate_new_logs_total"] == 1
    assert metrics[f"sluicegate_records_consumed_total{{topic={ours.items}}}"] == facts, (
        "only the new topic is read again"
    )
    offsets = ours.load().manifest.progress.offsets
    assert sum(offsets[ours.events].values()) == 500
    assert sum(offsets[ours.items].values()) == facts


def lose_beginning(ours: Installation) -> dict[int, int]:
    """Send what nobody reads, and let retention remove all of it but the last ten of each partition."""
    # No duplicates among them: one whose original was lost is rightly learned.
    ours.send(Shop(seed=17).stream(1_000, first=500))
    head = ours.head()
    assert head is not None
    end: Counter[int] = Counter()
    for sent in ours.ledger.records():
        end[sent.partition] = max(end[sent.partition], sent.offset + 1)
    first = {partition: offset - 10 for partition, offset in end.items()}
    assert all(first[partition] > next_ for partition, next_ in head.progress.offsets[ours.events].items())
    admin = ours.admin()
    try:
        admin.delete_records({TopicPartition(ours.events, partition): offset for partition, offset in first.items()})
    finally:
        admin.close()
    return first


def test_retention_past_our_offsets_ends_the_learner_with_a_name(open_installation: Open) -> None:
    ours = open_installation()
    learn_and_stop(ours, 500, 17)
    lose_beginning(ours)
    ended(ours.learner(wait=False), OFFSETS_GONE, f"of {ours.events}[")


def test_with_on_lost_offsets_earliest_the_loss_is_counted_and_learning_goes_on(open_installation: Open) -> None:
    ours = open_installation(learner__on_lost_offsets="earliest")
    learn_and_stop(ours, 500, 17)
    head = ours.head()
    assert head is not None
    learnt = ours.ledger.per_item(head.progress.offsets)
    first = lose_beginning(ours)
    forgotten = ours.ledger.forget(ours.events, first)
    learner = ours.learner()
    expected = dict(Counter(learnt) + Counter(ours.ledger.per_item()))
    ours.wait(lambda: counts(ours.load().state, "item", "item_stats") == expected, "what is left is learned", learner)
    lost = forgotten - head.progress.consumed
    assert ours.load().manifest.progress.lost == lost
    assert learner.metrics()["sluicegate_records_lost_total"] == lost


def read(ours: Installation, learner: Process) -> float | None:
    """Events that the learner says it has read."""
    name = "sluicegate_records_consumed_total"
    return learner.metrics(name).get(f"{name}{{topic={ours.events}}}")


def test_a_running_learner_that_loses_records_saves_what_it_learned_and_goes_on(open_installation: Open) -> None:
    ours = open_installation(partitions=1, learner__on_lost_offsets="earliest", learner__version_interval=60)
    stream = endless(19)
    learner = ours.learner()
    ours.send(islice(stream, 500))
    ours.wait(lambda: read(ours, learner) == 500, "everything is read", learner)
    assert ours.head() is None, "the next version is due in a minute"
    learner.pause()
    ours.send(islice(stream, 300))
    admin = ours.admin()
    try:
        admin.delete_records({TopicPartition(ours.events, 0): 700})
    finally:
        admin.close()
    learner.resume()
    lost = "sluicegate_records_lost_total"
    ours.wait(lambda: learner.metrics(lost)[lost] > 0, "the loss is counted", learner)
    head = ours.head()
    assert head is not None
    saved = head.progress.consumed
    # A fetch that was under way may still have been answered.
    assert 500 <= saved < 700
    assert head.progress.offsets[ours.events] == {0: saved}
    ours.wait(lambda: read(ours, learner) == saved + 100, "what is left is read", learner)
    learner.terminate()
    assert learner.wait_exit() == 0
    last = ours.head()
    assert last is not None
    found = last.progress
    assert (found.offsets[ours.events], found.consumed, found.lost) == ({0: 800}, saved + 100, 700 - saved)


def test_added_partitions_are_read_from_their_beginning(open_installation: Open) -> None:
    ours = open_installation(partitions=2)
    stream = endless(18)
    learner = ours.learner()
    ours.send(islice(stream, 500))
    ours.wait_learnt(learner)
    admin = ours.admin()
    try:
        admin.create_partitions({ours.events: 5})
    finally:
        admin.close()
    ours.renew_producer()
    ours.send(islice(stream, 1_000))
    assert {sent.partition for sent in ours.ledger.records()} == set(range(5))
    head = ours.wait_learnt(learner)
    assert set(head.progress.offsets[ours.events]) == set(range(5))
    assert head.progress.digest == ours.ledger.digest()
