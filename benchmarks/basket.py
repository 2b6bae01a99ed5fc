"""Asks for whole baskets: how many items of the next order are among twenty, before any line of it is learned?

The same code as `sluicegate evaluate`, all defaults, on the two streams that have orders of many lines. Rivals are the
user's own frequencies with those of everybody behind them, and TIFU-KNN.
"""

from __future__ import annotations

import argparse
import time
from typing import Any, Final

from benchmarks.streams import Event, Facts, load
from models import evaluation
from models.evaluation import Plan
from models.evaluation import Stream as Log
from models.warmup import warm
from service.local import purchases

SUMMARY = "Next baskets: recall@20 and the rest of the served order and of rivals, on streams with orders"

PURCHASE: Final = 3
JOURNEY: Final = "completejourney"
STREAMS: Final = ("online_retail_ii", JOURNEY)
MUST, GOAL = 1.05, 1.15
"""Ratio of recall@20 to the best of the rivals."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add options for the streams and their length."""
    parser.add_argument("--streams", nargs="+", default=list(STREAMS), choices=list(STREAMS))
    parser.add_argument("--lines", type=int, default=240_000, help="first lines of each stream (default: %(default)s)")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Run every stream once: the figures vary with the seed alone."""
    warm()
    streams = {}
    for name in options.streams:
        log = _journey(options.lines) if name == JOURNEY else _purchases(name, options.lines)
        plan = Plan(seed=options.seed, lists=0)
        found = evaluation.evaluate(log, plan, time.perf_counter, {})["baskets"]
        best = found["contenders"][found["best_rival"]]["recall@20"]
        served = found["contenders"]["served"]["recall@20"]
        streams[name] = {"served": served, "rival": best, "lines": len(log.events)} | found
    figures = [_figure(name, found) for name, found in streams.items()]
    return {"figures": figures, "streams": streams}


def _purchases(name: str, lines: int) -> Log:
    stream = load(name)
    return Log(stream.events[:lines], {}, stream.facts)


def _journey(lines: int) -> Log:
    bought = purchases(lines, 1.7e9)
    events = [Event(PURCHASE, user, item, when, price) for user, item, when, price in zip(*bought[:4], strict=True)]
    facts = {item: Facts(each.get("category"), each.get("brand"), None) for item, each in bought.facts.items()}
    return Log(events, {}, facts)


def _figure(name: str, found: dict[str, Any]) -> dict[str, Any]:
    low, high = found["ratio_interval"]
    value = found["ratio_to_best_rival"]
    return {
        "name": f"{name} recall@20 of baskets",
        "value": value,
        "unit": f"of {found['best_rival']}, 95 % {low:.3f} to {high:.3f}",
        "must": MUST,
        "goal": GOAL,
        "reached": "goal" if value >= GOAL else "must" if value >= MUST else "neither",
    }
