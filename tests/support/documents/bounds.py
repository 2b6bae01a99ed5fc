"""Figures that have a bound, sizes of an installation, and the runs that measured them, as tables."""

from __future__ import annotations

from typing import Final, NamedTuple

from tests.support.documents.results import at, names, number, result, spread, table


class Size(NamedTuple):
    """A row of the sizing table: what it says, and where the result of a benchmark holds it."""

    words: str
    benchmark: str
    path: str
    unit: str
    digits: int = 0


SIZES: Final = (
    Size("events a second that one learner takes in", "pipeline", "learner_records_per_second/median", ""),
    Size("processor time of the learner for one event", "pipeline", "learner_cpu_us_per_event/median", "µs"),
    Size("requests a second of one service, 8 connections", "recommend", "saturated_requests_per_second/8/median", ""),
    Size("an answer while 2,000 events/s arrive, median", "recommend", "open_loop/p50_ms/median", "ms", 1),
    Size("the learner's tables, 100,000 items and {users} users", "recovery", "model_megabytes", "MB"),
    Size("Redis with that model, histories and facts", "recovery", "redis_dataset_megabytes", "MB"),
    Size("the learner's tables, 1,000,000 items", "step", "by_items/1000000/state_mib", "MiB"),
    Size("the learner's process at its peak, 100,000 items", "pipeline", "learner_peak_memory_mib", "MiB"),
    Size("a base, 100,000 items", "versions", "base_megabytes", "MB"),
    Size("a delta, once a second at 2,000 events/s", "versions", "kilobytes_per_delta/median", "kB"),
    Size("from `kill -9` of the learner to learning again", "recovery", "killed_to_learning_s/median", "s", 1),
    Size("start of a service until it recommends", "recovery", "service_start_to_recommending_s/median", "s", 1),
)


def sizing() -> str:
    """What an installation needs, as it was measured."""
    users = number(at("recovery", 'keys/sluicegate_model_keys{space="user"}'), 0)
    rows = [
        (
            row.words.format(users=users),
            f"{number(at(row.benchmark, row.path), row.digits)} {row.unit}".strip(),
            f"[`{row.benchmark}`](benchmarks.md#{row.benchmark})",
        )
        for row in SIZES
    ]
    return f"{table(('what', 'measured', 'by'), rows)}\n\n{machine()}"


def machine() -> str:
    """Each machine that results are of, with the names of those results when there are several."""
    found: dict[str, list[str]] = {}
    for name in names():
        made, installed = result(name)["machine"], result(name)["versions"]
        found.setdefault(
            f"{made['cores']} cores of an {made['cpu'].replace('(R)', '')} with {made['memory_gib']} GiB, shared by"
            f" broker, Redis, learner,\nservice and load; {made['kernel'].split('-')[0]}, Python {installed['python']},"
            f" Apache Kafka {installed['kafka']}, Redis {installed['redis_server']}",
            [],
        ).append(name)
    if len(found) == 1:
        return f"Measured on {next(iter(found))}."
    return "\n\n".join(f"{', '.join(made)}: measured on {words}." for words, made in found.items())


class Figure(NamedTuple):
    """A figure with a bound: its name in the result, what it is called on the page, and the spread behind it."""

    benchmark: str
    name: str
    words: str
    path: str = ""
    digits: int = 1


