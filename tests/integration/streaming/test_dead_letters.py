"""Refused records reach the dead letter whole or cut, can be listed, and are sent again once."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import msgspec
import pytest
import typer
from typer.testing import CliRunner

from models.records.events import EventRules, Rejection, decode
from models.records.rejections import REASONS
from service.commands import deadletter as command
from streaming.consumer.consumer import KafkaSource
from streaming.intake import dead_letter
from streaming.intake import dead_letter_writer as deadletter
from streaming.jobs import redrive, redrive_process
from streaming.kafka.producer import EventProducer
from streaming.kafka.records import PUBLIC, Record, is_public
from streaming.kafka.topics import ensure_topics
from streaming.settings.handing import handed_over
from streaming.settings.loading import Settings
from streaming.store import Store
from tests.conftest import eventually
from tests.support.processes.moving_name import MovingName
from tests.support.processes.serving import changed

GOOD = b'{"event_type":"click","user_id":"u","item_id":"i","timestamp":1569888000}'


def events_of(settings: Settings, count: int) -> list[Record]:
    """The first `count` records of topic events."""
    found: list[Record] = []
    with KafkaSource(settings, [settings.topic("events")]) as source:
        source.assign({})
        eventually(lambda: found.extend(r for batch in source.poll(0.2, 5000) for r in batch) or len(found) >= count)
    return found


def refuse(settings: Settings, values: list[bytes | None]) -> list[Record]:
    """Send values to topic events and write those that are refused to the dead letter."""
    ensure_topics(settings)
    with EventProducer(settings) as producer:
        for number, value in enumerate(values):
            producer.send("events", f"k{number}", value, timestamp=1_569_888_000.5)
        assert producer.flush(60.0)
        records = events_of(settings, len(values))
        writer = deadletter.DeadLetterWriter(producer)
        for record in records:
            rejection = decode(record.value, EventRules())
            if isinstance(rejection, Rejection):
                assert writer.write(record, rejection)
        assert writer.flush(60.0)
        assert writer.close()
    return records


def test_what_was_refused_is_read_back_byte_for_byte(kafka_settings: Settings) -> None:
    values = [b"\xff\x00\xfe", b"{", None, b'{"a":1}']
    refuse(kafka_settings, values)
    letters = list(redrive.letters(kafka_settings))
    assert {letter.value for letter in letters} == set(values)
    for letter in letters:
        assert letter.whole
        assert letter.reason in REASONS
        assert letter.topic == kafka_settings.topic("events")
        assert letter.timestamp == 1_569_888_000.5
        assert letter.sha256 == hashlib.sha256(letter.value or b"").hexdigest()


def test_the_beginning_the_length_and_the_hash_of_a_long_record_are_kept(kafka_settings: Settings) -> None:
    long = b"x" * (dead_letter.WHOLE + 1)
    refuse(kafka_settings, [long, b"y" * dead_letter.WHOLE])
    by_length = {letter.length: letter for letter in redrive.letters(kafka_settings)}
    cut = by_length[len(long)]
    assert not cut.whole
    assert cut.value == long[: dead_letter.HEAD]
    assert cut.sha256 == hashlib.sha256(long).hexdigest()
    assert by_length[dead_letter.WHOLE].whole


def test_redriving_sends_the_same_bytes_once_however_often_it_runs(settings: Settings) -> None:
    refused = GOOD.replace(b"click", b"clonk")
    refuse(settings, [refused, refused, b"{"])
    first = redrive.redrive(settings, "unknown_type")
    assert (first.sent, first.by_reason) == (2, {"unknown_type": 2})
    assert redrive.redrive(settings, "unknown_type").sent == 0
    rest = redrive.redrive(settings)
    assert rest.by_reason == {"not_json": 1}
    again = [record for record in events_of(settings, 6) if record.headers]
    assert sorted(record.value or b"" for record in again) == sorted([refused, refused, b"{"])
    assert {record.timestamp for record in again} == {1_569_888_000_500}
    assert {record.headers[0][0] for record in again} == {redrive.REDRIVEN}


def test_what_a_public_key_sent_stays_marked_when_it_is_sent_again(settings: Settings) -> None:
    ensure_topics(settings)
    with EventProducer(settings) as producer:
        for headers in ([(PUBLIC, b"1")], []):
            producer.send("events", "k", b"{", headers=headers)
        assert producer.flush(60.0)
        writer = deadletter.DeadLetterWriter(producer)
        for record in events_of(settings, 2):
            rejection = decode(record.value, EventRules())
            assert isinstance(rejection, Rejection)
            assert writer.write(record, rejection)
        assert writer.close()
    assert redrive.redrive(settings).sent == 2
    again = [record for record in events_of(settings, 4) if redrive.REDRIVEN in dict(record.headers)]
    assert sorted(is_public(record) for record in again) == [False, True]


def test_a_limited_redrive_goes_on_where_it_stopped(settings: Settings) -> None:
    refuse(settings, [b"{%d" % number for number in range(20)])
    assert redrive.redrive(settings, limit=7).sent == 7
    assert redrive.redrive(settings, dry_run=True).sent == 13
    assert redrive.redrive(settings).sent == 13
    assert redrive.redrive(settings).sent == 0


def test_a_topic_that_does_not_exist_holds_no_letters(settings: Settings) -> None:
    assert list(redrive.letters(settings)) == []
    assert redrive.redrive(settings).sent == 0


@pytest.fixture
def dead(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("SLUICEGATE_KAFKA__BOOTSTRAP", settings.kafka.bootstrap)
    monkeypatch.setenv("SLUICEGATE_REDIS__URL", settings.redis.url)
    monkeypatch.setenv("SLUICEGATE_NAMESPACE", settings.namespace)
    app = typer.Typer()
    command.register(app)
    return lambda *words: CliRunner().invoke(app, ["deadletter", *words])


def test_the_command_lists_and_redrives(settings: Settings, dead: Any) -> None:
    refuse(settings, [b"{", GOOD.replace(b'"u"', b"7")])
    listed = dead("list", "--json")
    assert listed.exit_code == 0, listed.output
    assert {json.loads(line)["reason"] for line in listed.output.splitlines()} == {"not_json", "wrong_type"}
    assert "wrong_type" in dead("list").output
    assert json.loads(dead("redrive", "--json", "--reason", "not_json").output)["sent"] == 1
    assert "sent 1 (1 wrong_type)" in dead("redrive").output
    assert dead("list", "--reason", "nonsense").exit_code == 2


def carried_out(settings: Settings, **order: Any) -> dict[str, Any]:
    """What the process of the service answers to an order."""
    sections = ("namespace", "kafka", "redis", "events", "mapping", "learner")
    whole = {"redrive": False, "limit": 10, **order, "settings": msgspec.Raw(handed_over(settings, *sections))}
    return redrive_process.carried_out(msgspec.json.encode(whole))


def test_the_service_lists_the_newest_and_has_them_sent_once(settings: Settings) -> None:
    refuse(settings, [b"{%d" % number for number in range(12)] + [GOOD.replace(b'"u"', b"7"), None])
    found = carried_out(settings)
    assert len(found["letters"]) == found["looked_at"] == 10
    assert carried_out(settings, reason="wrong_type")["looked_at"] == 14
    (letter,) = carried_out(settings, reason="wrong_type")["letters"]
    assert (letter["path"], letter["key"], letter["sent_again"], letter["whole"]) == ("$.user_id", "k12", False, True)
    assert json.loads(letter["value"])["user_id"] == 7
    assert carried_out(settings, redrive=True, dry_run=True, limit=20)["sent"] == 14
    first = carried_out(settings, redrive=True, reason="wrong_type")
    assert (first["sent"], first["complete"], first["dry_run"]) == (1, True, False)
    assert carried_out(settings, redrive=True, reason="wrong_type")["sent"] == 0
    assert carried_out(settings, reason="wrong_type")["letters"][0]["sent_again"]
    assert carried_out(settings, redrive=True, limit=5)["by_reason"].keys() <= {"not_json", "empty"}
    assert len(events_of(settings, 20)) == 20


@contextlib.contextmanager
def waiting_run(settings: Settings, letters: int) -> Iterator[tuple[Future[redrive.Redriven], MovingName]]:
    """A run that has the lease and waits for Kafka until the name answers."""
    refuse(settings, [b"{%d" % number for number in range(letters)])
    name = MovingName(int(settings.kafka.bootstrap.rpartition(":")[2]), answering=False)
    waits = changed(
        settings,
        kafka={"bootstrap": f"127.0.0.1:{name.port}", "bootstrap_timeout": 120.0},
        learner={"lease_renewal": 0.05},
    )
    leases = Store.for_lease(settings).under(redrive.PART)
    with contextlib.closing(name), contextlib.closing(leases), ThreadPoolExecutor(1) as runs:
        run = runs.submit(redrive.redrive, waits)
        try:
            eventually(lambda: leases.call("EXISTS", leases.key("lease")), timeout=60.0)
            yield run, name
        finally:
            name.answer()


def test_of_two_runs_at_once_one_is_refused_and_each_letter_is_sent_once(settings: Settings, dead: Any) -> None:
    with waiting_run(settings, 12) as (first, name):
        second = dead("redrive")
        assert (second.exit_code, second.stdout) == (1, "")
        assert "sluicegate: dead letters are being sent again by another command" in second.stderr
        assert carried_out(settings, redrive=True)["kind"] == "busy"
        assert json.loads(dead("redrive", "--dry-run", "--json").output)["sent"] == 12
        assert not first.done()
        name.answer()
        assert first.result(60.0).sent == 12
    assert dead("redrive").output == "sent 0\n"
    assert set(Counter(record.value for record in events_of(settings, 24)).values()) == {2}


def test_a_run_that_lost_the_lease_sends_nothing_more(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    with waiting_run(settings, 3) as (run, name), contextlib.closing(Store.for_lease(settings)) as store:
        leases = store.under(redrive.PART)
        leases.call("SET", leases.key("lease"), f"another:{16 * '0'}")  # at once: a renewal takes a free one back
        eventually(lambda: "the lease is no longer ours" in caplog.text, timeout=60.0)
        name.answer()
        with pytest.raises(redrive.RedriveRunsError, match="took the lease"):
            run.result(60.0)
        leases.call("DEL", leases.key("lease"))
    assert redrive.redrive(settings).sent == 3


def test_a_service_without_letters_or_without_kafka_is_told(settings: Settings) -> None:
    assert carried_out(settings) == {"letters": [], "looked_at": 0, "by_reason": {}}
    nowhere = settings.kafka.model_copy(update={"bootstrap": "127.0.0.1:1", "bootstrap_timeout": 0.5})
    away = settings.model_copy(update={"kafka": nowhere})
    assert carried_out(away)["kind"] == "kafka"


def test_a_broker_that_is_away_is_one_line(dead: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICEGATE_KAFKA__BOOTSTRAP", "127.0.0.1:1")
    monkeypatch.setenv("SLUICEGATE_KAFKA__BOOTSTRAP_TIMEOUT", "0.5")
    result = dead("list")
    assert result.exit_code == 1
    assert "no Kafka broker answers at 127.0.0.1:1" in result.output
