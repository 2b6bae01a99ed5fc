"""Measures how much several learners that share a stream lose against one, and the cost of merging them.

Quality: the first half of a stream is learned by one learner, then the rest by one, and by several from the same state,
which merge after so many events of all of them; every event is tested by both. In one process, without Ray: what is
compared is the merging. The coordinator's cost comes from the same runs, and from that cost the rate of 2 to 64 shards
is computed (benchmarks/shard_rates.py). With `--engine` real learners on Ray are measured, and killed, as well.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from benchmarks import ranking, replicas, shard_costs, shard_engine, shard_rates
from benchmarks.report import verdict
from benchmarks.sharding import FAMILIES, Sharded, run_of
from benchmarks.streams import LIMITS, Stream, load
from models.arrays import Array
from models.recommender import CONTENDERS, Recommender, RecommenderOptions, Tested, hits, new_state, reciprocal_ranks
from models.state import duplicate
from models.warmup import warm, warm_merging
from streaming.settings import LearnerSettings

SUMMARY = "what several learners that merge lose against one, what the coordinator costs, and the rate that follows"
SHARDS, EVERY = (8,), (20, 2_000, 16_000)
MUST_RATIO = 0.99
MUST_COST, GOAL_COST = 3.0, 1.5
SERVED = CONTENDERS.index("served")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--streams", nargs="*", default=list(LIMITS), choices=list(LIMITS))
    parser.add_argument("--shards", nargs="+", type=int, default=list(SHARDS), help="how many (default: %(default)s)")
    parser.add_argument(
        "--every", nargs="+", type=int, default=list(EVERY), help="events of all shards between merges (%(default)s)"
    )
    parser.add_argument(
        "--events", type=int, default=20_000, help="tested, from the middle of a stream on (default: %(default)s)"
    )
    parser.add_argument(
        "--exact",
        nargs="+",
        default=[],
        choices=["all", *FAMILIES],
        help="tables that each merge takes from one learner of all events: what their rules lose",
    )
    parser.add_argument(
        "--at-once",
        nargs="+",
        default=[],
        choices=list(FAMILIES),
        help="tables that all shards have from that learner between merges too: what hearing of the others late loses",
    )
    parser.add_argument(
        "--partial",
        type=int,
        default=2_000,
        help="events of all shards after which, between two merges, they tell each other of the columns that are "
        "declared often; 0 for never (default: %(default)s)",
    )
    parser.add_argument(
        "--share",
        type=float,
        default=LearnerSettings().merge_share,
        help="of the events learned so far, which a round has at most; 1 for no such limit (default: %(default)s)",
    )
    shard_costs.arguments(parser)
    shard_engine.arguments(parser)
    replicas.arguments(parser)
    parser.set_defaults(requests=ranking.REQUESTS)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Run each stream with each number of shards and each interval."""
    warm()
    warm_merging()
    quality, profiles = [], []
    for name in options.streams:
        found, costs = measure(load(name), options)
        quality += found
        profiles += costs
    made_up = shard_costs.run(options)
    engine: dict[str, Any] = {"figures": [], "rate": {}, "recovery_s": {}}
    if options.engine:
        engine = shard_engine.run(options)
    figures = [*_figures(quality), *_costs(profiles), *made_up.pop("figures"), *engine.pop("figures")]
    result: dict[str, Any] = {"figures": figures, "quality": quality}
    result |= _coordinator(profiles) | made_up | engine | replicas.run(options)
    result["rate"] |= _model(made_up.get("costs") or profiles, made_up.get("divided"))
    return result


def _model(profiles: list[dict[str, Any]], divided: dict[str, Any] | None) -> dict[str, Any]:
    """The rate of 2 to 64 shards, from merges of the most shards that were measured at two lengths of a round.

    Where a merge was divided by ranges, also the rate of its shards.
    """
    most = max((each["shards"] for each in profiles), default=0)
    long = [each for each in profiles if each["shards"] == most and each["every"] >= shard_costs.SHORTEST]
    costs = shard_rates.fitted(long)
    if costs is None:
        return {}
    found: dict[str, Any] = {"costs": costs._asdict(), "model": shard_rates.model(costs)}
    return found | ({"divided": shard_rates.divided(costs, divided)} if divided else {})


def measure(stream: Stream, options: argparse.Namespace) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Measure one stream: the quality of each arrangement, and its profile."""
    half = len(stream.events) // 2
    rest = stream.events[half : half + options.events]
    base = _warmed(stream, half, options.seed)
    own = RecommenderOptions(test_every=1)
    one = run_of(Recommender(duplicate(base.state), own), rest, stream.facts)
    quality, profiles = [], []
    for shards in options.shards:
        for every in options.every:
            hearing = options.exact, options.at_once, options.partial, options.share
            sharded = Sharded(duplicate(base.state), own, shards, *hearing)
            tested = sharded.run(rest, stream.facts, every)
            where = {"stream": stream.name, "shards": shards, "every": every}
            where |= {"partial": options.partial, "share": options.share}
            quality.append(where | compared(one, tested))
            profiles.append(where | sharded.costs())
    return quality, profiles


def _warmed(stream: Stream, half: int, seed: int) -> Recommender:
    recommender = Recommender(new_state(seed=seed))
    recommender.describe(stream.facts.items())
    run_of(recommender, stream.events[:half], stream.facts)
    return recommender


def compared(one: Tested, several: Tested) -> dict[str, Any]:
    """Compare the served ranks, event by event: an event that only one side tested does not count.

    `interval` is the half width of the 95 % interval of each ratio, from the paired differences.
    """
    _, left, right = np.intersect1d(one.places, several.places, return_indices=True)
    found: dict[str, Any] = {"n": len(left), "interval": {}}
    for name, utility in (("hr", hits), ("mrr", reciprocal_ranks)):
        before, after = utility(one.ranks[left, SERVED]), utility(several.ranks[right, SERVED])
        found[name] = [round(float(before.mean()), 4), round(float(after.mean()), 4)]
        found[f"{name}_ratio"] = round(float(after.mean() / before.mean()), 4)
        found["interval"][name] = round(float(_half_width(after - before) / before.mean()), 4)
    untouched = one.known[left] < 0
    found["untouched"] = [
        round(float(hits(each.ranks[at, SERVED])[untouched].mean()), 4) if untouched.any() else None
        for each, at in ((one, left), (several, right))
    ]
    return found


def _half_width(differences: Array) -> float:
    return float(1.96 * differences.std() / len(differences) ** 0.5)


def _figures(quality: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        verdict(
            f"{each['stream']}, {each['shards']} shards, {each['every']:,}: {name}",
            each[f"{name}_ratio"],
            f"of one, +-{each['interval'][name]:.3f}",
            MUST_RATIO,
            round(1 - each["interval"][name], 4),
            higher=True,
        )
        for each in quality
        for name in ("hr", "mrr")
    ]


def _costs(profiles: list[dict[str, Any]]) -> list[dict[str, Any]]:
    longest = max((each["every"] for each in profiles), default=0)
    return [
        verdict(f"coordinator, {each['stream']}", each["coordinator_us"], "µs an event", MUST_COST, GOAL_COST, False)
        for each in profiles
        if each["every"] == longest
    ]


def _coordinator(profiles: list[dict[str, Any]]) -> dict[str, Any]:
    if not profiles:
        return {}
    longest = max(each["every"] for each in profiles)
    found = [each["coordinator_us"] for each in profiles if each["every"] == longest]
    return {"coordinator_us_per_event": max(found), "profiles": profiles}


__all__ = ["arguments", "compared", "measure", "run"]
