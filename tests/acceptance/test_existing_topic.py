"""A topic of another shape next to ours, with the example's mapping: learned once, refused in its words, taken out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import tomllib
import uuid
from collections.abc import Iterator
from typing import Any

from tests.acceptance.conftest import Open
from tests.acceptance.test_kills import stop
from tests.support.processes.harness import ROOT, Installation, variables
from tests.support.streams.streams import Shop

EXAMPLE = ROOT / "examples" / "existing-topic"
ROUNDS = 40  # of the sample's 25 records, with other ids each time
OURS = 400
# What their records become, by their word: written out here and not asked of the mapping.
WORDS = {"PRODUCT_VIEWED": "click", "WISHLIST_ADDED": "favourite", "ORDER_PLACED": "purchase"}


def mapping(topic: str, **changes: Any) -> dict[str, Any]:
    """The example's mapping, for a topic of this test."""
    (found,) = tomllib.loads((EXAMPLE / "sluicegate.toml").read_text())["mapping"]
    return {**found, "topic": topic, **changes}


def records(now: float) -> Iterator[tuple[dict[str, Any], dict[str, Any] | None]]:
    """Their records, the sample again and again as of now, each with the event of ours it must become."""
    sample = [json.loads(line) for line in (EXAMPLE / "activity.ndjson").read_text().splitlines()]
    for turn in range(ROUNDS):
        for place, sampled in enumerate(sample):
            moment = now - 60 + turn + place / 100
            record = {**sampled, "meta": {"message.id": f"{turn}-{place}", "occurred_us": int(moment * 1e6)}}
            record["customer"] = {"id": sampled["customer"]["id"] + turn * 10}
            word = record["action"]["kind"]
            yield (
                record,
                None
                if word not in WORDS
                else {
                    "event_type": WORDS[word],
                    "user_id": str(record["customer"]["id"]),
                    "item_id": record["lines"][0]["sku"],
                },
            )


def send(ours: Installation, topic: str, record: Any, event: dict[str, Any] | None, outcome: str) -> None:
    """One record into their topic, by a bare producer."""
    raw = record if isinstance(record, bytes) else json.dumps(record).encode()
    key = str(record["customer"]["id"]).encode() if isinstance(record, dict) else b"k"
    ours._post(topic, raw, key, time.time(), event, outcome)


def test_their_records_are_learnt_once_beside_ours_through_a_kill_and_a_change_of_the_mapping(
    open_installation: Open,
) -> None:
    theirs = f"shop-{uuid.uuid4().hex[:8]}.activity"
    ours = open_installation(mapping=json.dumps([mapping(theirs)]))
    admin = ours.admin()
    try:
        admin.create_topics({theirs: {"num_partitions": 3, "replication_factor": 1}}, wait_for_metadata=True)
    finally:
        admin.close()
    now = time.time()
    everything = list(records(now))
    learner = ours.learner()
    for half in (everything[: len(everything) // 2], everything[len(everything) // 2 :]):
        for record, event in half:
            send(ours, theirs, record, event, "learnt" if event is not None else "ignored")
        ours.send(Shop(seed=9).stream(OURS, now - 60, interval=0.01) if half[0] is everything[0] else [])
        learner.kill()  # wherever it is
        learner = ours.learner()
    refused = {**everything[0][0], "meta": {"message.id": "late one", "occurred_us": "yesterday"}}
    send(ours, theirs, refused, None, "rejected")
    stop(ours, learner)  # the oracles hold: each record consumed once, each event learned once, histories whole

    (letter,) = ours.read(ours.settings.topic("deadletter"), 1)
    headers = {name.removeprefix("sluicegate-"): value.decode() for name, value in letter.headers}
    assert (headers["topic"], headers["reason"], headers["path"]) == (theirs, "bad_timestamp", "$.meta.occurred_us")
    assert headers["expected"] == "a number of microseconds"
    assert json.loads(letter.value) == refused

    trial = sluicegate(ours, "check-mapping", "--count", "30", "--json")
    report = json.loads(trial.stdout)
    assert (trial.returncode, report["refused"], len(report["records"])) == (3, 1, 30), trial.stderr
    assert report["events"] + report["ignored"] == 29

    # The mapping is fixed: the letter becomes an event in our own topic, and theirs is not written to.
    length = ours._length(theirs)
    mended = json.dumps([mapping(theirs, time="auto", fields=mapping(theirs)["fields"] | {"timestamp": "@time"})])
    assert sluicegate(ours, "deadletter", "redrive", mapping=mended).returncode == 0
    assert ours._length(theirs) == length
    sent = [json.loads(each.value) for each in ours.read(ours.events, OURS + 1)]
    again = [event for event in sent if event.get("event_id") == "late one"]
    assert [(event["user_id"], event["event_type"]) for event in again] == [(str(refused["customer"]["id"]), "click")]

    # Without the mapping their topic is left alone, and with it again reading goes on where it was.
    alone = ours.learner(mapping="[]")
    ours.wait(lambda: consumed(ours) == len(ours.ledger) + 1, "the event that was sent again is learned", alone)
    alone.terminate()
    assert alone.wait_exit() == 0
    send(ours, theirs, *everything[0], "duplicate")
    ours.flush()
    back = ours.learner()
    ours.wait(lambda: consumed(ours) == len(ours.ledger) + 1, "only what is new of their topic is read", back)


def consumed(ours: Installation) -> int:
    """Records in the newest version."""
    head = ours.head()
    return head.progress.consumed if head is not None else 0


def sluicegate(ours: Installation, *words: str, **settings: object) -> subprocess.CompletedProcess[str]:
    """A command with the settings of an installation."""
    environ = {**os.environ, **ours._environ, **variables(settings)}
    return subprocess.run(
        [sys.executable, "-m", "service.cli.main", *words],
        env=environ,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
