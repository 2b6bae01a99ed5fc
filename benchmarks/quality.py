"""Evaluates the streams of ../shared/data as `sluicegate evaluate` does, against the recipe and the bounds.

The same code as the command, all defaults; item facts are known from the start. Figures are those as served: the
ratios to the best single source and to the best rival that ran, and the floor that a prototype reached, which counts
within two standard errors. Times are left out: `learning` and `ranking` measure those.

A stream at a time, `--keep` leaves what does not run now as the stored result has it.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from typing import Any

from benchmarks import kept, machine
from benchmarks.streams import LIMITS, Stream, load
from models import evaluation
from models.evaluation import Maker, Plan
from models.evaluation import Stream as Log
from models.evaluation.rivals_torch import SEQUENCES, SequenceRival
from models.warmup import warm
from service.cli.evaluation_table import text
from tests.support.processes.processes import Missing

SUMMARY = "HR@20, MRR@20 and the rest for every contender on four streams, each tested before it is learned"

RECIPE = {
    "movielens_100k": (0.320, 0.089),
    "rees46_3h": (0.696, 0.474),
    "taobao_users": (0.571, 0.288),
    "online_retail_ii": (0.435, 0.212),
}
"""Figures that the two stages reached in a prototype: the floor."""

MUST, GOAL = 1.10, 1.25
"""Ratio to the best single source, in both measures."""

MUST_OF_RIVAL, GOAL_OF_RIVAL = 1.05, 1.15
"""Ratio to the best rival of any kind that ran, in both measures."""

MUST_MRR = {"rees46_3h": 1.04}
"""Where half of the events repeat the very last item, which the best source has at rank 1."""

SLICED = ("served", "ranker")
"""Contenders whose slices are kept, as well as those of the best single source."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add options for streams and contenders."""
    parser.add_argument("--streams", nargs="+", default=list(LIMITS), choices=list(LIMITS))
    parser.add_argument("--contenders", nargs="+", default=[], help="as of evaluate (default: all installed)")
    parser.add_argument(
        "--positions", type=int, help="most next items that a fit of a network learns (default: its own)"
    )
    parser.add_argument(
        "--keep", action="store_true", help="keep streams and rivals of the stored result that do not run"
    )


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Run every stream once: the figures vary with the seed alone."""
    try:
        rivals, absent = evaluation.chosen(options.contenders)
    except evaluation.UnknownContenderError as error:
        raise Missing(str(error)) from None
    if options.positions is not None:
        thin = {name: partial(SequenceRival, name, positions=options.positions) for name in SEQUENCES}
        rivals = {name: thin.get(name, maker) for name, maker in rivals.items()}
    warm()
    results = {name: measure(load(name), options.seed, rivals, absent) for name in options.streams}
    if options.keep:
        results = kept.added(results, list(LIMITS))
    return {"figures": [figure for name in results for figure in _figures(name, results[name])], "streams": results}


def measure(
    stream: Stream, seed: int, rivals: dict[str, Maker] | None = None, absent: dict[str, str] | None = None
) -> dict[str, Any]:
    """Evaluate new contenders on one stream."""
    run = {"commit": machine.versions()["sluicegate"], "measured_at": machine.now()}
    log = Log(stream.events, {}, stream.facts)
    result = evaluation.evaluate(log, Plan(seed=seed), time.perf_counter, rivals or {})
    sliced = {*SLICED, *result["best_single_source"].values()}
    for parts in result["slices"].values():
        for part in parts.values():
            part["contenders"] = {name: found for name, found in part["contenders"].items() if name in sliced}
    for contender in result["contenders"].values():
        contender["us_per_event"] = contender["us_per_ranking"] = None
    result["not_run"] |= absent or {}
    return run | result


def _figures(name: str, result: dict[str, Any]) -> list[dict[str, Any]]:
    served, figures = result["contenders"][result["served"]], []
    for measure_of, error, floor in zip(("hr@20", "mrr@20"), ("se", "mrr_se"), RECIPE[name], strict=True):
        pair = served["against_best_source"][measure_of]
        must = MUST_MRR.get(name, MUST) if measure_of == "mrr@20" else MUST
        low, high = pair["ratio_interval"]
        unit = f"of {pair['source']}, 95 % {low:.3f} to {high:.3f}"
        figures.append(_figure(f"{name} {measure_of} ratio", pair["ratio"], unit, must, GOAL, 0.0))
        unit = f"+- {served[error]:.4f}, n = {served['n']}"
        figures.append(_figure(f"{name} {measure_of}", served[measure_of], unit, floor, None, 2 * served[error]))
        if result.get("best_rival") is not None:
            figures.append(_against_rival(f"{name} {measure_of} of the best rival", result["best_rival"][measure_of]))
    return figures


def _against_rival(name: str, pair: dict[str, Any]) -> dict[str, Any]:
    low, high = pair["ratio_interval"]
    unit = f"of {pair['rival']}, 95 % {low:.3f} to {high:.3f}"
    return _figure(name, pair["ratio"], unit, MUST_OF_RIVAL, GOAL_OF_RIVAL, 0.0)


def _figure(name: str, value: float, unit: str, must: float, goal: float | None, noise: float) -> dict[str, Any]:
    reached = "goal" if goal is not None and value >= goal else "must" if value + noise >= must else "neither"
    return {"name": name, "value": round(value, 4), "unit": unit, "must": must, "goal": goal, "reached": reached}


def table(result: dict[str, Any]) -> str:
    """Write the figures, then each stream that ran as `sluicegate evaluate` prints it."""
    from benchmarks.report import table as figures

    lines = [figures({"benchmark": result["benchmark"], "figures": result["figures"]})]
    for name, found in result["streams"].items():
        shown = {"name": name, "passed": 0, "refused": 0, "duplicates": 0, "out_of_order": 0}
        if "best_rival" in found:
            ran = {each: figures for each, figures in found["contenders"].items() if kept.WHEN not in figures}
            lines.append(text(found | {"file": shown, "contenders": ran, "seconds": None}))
    return "\n\n".join(lines)
