"""Writes the figures of docs/operations.md from the results of benchmarks: what an installation needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

DOCS = Path(__file__).resolve().parents[3] / "docs"


class Figure(NamedTuple):
    """A row: its name, and where the results of a benchmark hold its value, as key.key."""

    words: str
    file: str
    path: str
    unit: str
    digits: int = 0


FIGURES = (
    Figure("events a second that one learner takes in", "pipeline", "learner_records_per_second.median", ""),
    Figure("processor time of the learner for one event", "pipeline", "learner_cpu_us_per_event.median", "µs"),
    Figure("requests a second of one service", "recommend", "saturated_requests_per_second.8.median", ""),
    Figure("an answer beside 2,000 events/s, median", "recommend", "open_loop.p50_ms.median", "ms", 1),
    Figure("the learner's tables, 100,000 items and 45,774 users", "recovery", "model_megabytes", "MB"),
    Figure("Redis with that model, histories and facts", "recovery", "redis_dataset_megabytes", "MB"),
    Figure("the learner's tables, 1,000,000 items", "step", "by_items.1000000.state_mib", "MiB"),
    Figure("the learner's process at its peak, 100,000 items", "pipeline", "learner_peak_memory_mib", "MiB"),
    Figure("a base, 100,000 items", "versions", "base_megabytes", "MB"),
    Figure("a delta, once a second at 2,000 events/s", "versions", "kilobytes_per_delta.median", "kB"),
    Figure("from `kill -9` of the learner to learning again", "recovery", "killed_to_learning_s.median", "s", 1),
    Figure("start of a service until it recommends", "recovery", "service_start_to_recommending_s.median", "s", 1),
)
RESULTS = DOCS.parent / "benchmarks" / "results"


def sizes() -> str:
    """Returns the table."""
    results = {name: json.loads((RESULTS / f"{name}.json").read_text()) for name in {row.file for row in FIGURES}}
    rows = [f"| {row.words} | {shown(results[row.file], row)} | `python -m benchmarks {row.file}` |" for row in FIGURES]
    machine = results["pipeline"]["machine"]
    made = f"{machine['cores']} cores of an {machine['cpu']}".replace("(R)", "")
    return "\n".join([
        "| measured | | by |",
        "|---|---|---|",
        *rows,
        "",
        f"On {made}, with broker, Redis and load beside it on the same ones.",
    ])


def shown(result: Any, row: Figure) -> str:
    """Returns the value of a row with its unit."""
    for key in row.path.split("."):
        result = result[key]
    return f"{result:,.{row.digits}f} {row.unit}".strip()


def operations() -> str:
    """Returns the page docs/operations.md as it is, with the figures of the results."""
    before, opening, rest = (DOCS / "operations.md").read_text().partition(OPENING)
    _, closing, after = rest.partition(CLOSING)
    return f"{before}{opening}\n\n{sizes()}\n\n{closing}{after}"


OPENING = "<!-- figures: written by `python -m tests.support.documents.pages` from benchmarks/results/ -->"
CLOSING = "<!-- end of figures -->"
