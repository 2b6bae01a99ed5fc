"""Measures how long Redis answers no other client while it receives values of several sizes, written at one pace.

Writing a base next to the chain delays the histories that requests read: the reason for
`models.snapshot.chunks.CHUNK_BYTES`.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.report import percentile, spread
from streaming.checkpoint import BASE_BYTES_PER_SECOND
from streaming.store import Store
from tests.support.processes.redis_server import RedisServer

SUMMARY = "how long Redis answers no other client while it receives one chunk, by its size"
MIB = 1 << 20
SIZES = (MIB // 2, MIB, 2 * MIB, 4 * MIB, 8 * MIB)
ASKED_EVERY = 0.001  # seconds between two questions


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--seconds", type=float, default=5.0, help="of writing each size (default: %(default)s)")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Run every size in turn, as often as asked."""
    found: dict[int, list[list[float]]] = {size: [] for size in SIZES}
    with _redis(options) as url:
        for _ in range(options.runs):
            for size, answers in found.items():
                answers.append(_beside(url, size, options.seconds))
    return {
        "figures": [],
        "mebibytes_per_second": BASE_BYTES_PER_SECOND / MIB,
        "p99_ms": {_name(size): spread([percentile(each, 0.99) for each in runs]) for size, runs in found.items()},
        "p999_ms": {_name(size): spread([percentile(each, 0.999) for each in runs]) for size, runs in found.items()},
        "longest_ms": {_name(size): spread([max(each) for each in runs]) for size, runs in found.items()},
    }


def _name(size: int) -> str:
    return f"{size / MIB:g} MiB"


@contextlib.contextmanager
def _redis(options: argparse.Namespace) -> Iterator[str]:
    if options.redis is not None:
        yield options.redis
        return
    with tempfile.TemporaryDirectory(prefix="sluicegate-bench-") as folder, RedisServer(Path(folder)) as server:
        yield server.url


def _beside(url: str, size: int, seconds: float) -> list[float]:
    """Measure the milliseconds of each answer to a PING while another process writes."""
    writer = multiprocessing.get_context("spawn").Process(target=_write, args=(url, size, seconds + 2.0))
    writer.start()
    store = Store(url, "benchmark", timeout=5.0, retries=0)
    try:
        time.sleep(1.0)  # by then the writer has started
        answers, end = [], time.perf_counter() + seconds
        while time.perf_counter() < end:
            answers.append(1000 * store.ping())
            time.sleep(ASKED_EVERY)
    finally:
        store.close()
        writer.terminate()
        writer.join()
    return answers


def _write(url: str, size: int, seconds: float) -> None:
    store, data, end = Store(url, "benchmark", timeout=5.0, retries=0), os.urandom(size), time.perf_counter() + seconds
    number = 0
    while time.perf_counter() < end:
        store.call("SET", store.key("c", number % 8), data)
        number += 1
        time.sleep(size / BASE_BYTES_PER_SECOND)
