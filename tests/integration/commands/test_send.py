"""A file goes through the topic: every line is sent or refused, and a stopped run continues where it was."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer
from typer.testing import CliRunner

from models.records.events import Event, EventRules, decode
from service.commands import send
from streaming.consumer.consumer import KafkaSource
from streaming.files import Layout
from streaming.jobs.send import Options, Sender, load_state, state_path
from streaming.kafka.errors import BrokerAway
from streaming.kafka.producer import EventProducer
from streaming.kafka.records import Record, is_backfill
from streaming.kafka.topics import ensure_topics
from streaming.settings.loading import Settings
from tests.conftest import eventually


@pytest.fixture
def here(kafka_settings: Settings, tmp_path: Path) -> Settings:
    """Settings whose state files lie in the test's folder."""
    return kafka_settings.model_copy(update={"data_dir": tmp_path / "data"})


@pytest.fixture
def run(here: Settings, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("SLUICEGATE_KAFKA__BOOTSTRAP", here.kafka.bootstrap)
    monkeypatch.setenv("SLUICEGATE_NAMESPACE", here.namespace)
    monkeypatch.setenv("SLUICEGATE_DATA_DIR", str(here.data_dir))
    app = typer.Typer()
    send.register(app)
    app.command("other")(lambda: None)
    return lambda *words: CliRunner().invoke(app, ["send", *map(str, words)])


def csv_file(path: Path, count: int) -> Path:
    lines = ["user_id,item_id,event_type,timestamp,price,category_id"]
    lines += [
        f"u{n % 7},i{n % 11},{'view' if n % 3 else 'buy'},{1569888000 + n},{n % 5}.5,c{n % 2}" for n in range(count)
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def arrived(settings: Settings, role: Any, count: int) -> list[Record]:
    found: list[Record] = []
    with KafkaSource(settings, [settings.topic(role)]) as source:
        source.assign({})
        eventually(lambda: found.extend(r for batch in source.poll(0.2, 5000) for r in batch) or len(found) >= count)
    return found


def lines_of(records: list[Record]) -> list[int]:
    """The line of `csv_file` that each event came from, by its time. Each line has an event_id of its own."""
    events = [event for record in records if isinstance(event := decode(record.value, EventRules()), Event)]
    assert len(events) == len(records)
    lines = [int(event.timestamp) - 1569888000 + 2 for event in events]
    assert len({event.event_id for event in events}) == len(set(lines))
    return sorted(lines)


def test_every_row_becomes_an_event_of_history_and_every_item_its_facts_once(
    here: Settings, run: Any, tmp_path: Path
) -> None:
    result = run(csv_file(tmp_path / "a.csv", 500), "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert (report["sent"], report["items"], report["complete"]) == (500, 11, True)
    assert report["by_type"] == {"click": 333, "purchase": 167}
    events = arrived(here, "events", 500)
    assert lines_of(events) == list(range(2, 502))
    assert all(is_backfill(record) for record in events)
    assert {record.key for record in events} == {f"u{n}".encode() for n in range(7)}
    facts = {record.key: msgspec.json.decode(record.value or b"") for record in arrived(here, "items", 11)}
    assert facts[b"i0"] == {"category": "c0", "price": 0.5}


def test_events_of_one_user_keep_the_order_of_the_file(here: Settings, run: Any, tmp_path: Path) -> None:
    assert run(csv_file(tmp_path / "a.csv", 2000)).exit_code == 0
    per_user: dict[bytes | None, list[float]] = {}
    for record in arrived(here, "events", 2000):
        event = decode(record.value, EventRules())
        assert isinstance(event, Event)
        per_user.setdefault(record.key, []).append(event.timestamp)
    assert all(times == sorted(times) for times in per_user.values())


def test_bad_lines_are_refused_with_their_number_and_the_rest_is_sent(here: Settings, run: Any, tmp_path: Path) -> None:
    rows = [
        '{"event_type":"click","user_id":1,"item_id":"i","timestamp":1569888000}',
        "{broken",
        '{"event_type":"click","user_id":"","item_id":"i","timestamp":1569888000}',
        "",
        '{"event_type":"clock","user_id":"u","item_id":"i","timestamp":"2020-01-01T00:00:00Z"}',
    ]
    path = tmp_path / "a.ndjson.gz"
    path.write_bytes(gzip.compress("\n".join(rows).encode()))
    result = run(path)
    assert result.exit_code == 3
    assert "sent 1 events (1 click)" in result.stdout
    for text in (":2: not a JSON object", ":3: missing_field at $.user_id", ":5: unknown_type at $.event_type"):
        assert text in result.stderr


def test_a_file_sent_to_its_end_is_not_sent_again_unless_asked(run: Any, tmp_path: Path) -> None:
    path = csv_file(tmp_path / "a.csv", 50)
    assert run(path).exit_code == 0
    again = run(path)
    assert again.exit_code == 0
    assert "nothing left" in again.output
    assert "sent 50 events" in run(path, "--restart").output


def test_a_limited_run_is_continued_without_a_gap_and_without_a_repeat(
    here: Settings, run: Any, tmp_path: Path
) -> None:
    path = csv_file(tmp_path / "a.csv", 300)
    assert "run the same command again" in run(path, "--limit", 120).output
    rest = run(path)
    assert "120 rows were sent before" in rest.stderr
    assert lines_of(arrived(here, "events", 300)) == list(range(2, 302))
    assert len(arrived(here, "items", 11)) == 11


def test_a_killed_run_continues_and_loses_nothing(here: Settings, run: Any, tmp_path: Path) -> None:
    path = csv_file(tmp_path / "a.csv", 3000)
    ensure_topics(here)
    script = (
        "import sys; from service.commands import send; import typer; app = typer.Typer(); send.register(app); app()"
    )
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", script, str(path), "--rate", "500"],
        env=os.environ | {"SLUICEGATE_DATA_DIR": str(here.data_dir)},
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    state = state_path(here, path, Layout())
    try:
        eventually(lambda: load_state(state).rows > 100)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    noted = load_state(state).rows
    assert 100 < noted < 3000
    assert run(path).exit_code == 0
    sent = lines_of(arrived(here, "events", 3000))
    assert set(sent) == set(range(2, 3002))
    assert len(sent) - len(set(sent)) <= 3000 - noted


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--column", "nope=item_id"], "no column 'nope'"),
        (["--column", "user_id=nope"], "'nope' is not a field"),
        (["--column", "x"], "not NAME=VALUE"),
        (["--map", "view=nope"], "'nope' is not an event type"),
        (["--items", "missing.csv"], "cannot read missing.csv"),
    ],
)
def test_wrong_options_of_send_are_explained(run: Any, tmp_path: Path, words: list[str], says: str) -> None:
    result = run(csv_file(tmp_path / "a.csv", 3), *words)
    assert result.exit_code == 2
    assert says in " ".join(result.output.replace("│", " ").split())


def test_a_dry_run_needs_no_broker(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICEGATE_KAFKA__BOOTSTRAP", "127.0.0.1:1")
    result = run(csv_file(tmp_path / "a.csv", 40), "--dry-run")
    assert result.exit_code == 0
    assert "would send 40 events" in result.output


def test_rows_with_a_low_rating_are_left_out_and_items_come_from_their_own_file(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text("user,item,ts,rating\nu,i1,874724710,5\nu,i2,874724711,3\n")
    items = tmp_path / "items.csv"
    items.write_text("item_id,title,category\ni1,Toy Story,Animation\ni2,,\n")
    result = run(path, "--type", "click", "--min-rating", 4, "--items", items, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert (report["sent"], report["passed"], report["items"]) == (1, 1, 1)


def test_a_full_buffer_slows_the_sender_down_and_loses_nothing(here: Settings, tmp_path: Path) -> None:
    kafka = here.kafka.model_copy(update={"producer_buffer": 1 << 16})
    tight = here.model_copy(update={"kafka": kafka})
    path = csv_file(tmp_path / "a.csv", 3000)
    ensure_topics(tight)
    with EventProducer(tight) as producer:
        assert Sender(tight, path, Options()).run(producer).sent == 3000
        with pytest.raises(BrokerAway, match="wait for Kafka"):
            producer.send("events", "u", b"x" * (1 << 16))
    assert len(arrived(tight, "events", 3000)) >= 3000


def test_a_file_that_has_grown_sends_only_what_is_new(here: Settings, run: Any, tmp_path: Path) -> None:
    path = csv_file(tmp_path / "log.csv", 390)
    assert "sent 390 events" in run(path).output
    whole = csv_file(tmp_path / "whole.csv", 400).read_bytes()
    path.write_bytes(whole)
    grown = run(path)
    assert grown.exit_code == 0, grown.output
    assert "390 rows were sent before" in grown.output
    assert "sent 10 events" in grown.output
    assert "nothing left" in run(path).output
    packed = tmp_path / "elsewhere.csv.gz"
    packed.write_bytes(gzip.compress(whole))
    assert "nothing left" in run(packed).output, "the same rows, packed and under another name"
    assert lines_of(arrived(here, "events", 400)) == list(range(2, 402))


def test_another_file_with_the_same_first_row_is_sent_from_its_beginning_and_what_both_say_counts_once(
    here: Settings, run: Any, tmp_path: Path
) -> None:
    path = csv_file(tmp_path / "log.csv", 50)
    assert run(path).exit_code == 0
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1], *lines[3:]]) + "\n")
    assert "sent 49 events" in run(path).output
    events = [decode(record.value, EventRules()) for record in arrived(here, "events", 99)]
    assert len({event.event_id for event in events if isinstance(event, Event)}) == 50


