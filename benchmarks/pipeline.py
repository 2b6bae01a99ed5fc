"""Compares the rate of the whole learner with that of a bare poll loop, over 500,000 records in Kafka.

Both read the same records from the same broker in the same run, in turn, each in a process of its own. The learner
starts from a version that has learned as many records before and so holds nearly all ids. The bare loop is a
kafka-python consumer with the library's defaults; a second one has larger fetches and polls, and its ratio is
given next to the first.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from benchmarks import processes, workload
from benchmarks.report import spread, verdict
from benchmarks.servers import PARTITIONS, fill, servers, topic
from models.ledger import Admission, AdmissionRules
from models.records import Event, EventRules, decode_many
from streaming.settings import LearnerSettings
from tests.support.processes.redis_server import RedisServer

SUMMARY = "the rate of the whole learner against a bare kafka-python poll loop, and microseconds of each stage"
MUST, GOAL = 0.45, 0.55
MUST_OF_TUNED = 0.3
PER_SECOND = 2_000.0  # of the stream's own time
USERS = 30_000


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--records", type=int, default=500_000, help="measured records (default: %(default)s)")
    parser.add_argument("--warm", type=int, default=500_000, help="records learned before (default: %(default)s)")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Fill a topic, learn its first part, then measure both on the rest."""
    with servers(options) as around:
        namespace = f"bench-{uuid.uuid4().hex[:8]}"
        goods = workload.catalogue(options.seed)
        made = workload.stream(options.seed, options.warm + options.records, PER_SECOND, users=USERS, parade=True)
        start = time.time() - (options.warm + options.records) / PER_SECOND
        lines = workload.lines(made, goods, start)
        stamps = (made.time + start).tolist()
        events, items = f"{namespace}.events", f"{namespace}.items"
        for name in (events, items):
            topic(around.bootstrap, name, compact=name == items)
        fill(around.bootstrap, items, workload.facts(goods))
        fill(around.bootstrap, events, itertools.islice(lines, options.warm), stamps[: options.warm])
        offsets = _ends(around.bootstrap, events)
        warm = _warm(around.bootstrap, around.folder, namespace, options.warm)
        sample = [value for _, value in itertools.islice(workload.lines(made, goods, start), 100_000)]
        fill(around.bootstrap, events, lines, stamps[options.warm :])
        known = set(made.user[: options.warm].tolist())
        bare, tuned, ours = [], [], []
        for _ in range(options.runs):
            bare.append(_bare(around.bootstrap, events, offsets, options.records, None))
            tuned.append(_bare(around.bootstrap, events, offsets, options.records, LearnerSettings().batch_size))
            ours.append(_ours(around.bootstrap, around.folder, namespace, options.records, False))
        staged = _ours(around.bootstrap, around.folder, namespace, options.records, True)
    result = _result(bare, tuned, ours, staged, options.records)
    new = sum(user not in known for user in made.user[options.warm :].tolist()) / options.records
    return result | {
        "stage_alone_us_per_event": _alone(sample),
        "warm_start": warm,
        "workload": {
            "records": options.records,
            "learnt_before": options.warm,
            "items_in_catalogue": workload.ITEMS,
            "share_of_events_of_new_users": round(new, 4),
            "mean_bytes": round(sum(map(len, sample)) / len(sample), 1),
            "partitions": PARTITIONS,
        },
    }


def _ratio(bare: list[dict[str, Any]], ours: list[dict[str, Any]]) -> dict[str, Any]:
    return spread([theirs["seconds"] / mine["seconds"] for theirs, mine in zip(bare, ours, strict=True)])


