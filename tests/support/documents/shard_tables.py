"""Tables of figures about several learners that share a stream: what they lose, what a merge costs, and the rate."""

from __future__ import annotations

from typing import Any, Final

from benchmarks.shard_rates import NUMBERS, ROUND, ROUND_OF_A_SHARD
from tests.support.documents.results import at, number, result, table
from tests.support.documents.tables import STREAMS

PHASES: Final = ("merge", "settle", "changed", "cut")
"""Of the coordinator, in their order."""


def quality() -> str:
    """What shards reach of one learner, and what the coordinator pays for an event."""
    rows = [
        (
            STREAMS[each["stream"]],
            number(each["shards"], 0),
            number(each["every"], 0),
            number(each["n"], 0),
            *(f"{number(each[f'{key}_ratio'], 3)} ({number(each['interval'][key], 3)})" for key in ("hr", "mrr")),
            " to ".join("-" if share is None else number(share, 3) for share in each["untouched"]),
        )
        for each in at("shards", "quality")
    ]
    head = (
        "stream",
        "shards",
        "events between merges",
        "tested",
        "HR@20, of one",
        "MRR@20, of one",
        "untouched: HR@20",
    )
    return "\n\n".join([table(head, rows), _costs()])


def _costs() -> str:
    rows = [_cost(STREAMS[each["stream"]], each) for each in at("shards", "profiles")]
    rows += [_cost(f"made up, {number(each['items'], 0)} items", each) for each in result("shards").get("costs", [])]
    head = (
        "stream",
        "shards",
        "events of a merge",
        *(f"{name}, µs" for name in PHASES),
        "coordinator, µs",
        "a shard, µs",
    )
    return table(head, rows)


def _cost(stream: str, each: dict[str, Any]) -> tuple[str, ...]:
    phases = each["us_per_event"]
    return (
        stream,
        number(each["shards"], 0),
        number(each["events"] / each["merges"], 0),
        *(number(phases[name], 2) for name in PHASES),
        number(each["coordinator_us"], 2),
        number(phases["take"] + phases["apply"], 2),
    )


def rates() -> str:
    """Events a second of so many shards, computed from the costs."""
    costs, model = at("shards", "rate/costs"), at("shards", "rate/model")
    names = (f"{ROUND} a round", f"{ROUND_OF_A_SHARD} a shard")
    rows = [
        (
            str(shards),
            *(
                value
                for name in names
                for found in (model[str(shards)][name],)
                for value in (
                    number(found["events_per_s"], -3),
                    number(found["of_one"], 1),
                    f"{number(100 * found['coordinator_share'], 0)} %",
                )
            ),
        )
        for shards in NUMBERS
    ]
    each = ("events/s", "of one learner", "coordinator's share")
    head = ("shards", *(f"{number(ROUND, 0)} events a round: {each[0]}", *each[1:]))
    head += (f"{number(ROUND_OF_A_SHARD, 0)} a shard and round: {each[0]}", *each[1:])
    us = {name: number(costs[name], 2) for name in ("merge", "take", "apply")}
    words = (
        f"One learner's event takes {number(costs['step'], 1)} µs of processor time. A merge takes the coordinator"
        f" {number(costs['fixed'] / 1e3, 0)} ms\nand {us['merge']} µs for each event of all shards. Each shard takes"
        f" {us['take']} µs for each of its own events to hand\nrows in, and {us['apply']} µs for each event of all to"
        f" take rows over. {number(costs['up'], 0)} bytes an event go up, {number(costs['down'], 0)} come down."
    )
    return "\n\n".join([table(head, rows), words, *_divided()])


def _divided() -> list[str]:
    """A merge that ranges of items share: what it takes, and the rate that follows; nothing where none was divided."""
    measured, rate = result("shards").get("divided"), at("shards", "rate").get("divided")
    if measured is None or rate is None:
        return []
    rows = [
        (
            ranges,
            number(each["processes"], 0),
            number(each["slowest_us"], 2),
            number(each["all_us"], 2),
            number(rate[ranges]["events_per_s"], -3),
            number(rate[ranges]["of_one"], 1),
        )
        for ranges, each in measured["by_ranges"].items()
    ]
    head = (
        "ranges of items",
        "processes that merge",
        "the slowest, µs an event",
        "all, µs",
        "events/s",
        "of one learner",
    )
    words = (
        f"The same with a merge that several processes share, simulated for {number(measured['shards'], 0)} shards and"
        f" {number(measured['events'], 0)} events\na round: each range of items is merged by a process of its own, and"
        " what is not an item's by one more."
    )
    return [words, table(head, rows)]


def replica() -> str:
    """What a service's tables take with so many items, and what that makes of ten million."""
    found = at("shards", "replica")
    rows = [
        (
            number(each["items"], 0),
            number(each["gib"], 1),
            number(each["bytes_per_item"], 0),
            number(each["p50_ms"], 2),
            number(each["p99_ms"], 2),
        )
        for each in found["by_items"].values()
    ]
    head = ("items", "one set of tables, GiB", "bytes an item", "a ranking, p50, ms", "p99, ms")
    one, both = (number(found[f"gib_of_{which}_at_10_million"], 0) for which in ("one_set", "both_sets"))
    words = (
        f"So 10,000,000 items take {one} GiB in one set of tables, and {both} GiB in the two that a service holds."
        f"\nWhere it may use 16 GiB for both, {number(found['items_in_16_gib'], 0)} items are the limit."
    )
    return f"{table(head, rows)}\n\n{words}"