def test_a_file_out_of_order_is_sent_in_the_order_of_time(here: Settings, run: Any, tmp_path: Path) -> None:
    path = csv_file(tmp_path / "a.csv", 60)
    head, *rows = path.read_text().splitlines()
    path.write_text("\n".join([head, *reversed(rows)]) + "\n")
    result = run(path)
    assert "59 events are older than the one before them: they are sorted by time" in result.output
    per_user: dict[bytes | None, list[float]] = {}
    for record in arrived(here, "events", 60):
        event = decode(record.value, EventRules())
        assert isinstance(event, Event)
        per_user.setdefault(record.key, []).append(event.timestamp)
    assert all(times == sorted(times) for times in per_user.values())
    assert "nothing left" in run(path).output
    assert run(path, "--restart", "--limit", 5).exit_code == 2


def test_times_without_a_zone_are_asked_for_and_events_ahead_of_now_are_counted_before_anything_is_sent(
    here: Settings, run: Any, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "user_id,item_id,event_type,timestamp\nu,i,view,2019-10-01 00:00:00\nu,j,view,2099-10-01 00:00:00\n"
    )
    refused = run(path)
    assert refused.exit_code == 2
    assert "add --zone UTC" in " ".join(refused.output.replace("│", " ").split())
    dry = run(path, "--dry-run", "--json")
    report = json.loads(dry.stdout)["file_report"]
    assert report["ahead"] == 1
    assert any("1 events are ahead of now" in text for text in report["advice"])
    sent = run(path, "--zone", "Europe/Berlin")
    assert sent.output.index("1 events are ahead of now") < sent.output.index("sent 2 events")
    moments = sorted(json.loads(record.value or b"")["timestamp"] for record in arrived(here, "events", 2))
    assert moments[0] == 1569888000 - 7200
