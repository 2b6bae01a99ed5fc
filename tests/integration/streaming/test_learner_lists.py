"""Records that hold lists: each line is learned once, whatever is killed, and a refused line is sent again alone."""

from __future__ import annotations

import contextlib
import json
import time
import uuid
from pathlib import Path
from typing import Any

from models.records import completion_key
from streaming.jobs.redrive import redrive
from streaming.live import stored_facts
from streaming.settings import load_settings
from streaming.store.store import Store
from tests.support.processes.harness import Installation, variables

ORDERS = 240


def mapping(topic: str, **more: str) -> str:
    fields = {"user_id": "who", "event_id": "id", "timestamp": "at", "item_id": "lines[*].sku"} | more
    fields |= {"title": "lines[*].name", "category": "lines[*].kind"}
    return json.dumps([{"topic": topic, "fields": fields, "default_type": "purchase"}])


def line(sku: str) -> dict[str, str]:
    return {"sku": sku, "name": f"A {sku}", "kind": f"kind of {sku}"}


def order(number: int, now: float) -> tuple[dict[str, Any], list[tuple[dict[str, Any] | None, str]]]:
    """An order of up to four lines, and what must become of each."""
    skus = [f"thing-{(number + turn) % 9}" for turn in range(number % 4 + 1)]
    if number % 60 == 7:
        skus[1] = ""
    who = f"buyer-{number % 7}"
    record = {"who": who, "id": f"o{number}", "at": now - 60 + number / 100, "lines": [line(sku) for sku in skus]}
    events = [({"event_type": "purchase", "user_id": who, "item_id": sku}, "learnt") for sku in skus]
    return record, [pair if pair[0]["item_id"] else (None, "rejected") for pair in events]


def test_each_line_is_learned_once_through_a_kill_and_a_refused_line_is_sent_again_alone(
    broker: str, redis_url: str, tmp_path: Path
) -> None:
    theirs = f"t{uuid.uuid4().hex[:8]}.orders"
    with Installation(broker, redis_url, tmp_path, 1, mapping=mapping(theirs)) as ours:
        admin = ours.admin()
        admin.create_topics({theirs: {"num_partitions": 1, "replication_factor": 1}}, wait_for_metadata=True)
        admin.close()
        now = time.time()
        learner = ours.learner()
        ours.post_fact("thing-5", None, now - 70)
        ours.send_facts({"thing-4": {"category": "the shop's own"}}, now - 70)
        for number in range(ORDERS):
            record, (first, *rest) = order(number, now)
            ours._post(theirs, json.dumps(record).encode(), b"k", now, *first, rest)
            if number == ORDERS // 2:
                ours.flush()
                ours.wait(
                    lambda: (head := ours.head()) is not None and head.progress.consumed > 0, "a version", learner
                )
                learner.kill()
                learner = ours.learner()
        ours.wait_learnt(learner)
        learner.terminate()
        assert learner.wait_exit() == 0
        ours.verify()
        with contextlib.closing(Store.for_service(ours.settings)) as store:
            told = {item: (facts.category, facts.title) for item, facts in stored_facts(store)}
        assert told == {
            sku: ("the shop's own" if sku == "thing-4" else f"kind of {sku}", f"A {sku}")
            for sku in (f"thing-{number}" for number in range(9) if number != 5)
        }

        # The mapping is mended: only the lines that were refused become events, in our own topic.
        mended = variables({"mapping": mapping(theirs, item_id="lines[*].sku|who")})
        settings = load_settings(None, ours._environ | mended)
        done = redrive(settings)
        assert (done.sent, done.cut) == (ORDERS // 60, 0)
        sent = [json.loads(each.value) for each in ours.read(ours.events, ORDERS // 60)]
        assert {event["event_id"] for event in sent} == {f"o{7 + 60 * turn}:2" for turn in range(ORDERS // 60)}
        facts = {each.key.decode(): json.loads(each.value) for each in ours.read(ours.items, 2 + ORDERS // 60)[2:]}
        assert facts == {completion_key(event["item_id"]): {"title": "A", "category": "kind of"} for event in sent}, (
            "the mended lines say what they say of their items, as at a first reading"
        )
        assert redrive(settings).sent == 0
