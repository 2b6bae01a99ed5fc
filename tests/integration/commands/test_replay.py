"""`sluicegate replay` over a real topic: every record once, in the order of time, and nothing left behind."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from service.cli.main import app
from streaming.consumer.by_time import RecordsByTime
from tests.support.processes.harness import Installation
from tests.support.streams.foreign_logs import prestashop
from tests.support.streams.streams import Shop

COUNT = 1_200


@pytest.fixture(scope="module")
def ours(broker: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with Installation(broker, redis_url, tmp_path_factory.mktemp("replay"), 3) as made:
        made.send_facts(Shop(seed=51).facts(), time.time() - 90.0)
        made.send(Shop(seed=51).stream(COUNT, time.time() - 60.0, interval=0.04))
        made.flush()
        yield made


def run(ours: Installation, *words: str) -> Result:
    return CliRunner().invoke(app, ["replay", *words], env=ours._environ)


@pytest.fixture
def careful(tmp_path: Path) -> str:
    path = tmp_path / "careful.toml"
    path.write_text("mode = 'manual'\n")
    return str(path)


def test_partitions_are_read_together_in_the_order_of_their_records_times(ours: Installation) -> None:
    topics = [ours.settings.topic(role) for role in ("events", "items", "control")]
    with RecordsByTime(ours.settings, topics, {}) as past:
        runs = [run for batch in past.batches(100) for run in batch]
        reach = past.reach()
        assert past.done == past.total == len(ours.ledger)
    records = [record for run in runs for record in run]
    assert {(r.topic, r.partition, r.offset) for r in records} == {s[:3] for s in ours.ledger.records()}
    assert len(records) == len(ours.ledger)
    times = [record.timestamp for record in records]
    assert times == sorted(times)
    assert sum(each.end - each.first for each in reach) == len(ours.ledger)
    assert min(each.oldest for each in reach if each.oldest) == times[0] * 1e-3


def test_the_topic_is_replayed_under_both_policies_and_nothing_is_written(ours: Installation, careful: str) -> None:
    before = ours.store.call("KEYS", ours.store.key("*"))
    done = run(ours, "--policy", careful, "--json", "--step", "100")
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert result["events"] == result["source"]["outcomes"]["learnt"] == COUNT
    assert result["versions"] >= 8
    assert result["gates"]["in force"]["promotions"] > 0
    assert result["gates"]["tried"]["promotions"] == 0
    assert result["tested"] > 100
    assert {each["topic"] for each in result["source"]["reach"]} == set(result["source"]["topics"].values())
    assert ours.store.call("KEYS", ours.store.key("*")) == before


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--since", "yesterday"], "'yesterday' is not a time"),
        (["--map", "view=click"], "only with --file"),
        (["--preset", "ga4"], "only with --file"),
        (["--zone", "UTC"], "only with --file"),
        (["--policy", "nosuch.toml"], "No such file"),
        (["--file", "nosuch.csv"], "cannot read nosuch.csv"),
    ],
)
def test_wrong_options_are_explained(ours: Installation, careful: str, words: list[str], says: str) -> None:
    refused = run(ours, "--policy", careful, *words)
    assert refused.exit_code == 2
    assert says in refused.output


def test_a_file_is_read_with_the_flags_of_evaluate(ours: Installation, careful: str, tmp_path: Path) -> None:
    log = prestashop()
    told = ["--file", str(log.written(tmp_path)), *log.told]
    done = run(ours, "--policy", careful, *told, "--json", "--step", "100")
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert (result["events"], result["source"]["refused"]) == (sum(log.events.values()), 0)
    assert "quantity from product_quantity" in done.stderr


def test_a_time_with_too_few_events_is_explained(ours: Installation, careful: str) -> None:
    refused = run(ours, "--policy", careful, "--until", "2001-01-01")
    assert refused.exit_code == 1
    assert "nothing could be compared: 0 events were read" in refused.output