def _result(
    bare: list[dict[str, Any]],
    tuned: list[dict[str, Any]],
    ours: list[dict[str, Any]],
    staged: dict[str, Any],
    n: int,
) -> dict[str, Any]:
    ratio, of_tuned = _ratio(bare, ours), _ratio(tuned, ours)
    per_event = {name: round(seconds / n * 1e6, 2) for name, seconds in staged["wall"].items()}
    processor = {name: round(seconds / n * 1e6, 2) for name, seconds in staged["processor"].items()}
    by_thread = {
        name: spread([each["threads"].get(name, 0.0) / n * 1e6 for each in ours], 2)
        for name in sorted({name for each in ours for name in each["threads"]})
    }
    return {
        "ratio": ratio["median"],
        "figures": [
            verdict("Kafka to learnt, share of a bare poll", ratio["median"], "", MUST, GOAL, higher=True),
            verdict("the same, share of a tuned poll", of_tuned["median"], "", MUST_OF_TUNED, None, higher=True),
        ],
        "ratio_spread": ratio,
        "ratio_to_tuned": of_tuned,
        "bare_records_per_second": spread([n / each["seconds"] for each in bare], 0),
        "learner_records_per_second": spread([n / each["seconds"] for each in ours], 0),
        "learner_us_per_event": spread([each["seconds"] / n * 1e6 for each in ours], 2),
        "learner_cpu_us_per_event": spread([each["cpu_seconds"] / n * 1e6 for each in ours], 2),
        "tuned_records_per_second": spread([n / each["seconds"] for each in tuned], 0),
        "bare_cpu_us_per_record": spread([each["cpu_seconds"] / n * 1e6 for each in bare], 2),
        "learner_peak_memory_mib": max(each["peak_memory_mib"] for each in ours),
        "outcomes": ours[0]["outcomes"],
        "stage_wall_us_per_event": per_event,
        "stage_processor_us_per_event": processor,
        "thread_processor_us_per_event": by_thread,
    }


def _bare(bootstrap: str, name: str, offsets: dict[int, int], records: int, batch: int | None) -> dict[str, Any]:
    task = {"bootstrap": bootstrap, "topic": name, "offsets": offsets, "records": records, "batch": batch}
    return processes.contender("bare_poll", task)


def _ours(bootstrap: str, folder: Path, namespace: str, records: int, stages: bool) -> dict[str, Any]:
    with _redis(folder) as redis:
        env = processes.environment(bootstrap, redis.url, namespace)
        return processes.contender("learner", {"records": records, "stages": stages}, env)


def _warm(bootstrap: str, folder: Path, namespace: str, records: int) -> dict[str, Any]:
    with RedisServer(folder / "warm") as redis:
        env = processes.environment(bootstrap, redis.url, namespace)
        found = processes.contender("learner", {"records": records, "stop": True}, env)
    return {"records_per_second": round(records / found["seconds"]), "outcomes": found["outcomes"]}


@contextlib.contextmanager
def _redis(folder: Path) -> Iterator[RedisServer]:
    """Start a Redis with its own copy of the data of the warm start."""
    copy = folder / f"redis-{uuid.uuid4().hex[:8]}"
    shutil.copytree(folder / "warm", copy)
    with RedisServer(copy) as redis:
        yield redis
    shutil.rmtree(copy)


def _ends(bootstrap: str, name: str) -> dict[int, int]:
    consumer = KafkaConsumer(bootstrap_servers=bootstrap)
    ends = consumer.end_offsets([TopicPartition(name, number) for number in range(PARTITIONS)])
    consumer.close()
    return {partition.partition: offset for partition, offset in ends.items()}


def _alone(values: list[bytes]) -> dict[str, float]:
    """Measure decoding and admission one after the other, with nothing else running."""
    rules, admission = EventRules(), Admission(AdmissionRules())
    begin = time.perf_counter()
    batch = LearnerSettings().batch_size
    found = [event for at in range(0, len(values), batch) for event in decode_many(values[at : at + batch], rules)]
    middle = time.perf_counter()
    for event in found:
        assert isinstance(event, Event)
        admission.admit(event, event.timestamp, False)
    each = 1e6 / len(values)
    return {"decode": round((middle - begin) * each, 2), "admit": round((time.perf_counter() - middle) * each, 2)}
