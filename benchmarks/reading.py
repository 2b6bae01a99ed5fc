"""Measures reading a log of many rows as `evaluate --dry-run` and `send --dry-run` do, next to DuckDB reading it.

The log has the columns of REES46 (event_time to user_session), a tenth of its categories and brands empty. Ours makes
an event of each row, decodes it by the rules of the learner, and counts what it found. DuckDB parses the same columns
with its own types and sums every one of them, so that none is skipped: with one thread, as ours, and with all cores.
Each run is a process of its own, the contenders take turns, and a ratio is of two neighbouring runs. Memory is the
resident size when a quarter of the rows is read and at the end. `evaluate` itself keeps its events; what one of them
takes is measured apart.
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import csv, parquet

from benchmarks.report import spread, verdict
from models.records import EventRules
from streaming.files import Layout, RowFile, Survey, read_events, with_preset
from streaming.jobs.evaluation_log import read_stream
from tests.support.processes.processes import Missing

SUMMARY = "reading a log of many rows, as evaluate and send --dry-run do, next to DuckDB; memory"
ROWS = 1_000_000
KEPT = 100_000
CHUNK = 250_000
MIB = 1 << 20
KINDS = ("csv", "parquet")
OURS = ("send", "evaluate")
USERS, ITEMS = 400_000, 60_000
TYPES = np.array(["view"] * 94 + ["cart"] * 4 + ["purchase"] * 2)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add options for how much is read, and where the files are made."""
    parser.add_argument("--rows", type=int, default=ROWS, help="rows of each file (default: %(default)s)")
    parser.add_argument("--folder", help="where the files are made, 80 bytes a row (default: a temporary folder)")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Make the files, then read each in turns."""
    try:
        import duckdb  # noqa: F401 - only to say at once that it is missing
    except ImportError:
        raise Missing("the benchmark `reading` needs DuckDB: pip install 'sluicegate[compare]'") from None
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        paths = {kind: Path(folder) / f"log.{kind}" for kind in KINDS}
        _write(paths, options.rows, options.seed)
        by_kind = {kind: _measured(paths[kind], options) for kind in KINDS}
        kept = _apart(_kept, str(paths["csv"]), min(options.rows, KEPT))
    grown = max(by_kind[kind][how]["grown_mib"]["max"] for kind in KINDS for how in OURS)
    return {
        "figures": [verdict("memory grows over the last three quarters", grown, "MiB", 64.0, 16.0, higher=False)],
        "rows": options.rows,
        "by_kind": by_kind,
        "evaluate_keeps_bytes_per_event": kept["bytes_per_event"],
    }


def _measured(path: Path, options: argparse.Namespace) -> dict[str, Any]:
    seconds: dict[str, list[float]] = {}
    grown: dict[str, list[float]] = {how: [] for how in OURS}
    peak: dict[str, list[float]] = {how: [] for how in OURS}
    cores = len(os.sched_getaffinity(0))
    for _ in range(options.runs):
        for how in OURS:
            found = _apart(_ours, str(path), how)
            assert found["events"] == options.rows, found
            seconds.setdefault(how, []).append(found["seconds"])
            grown[how].append(found["grown_mib"])
            peak[how].append(found["peak_mib"])
        for threads in sorted({1, cores}):
            seconds.setdefault(f"duckdb_{threads}", []).append(_apart(_duckdb, str(path), threads)["seconds"])
    result: dict[str, Any] = {
        name: {"rows_per_second": spread([options.rows / each for each in runs], 0), "seconds": spread(runs, 2)}
        for name, runs in seconds.items()
    }
    for how in OURS:
        pairs = zip(seconds[how], seconds["duckdb_1"], strict=True)
        result[how]["times_as_long_as_duckdb_1"] = spread([ours / theirs for ours, theirs in pairs], 1)
        result[how] |= {"grown_mib": spread(grown[how], 1), "peak_mib": spread(peak[how], 0)}
    return result


def _write(paths: dict[str, Path], rows: int, seed: int) -> None:
    """The same rows as CSV and as Parquet, a piece after the other."""
    random = np.random.default_rng(seed)
    first = _piece(random, 0, 1).schema
    with csv.CSVWriter(paths["csv"], first) as text, parquet.ParquetWriter(paths["parquet"], first) as columns:
        for start in range(0, rows, CHUNK):
            piece = _piece(random, start, min(CHUNK, rows - start))
            text.write_table(piece)
            columns.write_table(piece)


def _piece(random: np.random.Generator, start: int, count: int) -> pa.Table:
    items = (ITEMS * random.random(count) ** 3).astype(np.int64)
    users = (USERS * random.random(count) ** 2).astype(np.int64)
    moments = (1_767_225_600 + (start + np.arange(count)) // 20).astype("datetime64[s]")
    times = np.char.add(np.char.replace(np.datetime_as_string(moments), "T", " "), " UTC")
    named = items % 10 > 0
    return pa.table({
        "event_time": times,
        "event_type": TYPES[random.integers(0, len(TYPES), count)],
        "product_id": items + 1_000_000,
        "category_id": items % 700 + 2_053_013_550_000_000_000,
        "category_code": pa.array(np.char.add("part.of.", (items % 130).astype(str)), mask=~named),
        "brand": pa.array(np.char.add("brand-", (items % 900).astype(str)), mask=~named),
        "price": np.round(items % 40_000 / 100 + 1, 2),
        "user_id": users + 500_000_000,
        "user_session": np.char.add(
            np.char.add(users.astype(str), "-"), ((start + np.arange(count)) // 500).astype(str)
        ),
    })


def _apart(measure: Callable[..., dict[str, float]], *words: object) -> dict[str, float]:
    """What a function returns in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found: dict[str, float] = json.loads(pool.apply(_encoded, (measure, words)))
    return found


