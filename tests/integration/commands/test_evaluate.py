"""`sluicegate evaluate` reports the same scores for a log as the service after the same log came through Kafka."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from models.evaluation.evaluation import evaluate
from models.evaluation.protocol import Plan
from models.recommender.recommender import Recommender
from models.records.events import EventRules
from service.local.demo_export import export
from streaming.files import Layout, read_items
from streaming.intake.parameters import recommender_settings
from streaming.jobs.evaluation_log import read_stream
from tests.support.processes.harness import Installation
from tests.support.streams.streams import EPOCH, Shop

Open = Callable[..., Installation]


@pytest.fixture
def open_installation(broker: str, redis_url: str, tmp_path: Path) -> Iterator[Open]:
    """An installation on the embedded broker and Redis; its processes end with the test."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(Installation(broker, redis_url, tmp_path, 1, **settings))


def test_the_service_fed_through_kafka_has_the_running_scores_that_evaluate_reports(
    open_installation: Open, tmp_path: Path
) -> None:
    # A second between two events: what Kafka's milliseconds round off cannot change the share that is tested.
    shop = Shop(seed=41)
    planned = shop.stream(1_500, EPOCH, interval=1.0)
    log, items = tmp_path / "log.ndjson", tmp_path / "items.ndjson"
    log.write_text("\n".join(json.dumps(each.event) for each in planned), encoding="utf-8")
    facts = shop.facts()
    items.write_text("\n".join(json.dumps({"item_id": item, **known}) for item, known in facts.items()))
    ours = open_installation()

    learner = ours.learner()
    ours.send_facts(facts, planned[0].record_time)
    ours.wait_learnt(learner)
    ours.send(planned)
    ours.wait_learnt(learner)
    learner.terminate()
    assert learner.wait_exit() == 0
    live = Recommender(ours.load().state, recommender_settings(ours.settings))

    reading = read_stream(log, Layout(), ours.settings.events.rules(), read_items(items)[0])
    plan = Plan(every=0, seed=ours.settings.recommender.seed)
    said = evaluate(reading.stream, plan, time.perf_counter, {}, recommender_settings(ours.settings))
    assert said["running"] == live.scores()
    assert said["running"]["served"]["n"] > 500
    assert said["in_charge"] == live.chosen


def test_exported_purchases_are_a_log_that_evaluate_and_send_can_read(tmp_path: Path) -> None:
    events, items = export(tmp_path / "journey", 3_000)
    facts, refused = read_items(items)
    found = read_stream(events, Layout(), EventRules(), facts)
    assert (len(found.stream.events), found.refused, found.moved, refused) == (3_000, 0, 0, [])
    assert {event.item_id for event in found.stream.events} <= set(facts)
    again, _ = export(tmp_path / "again", 3_000)
    assert gzip.decompress(again.read_bytes()) == gzip.decompress(events.read_bytes())
