"""Measures slates for many users: one request for 1,000 of them against a request for each, of the same service.

The service has 100,000 items and does nothing else; no learner runs, and slates go nowhere (no broker answers). One
connection asks for the same users in both ways, in turn. Histories are those of returning users; one in ten is a
stranger.
"""

from __future__ import annotations

import argparse
import http.client
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks import processes
from benchmarks.given import ITEMS, served
from benchmarks.report import spread, verdict

SUMMARY = "slates for many users in one request, against a request for each: users/s and processor time"
TOGETHER = 1_000
KINDS = ("one_by_one", "batch")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--items", type=int, default=ITEMS, help="items (default: %(default)s)")
    parser.add_argument("--requests", type=int, default=3_000, help="users in a run (default: %(default)s)")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Ask for all users in both ways, in turn, as often as asked."""
    with served(options) as (address, requests):
        bodies = [json.loads(body) for body in requests["ordinary"]]
        ask(address, bodies[:TOGETHER])
        runs = [ask(address, bodies) for _ in range(options.runs)]
    ratio = spread([each["batch"]["users_per_second"] / each["one_by_one"]["users_per_second"] for each in runs])
    found = {kind: {name: spread([each[kind][name] for each in runs]) for name in runs[0][kind]} for kind in KINDS}
    rate = found["batch"]["users_per_second"]["median"]
    return {
        "figures": [
            verdict("users/s in batches", rate, "1/s", 500.0, 1_000.0, higher=True),
            verdict("users/s in batches, of one by one", ratio["median"], "times", 1.0, 2.0, higher=True),
        ],
        "ratio": ratio,
        **found,
    }


def ask(address: str, bodies: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Ask for all users in both ways: users a second, and milliseconds of the service's processor time for each."""
    link = http.client.HTTPConnection(address, timeout=60)
    found = {}
    for kind, asked in zip(KINDS, (_each, _together), strict=True):
        before, began = _processor(address), time.perf_counter()
        answered = sum(asked(bodies, lambda path, body: _post(link, path, body)))
        seconds, worked = time.perf_counter() - began, _processor(address) - before
        if answered != len(bodies):
            raise RuntimeError(f"{kind}: {answered} of {len(bodies)} users were answered")
        found[kind] = {"users_per_second": answered / seconds, "processor_ms": 1e3 * worked / answered}
    link.close()
    return found


def _each(bodies: list[dict[str, Any]], post: Callable[[str, dict[str, Any]], bytes]) -> Iterator[int]:
    return (post("/recommend", body).count(b'"items":[{') for body in bodies)


def _together(bodies: list[dict[str, Any]], post: Callable[[str, dict[str, Any]], bytes]) -> Iterator[int]:
    for start in range(0, len(bodies), TOGETHER):
        users = [body["user_id"] for body in bodies[start : start + TOGETHER]]
        yield post("/recommend/batch", {"user_ids": users, "n": bodies[0]["n"]}).count(b'"items":[{')


def _processor(address: str) -> float:
    return processes.metrics(address)["process_cpu_seconds_total"]


def _post(link: http.client.HTTPConnection, path: str, body: dict[str, Any]) -> bytes:
    link.request("POST", path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    answer = link.getresponse()
    found = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{path} answered {answer.status}: {found[:200]!r}")
    return found