def _encoded(measure: Callable[..., dict[str, float]], words: tuple[object, ...]) -> str:
    return json.dumps(measure(*words))


def _ours(path: str, how: str) -> dict[str, float]:
    layout, rules = with_preset(Layout(), "rees46"), EventRules()
    sizes = _Sizes()
    began = time.perf_counter()
    if how == "evaluate":
        reading = read_stream(Path(path), layout, rules, tick=sizes.see, strict=False, keep=False)
        events = reading.survey.events
    else:
        survey = Survey(path)
        with RowFile(Path(path)) as rows:
            for number, _ in enumerate(read_events(rows, layout, rules, survey=survey, event_ids=True)):
                if number % 4096 == 0:
                    sizes.see(rows.done())
        events = survey.events
    seconds = time.perf_counter() - began
    return {
        "events": events,
        "seconds": seconds,
        "grown_mib": max(0.0, _resident() - sizes.at_a_quarter),
        "peak_mib": sizes.most,
    }


class _Sizes:
    """The resident size of this process while a file is read."""

    def __init__(self) -> None:
        self.at_a_quarter = self.most = 0.0

    def see(self, share: float) -> None:
        """Look, at a share of the file from 0 to 1."""
        now = _resident()
        self.most = max(self.most, now)
        if not self.at_a_quarter and share >= 0.25:
            self.at_a_quarter = now


def _duckdb(path: str, threads: int) -> dict[str, float]:
    import duckdb

    kind = "read_csv" if path.endswith("csv") else "read_parquet"
    with duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")  # it goes to standard output
        connection.execute(f"SET threads = {int(threads)}")
        texts = [f"sum(length({name}))" for name in ("event_type", "category_code", "brand", "user_session")]
        sums = ", ".join([
            "max(event_time)",
            *texts,
            *(f"sum({name})" for name in ("product_id", "category_id", "price", "user_id")),
        ])
        began = time.perf_counter()
        connection.execute(f"SELECT {sums} FROM {kind}(?)", [path]).fetchall()
        return {"seconds": time.perf_counter() - began}


def _kept(path: str, rows: int) -> dict[str, float]:
    layout, rules = with_preset(Layout(), "rees46"), EventRules()
    read_stream(Path(path), layout, rules, limit=1)
    gc.collect()
    before = _resident()
    reading = read_stream(Path(path), layout, rules, limit=rows)
    gc.collect()
    return {"bytes_per_event": round((_resident() - before) * MIB / len(reading.stream.events))}


def _resident() -> float:
    """MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / MIB
