"""Tells how many events a second some shards take, from measured costs: arithmetic, with its assumptions named here.

A round is learning, then a merge in which all shards stand still:

    seconds = E / N * (step + take) + fixed + E * (merge + apply) + E * (up + down * machines) / network

for E events of all shards and N shards. What is assumed:

    one core for each shard and one for the coordinator; broker, Redis and load have others;
    a shard's event costs what one learner's does (`pipeline`), and partitions divide the events evenly;
    a merge is a fixed cost and one for each event, fitted to two lengths of a round, whatever the number of shards;
    eight shards share a machine; rows go up once, down once to each machine, over the coordinator's 10 Gbit/s;
    a round has 16,000 events (the default of `learner.merge_events`), or 2,000 for each shard.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Any, Final, NamedTuple

NUMBERS: Final = (2, 4, 8, 16, 32, 64)
ROUND: Final = 16_000
ROUND_OF_A_SHARD: Final = 2_000
ON_A_MACHINE: Final = 8
NETWORK: Final = 1.25e9
"""Bytes a second."""

LEARNER: Final = Path(__file__).parent / "results" / "pipeline.json"


class Costs(NamedTuple):
    """What was measured, in microseconds of processor time and bytes.

    Attributes:
        step: Of one learner, each event.
        take: Of a shard, each of its events, to hand rows in, excerpts too.
        fixed: Of the coordinator, each merge.
        merge: Of the coordinator, each event of all shards.
        apply: Of each shard, each event of all shards.
        up: Bytes to the coordinator, each event.
        down: Bytes to a machine of shards, each event of all shards.
    """

    step: float
    take: float
    fixed: float
    merge: float
    apply: float
    up: float = 0.0
    down: float = 0.0


def rate(costs: Costs, shards: int, events: int, slowest: float | None = None) -> tuple[float, float]:
    """Events a second of so many shards that merge after so many events, and the coordinator's share of the time.

    Args:
        costs: What was measured.
        shards: How many.
        events: Of a round, of all shards.
        slowest: Microseconds an event of the slowest of several processes that share the merge; None for one process.

    >>> [round(each, 2) for each in rate(Costs(10.0, 0.0, 1_000.0, 1.0, 0.0), 2, 1_000)]
    [142857.14, 0.29]
    """
    learning = events / shards * (costs.step + costs.take)
    merging = costs.fixed + events * costs.merge if slowest is None else events * slowest
    sent = 1e6 * events * (costs.up + costs.down * ceil(shards / ON_A_MACHINE)) / NETWORK
    each = learning + merging + events * costs.apply + sent
    return 1e6 * events / each, merging / each


def model(costs: Costs, numbers: Sequence[int] = NUMBERS) -> dict[str, Any]:
    """The rate of each number of shards, for both lengths of a round, next to one learner's."""
    found: dict[str, Any] = {}
    for shards in numbers:
        for events, name in ((ROUND, f"{ROUND} a round"), (ROUND_OF_A_SHARD * shards, f"{ROUND_OF_A_SHARD} a shard")):
            found.setdefault(str(shards), {})[name] = _told(costs, *rate(costs, shards, events))
    return found


def divided(costs: Costs, measured: Mapping[str, Any]) -> dict[str, Any]:
    """The rate where ranges of items are merged by processes of their own, by the number of ranges.

    Args:
        costs: What was measured of everything else.
        measured: As `benchmarks.shard_costs.divided` returns it.
    """
    return {
        ranges: _told(costs, *rate(costs, measured["shards"], measured["events"], each["slowest_us"]))
        for ranges, each in measured["by_ranges"].items()
    }


def _told(costs: Costs, per_second: float, share: float) -> dict[str, Any]:
    return {
        "events_per_s": round(per_second),
        "of_one": round(per_second * costs.step / 1e6, 2),
        "coordinator_share": round(share, 2),
    }


def fitted(profiles: Sequence[Mapping[str, Any]]) -> Costs | None:
    """Costs of the dearest stream whose merge was measured at two lengths of a round; None where none was.

    Args:
        profiles: As `Sharded.costs` returns them, with what they are of: a stream, or so many items.
    """
    by_source: dict[str, list[Mapping[str, Any]]] = {}
    for each in profiles:
        by_source.setdefault(str(each.get("stream", each.get("items"))), []).append(each)
    fits = [_fit(sorted(own, key=_events)) for own in by_source.values() if len(set(map(_events, own))) > 1]
    return max(fits, key=lambda costs: costs.fixed + ROUND * costs.merge, default=None)


def _events(profile: Mapping[str, Any]) -> float:
    """Events of a round, on average: a stream can end within one."""
    found: float = profile["events"] / profile["merges"]
    return found


def _fit(profiles: Sequence[Mapping[str, Any]]) -> Costs:
    """Take what does not depend on the length of a round from the shortest and the longest."""
    short, long = profiles[0], profiles[-1]
    fixed = (short["coordinator_us"] - long["coordinator_us"]) / (1 / _events(short) - 1 / _events(long))
    fixed = max(fixed, 0.0)
    phases = long["us_per_event"]
    return Costs(
        step=_of_one_learner(),
        take=phases["take"] + phases.get("excerpt", 0.0),  # of all shards, and so of one for each of its own events
        fixed=round(fixed, 1),
        merge=round(long["coordinator_us"] - fixed / _events(long), 2),
        apply=phases["apply"] + phases.get("hear", 0.0),
        up=long["bytes_up_per_event"],
        down=long["bytes_down_per_event"],
    )


def _of_one_learner() -> float:
    found: float = json.loads(LEARNER.read_text(encoding="utf-8"))["learner_cpu_us_per_event"]["median"]
    return found


__all__ = ["NUMBERS", "ROUND", "ROUND_OF_A_SHARD", "Costs", "divided", "fitted", "model", "rate"]