FIGURES: Final = (
    Figure("pipeline", "Kafka to learnt, share of a bare poll", "Kafka to learned, of a bare poll", "ratio_spread", 2),
    Figure("recommend", "p50 at 200 requests/s", "p50 at 200 requests/s", "open_loop/p50_ms"),
    Figure("recommend", "p99 at 200 requests/s", "p99 at 200 requests/s", "open_loop/p99_ms"),
    Figure("recommend", "requests/s at 32 connections", "at 32 connections", "saturated_requests_per_second/32", 0),
    Figure("freshness", "seen, p50 at 2,000/s", "seen, p50 at 2,000 events/s", "events_per_second/2000/seen_p50_ms"),
    Figure("freshness", "seen, p99 at 2,000/s", "seen, p99 at 2,000 events/s", "events_per_second/2000/seen_p99_ms"),
    Figure(
        "freshness",
        "served model, p99 at 2,000/s",
        "served model, p99 at 2,000 events/s",
        "events_per_second/2000/learnt_p99_s",
        2,
    ),
    Figure(
        "freshness",
        "served model, p99 at 500/s",
        "served model, p99 at 500 events/s",
        "events_per_second/500/learnt_p99_s",
        2,
    ),
    Figure("recovery", "kill -9 to learning again", "`kill -9` to learning again", "killed_to_learning_s"),
    Figure(
        "recovery", "start of the learner, warm caches", "start of the learner, warm", "learner_start_to_learning_s"
    ),
    Figure(
        "recovery",
        "start of the service, warm caches",
        "start of the service, warm",
        "service_start_to_recommending_s",
    ),
    Figure("recovery", "compile from cold", "compile from cold, processor time", "compile_from_cold_s"),
    Figure("versions", "to Redis, bases included", "to Redis, bases included"),
    Figure("soak", "events lost", "events lost", digits=0),
    Figure("soak", "events that Kafka never took", "events that Kafka never took", digits=0),
    Figure("soak", "events learned twice", "events learned twice", digits=0),
    Figure("soak", "histories that are not those of the log", "histories that are not those of the log", digits=0),
    Figure("soak", "failed requests beyond the stated", "failed requests beyond the stated", digits=0),
    Figure("soak", "processes that ended by themselves", "processes that ended by themselves", digits=0),
    Figure("soak", "slowest recovery", "slowest recovery from a fault"),
    Figure("soak", "learner: memory grows at least", "the learner's memory, lower bound of its slope"),
    Figure("soak", "service: memory grows at least", "the services' memory, lower bound of its slope"),
    Figure("soak", "p99 before faults", "p99 before a fault"),
    Figure("soak", "p99 during faults", "p99 while a fault lasts"),
    Figure("soak", "p99 after faults", "p99 after a recovery"),
    Figure("reading", "memory grows over the last three quarters", "memory grows while a file is read"),
    Figure("learning", "times as fast as river", "speed, of River's `FMRegressor`", "six_fields/ratio_spread/river"),
    Figure("learning", "times as fast as vw", "speed, of Vowpal Wabbit", "six_fields/ratio_spread/vw"),
    Figure(
        "step",
        "without rankings, 100,000 items",
        "an event without rankings, 100,000 items",
        "by_items/100000/without_rankings_us",
    ),
    Figure(
        "step", "with rankings, 100,000 items", "an event with rankings, the same", "by_items/100000/with_rankings_us"
    ),
    Figure("ranking", "p50 at 100,000 items", "a request at 100,000 items, p50", "by_items/100000/p50_ms", 2),
    Figure("ranking", "p99 at 1,000,000 items", "a request at 1,000,000 items, p99", "by_items/1000000/p99_ms", 2),
    Figure(
        "ranking",
        "200 given at 100000 items, of an ordinary answer",
        "200 given items at 100,000, of an ordinary ranking",
        "by_items/100000/given_share",
        2,
    ),
    Figure(
        "ranking",
        "200 given at 1000000 items, of an ordinary answer",
        "200 given items at 1,000,000, of an ordinary ranking",
        "by_items/1000000/given_share",
        2,
    ),
    Figure(
        "given",
        "best 20 of 200 candidates: latency, of an ordinary answer",
        "the best 20 of 200, of an ordinary answer: latency",
        "shares/p50_ms_best",
        2,
    ),
    Figure(
        "given",
        "best 20 of 200 candidates: work, of an ordinary answer",
        "the best 20 of 200: processor time",
        "shares/processor_ms_best",
        2,
    ),
    Figure(
        "given",
        "all 200 candidates: latency, of an ordinary answer",
        "all 200 back: latency",
        "shares/p50_ms_all",
        2,
    ),
    Figure(
        "given",
        "all 200 candidates: work, of an ordinary answer",
        "all 200 back: processor time",
        "shares/processor_ms_all",
        2,
    ),
    Figure("bulk", "users/s in batches", "users in batches", "batch/users_per_second", 0),
    Figure("bulk", "users/s in batches, of one by one", "users/s in batches, of one by one", "ratio"),
    Figure(
        "arms", "processor time, 1 without experiment and scenario", "a request with three arms and a scenario", "", 3
    ),
    Figure("tracing", "/recommend, 1 % traced over off", "a request, 1 % of all traced", "", 3),
    Figure("tracing", "/recommend, all traced over off", "a request, all traced", "", 3),
    Figure("tracing", "learning, 32 traces a batch over off", "learning with 32 traces a batch", "", 3),
    Figure("starts", "longest hold of a healthy version", "longest hold of a healthy version, in 50 starts"),
    Figure(
        "comparing",
        "evidence, share of the learner's time",
        "comparing versions with all anchors, of the learner's time",
        "compared_with/all/processor_share",
        2,
    ),
    Figure("memory", "per item, allocated", "per item, allocated", digits=2),
    Figure("memory", "per item, process growth", "per item, growth of the process", digits=2),
    Figure("memory", "per user, allocated", "per active user, allocated", digits=2),
    Figure("memory", "per user, process growth", "per active user, growth of the process", digits=2),
)
"""Every figure with a bound, but those of `quality`, in the order of the page."""

UNITS: Final = {"us": "µs", "x": "times", "1/s": "requests/s", "": ""}


def overview() -> str:
    """Every figure that has a bound, with what it must and what it should reach."""
    rows = []
    for row in (row for row in FIGURES if row.benchmark in names()):
        (found,) = [figure for figure in result(row.benchmark)["figures"] if figure["name"] == row.name]
        unit = UNITS.get(found["unit"], found["unit"])
        value = spread(row.benchmark, row.path, row.digits) if row.path else _alone(found["value"], row.digits)
        bounds = ["-" if found[key] is None else f"{found[key]:,g}" for key in ("must", "goal")]
        reached = found["reached"] if found["reached"] != "neither" else "**neither**"
        rows.append((f"[`{row.benchmark}`](#{row.benchmark})", row.words, f"{value} {unit}".strip(), *bounds, reached))
    return table(("benchmark", "figure", "measured", "must", "goal", "reaches"), rows)


def _alone(value: float | None, digits: int) -> str:
    return "-" if value is None else number(value, digits)


def runs() -> str:
    """When and with which commit each result was measured, and the machine of all of them."""
    rows = [
        (
            f"[`{name}`](#{name})",
            made["measured_at"].replace("T", " ").replace("Z", " UTC"),
            f"`{made['versions']['sluicegate']}`",
            str(made["runs"]),
            number(made["machine"]["load_1min"], 1),
        )
        for name, made in ((name, result(name)) for name in names())
    ]
    head = ("benchmark", "measured", "commit (+: with changes)", "runs", "load average")
    return f"{table(head, rows)}\n\n{machine()}"
