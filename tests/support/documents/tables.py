"""Tables of figures for docs/benchmarks.md, one function per benchmark."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from models.evaluation import SINGLE
from tests.support.documents.results import at, median, names, number, percent, spread, table

ITEMS = ("10000", "100000", "1000000")
STREAMS: Final = {
    "movielens_100k": "MovieLens",
    "rees46_3h": "REES46",
    "taobao_users": "Taobao",
    "online_retail_ii": "Online Retail",
    "completejourney": "completejourney",
}


STAGES: Final = (
    ("intake thread: poll, and waiting for room in the queue", "poll"),
    ("intake thread: decode, admission, batching", "decode and admit"),
    ("histories thread: the client's side", "history"),
    ("learner thread: ids to rows", "rows"),
    ("learner thread: compiled step", "learn"),
    ("learner thread in all", "learner thread in all"),
    ("cut of versions", "cut"),
)


def pipeline() -> str:
    """How fast each contender reads, and where the learner's time goes."""
    rates = [
        ("the whole learner", "learner_records_per_second", spread("pipeline", "learner_cpu_us_per_event")),
        ("bare poll, the library's defaults", "bare_records_per_second", spread("pipeline", "bare_cpu_us_per_record")),
        ("bare poll, tuned for this machine", "tuned_records_per_second", "-"),
    ]
    rows = [
        (words, spread("pipeline", path, 0), number(1e6 / at("pipeline", path)["median"]), cpu)
        for words, path, cpu in rates
    ]
    decode, admission = (number(at("pipeline", f"stage_alone_us_per_event/{key}")) for key in ("decode", "admit"))
    stages = [
        (
            words,
            number(at("pipeline", "stage_wall_us_per_event")[key]),
            number(at("pipeline", "stage_processor_us_per_event")[key]),
        )
        for words, key in STAGES
    ]
    return "\n\n".join([
        table(("contender", "records/s", "wall, µs per record", "processor time, µs per record"), rows),
        f"The learner reaches {spread('pipeline', 'ratio_to_tuned', 2)} of the tuned poll.",
        table(("stage", "wall, µs per event", "processor time"), stages),
        f"Alone in one thread, decoding takes {decode} µs an event and admission {admission} µs.",
    ])


def recommend() -> str:
    """Latency at a fixed rate, and what connections that ask again at once get."""
    shares = (("p50", "p50_ms"), ("p99", "p99_ms"), ("p99.9", "p999_ms"), ("longest", "max_ms"))
    asked = ("1", "8", "32")
    return "\n\n".join([
        table(
            ("at 200 requests/s", "ms"), [(words, spread("recommend", f"open_loop/{path}")) for words, path in shares]
        ),
        table(
            ("connections", "requests/s", "p99, ms"),
            [
                (
                    each,
                    spread("recommend", f"saturated_requests_per_second/{each}", 0),
                    spread("recommend", f"saturated_p99_ms/{each}"),
                )
                for each in asked
            ],
        ),
    ])


def freshness() -> str:
    """From Kafka's acknowledgement to an answer, and to the served model, at both rates."""
    rows = []
    for rate in ("500", "2000"):
        path = f"events_per_second/{rate}"
        seen = [spread("freshness", f"{path}/seen_{share}_ms") for share in ("p50", "p99")]
        learned = [spread("freshness", f"{path}/learnt_{share}_s", 2) for share in ("p50", "p99")]
        rows.append((number(float(rate), 0), *seen, *learned))
    return table(("events/s", "seen, p50, ms", "seen, p99, ms", "served model, p50, s", "served model, p99, s"), rows)


def recovery() -> str:
    """How long starts take, and how large the model is that they load."""
    rows = [
        ("`kill -9` to learning again", spread("recovery", "killed_to_learning_s")),
        ("start of the learner until it learns", spread("recovery", "learner_start_to_learning_s")),
        ("start of the service until it recommends", spread("recovery", "service_start_to_recommending_s")),
        ("compile from cold, processor time", spread("recovery", "compile_from_cold_s")),
    ]
    size, data = (number(at("recovery", path), 0) for path in ("model_megabytes", "redis_dataset_megabytes"))
    return f"{table(('what', 's'), rows)}\n\nThe model has {size} MB; Redis holds {data} MB with histories and facts."


def versions() -> str:
    """What is written to Redis, and the share of the time that each phase of a version takes."""
    written = [
        ("deltas, MB/s", spread("versions", "megabytes_per_second/deltas")),
        (
            "bases, spread over their interval, MB/s",
            number(at("versions", "megabytes_per_second/bases_spread_over_their_interval")),
        ),
        ("a base, MB", number(at("versions", "base_megabytes"), 0)),
        ("a base each, s", number(at("versions", "base_every_seconds"), 0)),
        ("a delta, kB", spread("versions", "kilobytes_per_delta", 0)),
        ("versions a minute", spread("versions", "versions_per_minute")),
    ]
    phases = [
        (f"share of the time: {phase}", percent(at("versions", f"share_of_time/{phase}")["median"]))
        for phase in ("cut", "encode", "upload", "commit")
    ]
    return table(("what", "measured"), [*written, *phases])


def soak() -> str:
    """What each fault did, how memory went, and the load that was carried."""
    if "soak" not in names():
        return "No result is stored yet."
    faults = [
        (
            each["what"],
            _minutes(each["at_s"]),
            "not in time" if each["recovered_s"] is None else number(each["recovered_s"]),
            *(_known(each["latency_ms"][part]["p99"]) for part in ("before", "during", "after")),
        )
        for each in at("soak", "faults")
    ]
    memory = [
        (
            f"the {name}" if name == "learner" else "the two services",
            f"{_known(found['slope_mib_per_hour'])} ({' to '.join(map(_known, found['interval_95']))})",
            _known(found["peak_mib"], 0),
        )
        for name, found in at("soak", "memory").items()
    ]
    requests, used = at("soak", "requests"), at("soak", "processor")
    details = at("soak", "audit/details")
    carried, asked = (number(at("soak", f"{kind}_per_second"), 0) for kind in ("events", "requests"))
    lost, twice, sent = at("soak", "lost"), at("soak", "twice"), number(details["events_sent"], 0)
    sentences = (
        f"{at('soak', 'minutes'):.0f} minutes at {carried} events/s and {asked} requests/s.",
        f"Of {sent} events {lost} were lost and {twice} learned twice.",
        f"Of {number(requests['asked'], 0)} requests {requests['failed']} failed;",
        f"the other service answered {number(requests['answered_by_the_other'], 0)}.",
        f"The soak took {number(used['soak'])} of {used['cores']} cores,",
        f"everything else on the machine {number(used['others'])}.",
    )
    return "\n\n".join([
        " ".join(sentences),
        table(("fault", "at, min", "recovered in, s", "p99 before, ms", "p99 during, ms", "p99 after, ms"), faults),
        table(("resident memory of", "slope, MiB/h (95 %)", "peak, MiB"), memory),
    ])


def _minutes(seconds: float) -> str:
    return number(seconds / 60)


def _known(value: float | None, digits: int = 1) -> str:
    return "-" if value is None else number(value, digits)


EXAMPLES: Final = (
    ("ours, integers", "ours"),
    ("ours, DataFrames of strings", "ours_frame_of_strings"),
    ("ours, one by one", "ours_one_by_one"),
    ("River's `FMRegressor`", "river"),
    ("Vowpal Wabbit, its own reader", "vw_file"),
    ("Vowpal Wabbit, line by line", "vw_lines"),
)


def learning() -> str:
    """Time per example of each model, how many times as fast ours is, and the error afterwards."""
    fields = ("six_fields", "user_and_item_alone")
    times = [
        (words, *(spread("learning", f"{part}/us_per_example/{key}", 2) for part in fields)) for words, key in EXAMPLES
    ]
    ratios = [
        (f"ours is faster than {words}, times", *(spread("learning", f"{part}/ratio_spread/{key}") for part in fields))
        for words, key in (("River", "river"), ("Vowpal Wabbit", "vw"))
    ]
    errors = [
        (
            f"squared error afterwards: {words}",
            *(number(at("learning", f"{part}/mean_squared_error_afterwards/{key}"), 3) for part in fields),
        )
        for words, key in (("ours", "ours"), ("Vowpal Wabbit", "vw"), ("the mean", "mean"))
    ]
    return table(("µs per example", "six fields", "user and item alone"), [*times, *ratios, *errors])


def reading() -> str:
    """How fast a log is read, next to DuckDB, and what memory that takes."""
    if "reading" not in names():
        return "No result is stored yet."
    known = {"send": "`send --dry-run`", "evaluate": "`evaluate --dry-run`"}
    rows = []
    for kind, words in (("csv", "CSV"), ("parquet", "Parquet")):
        for name in at("reading", f"by_kind/{kind}"):
            path = f"by_kind/{kind}/{name}"
            threads = name.removeprefix("duckdb_")
            plural = "thread" if threads == "1" else "threads"
            ours = name in known
            rows.append((
                words,
                known.get(name, f"DuckDB, {threads} {plural}"),
                spread("reading", f"{path}/rows_per_second", 0),
                spread("reading", f"{path}/times_as_long_as_duckdb_1") if ours else "-",
                f"{median('reading', f'{path}/peak_mib', 0)}, +{median('reading', f'{path}/grown_mib')}"
                if ours
                else "-",
            ))
    head = ("file", "reader", "rows/s", "times as long as DuckDB with one thread", "MiB, growth after a quarter")
    count, kept = (number(at("reading", key), 0) for key in ("rows", "evaluate_keeps_bytes_per_event"))
    return f"{table(head, rows)}\n\nFiles of {count} rows. What `evaluate` keeps of an event takes {kept} bytes."


def step() -> str:
    """The compiled step by size of the catalogue, and what training seldom costs."""
    by_size = [
        (
            number(float(items), 0),
            *(spread("step", f"by_items/{items}/{path}_us") for path in ("without_rankings", "with_rankings")),
            number(at("step", f"by_items/{items}/state_mib"), 0),
        )
        for items in ITEMS
    ]
    shares = at("step", "quality_by_trained_share")
    trained = [
        (
            share,
            *(
                f"{number(found[f'served {measure}'], 4)} ({number(found[f'served {measure} se'], 4)})"
                for measure in ("hr@20", "mrr@20")
            ),
        )
        for share, found in shares.items()
    ]
    tested = number(next(iter(shares.values()))["n"], 0)
    head = ("items", "without rankings, µs per event", "with rankings, µs per event", "learner's tables, MiB")
    return "\n\n".join([
        table(head, by_size),
        table((f"trains, of the events ({tested} tested)", "HR@20 served (standard error)", "MRR@20 served"), trained),
    ])


def ranking() -> str:
    """Processor time of ranking one request, by size of the catalogue."""
    rows = []
    for items in ITEMS[1:]:
        path = f"by_items/{items}"
        times = [spread("ranking", f"{path}/{key}_ms", 2) for key in ("p50", "p99", "given_p50", "given_p99")]
        rows.append((number(float(items), 0), *times, number(at("ranking", f"{path}/candidates"), 0)))
    head = ("items", "p50, ms", "p99, ms", "200 given items, p50, ms", "200 given items, p99, ms", "candidates")
    return table(head, rows)


def given() -> str:
    """Latency and processor time of answers to given candidates, next to an ordinary one."""
    kinds = (("an ordinary answer", "ordinary"), ("the best 20 of 200 candidates", "best"), ("all 200 back", "all"))
    keys = ("p50_ms", "p99_ms", "processor_ms")
    rows = [(words, *(spread("given", f"{kind}/{key}", 2) for key in keys)) for words, kind in kinds]
    return table(("answer", "p50, ms", "p99, ms", "processor time of the service, ms"), rows)


def bulk() -> str:
    """Slates for many users, in one request for a thousand and in one for each."""
    kinds = (("a request for each", "one_by_one"), ("a request for 1,000", "batch"))
    rows = [
        (words, spread("bulk", f"{kind}/users_per_second", 0), spread("bulk", f"{kind}/processor_ms", 2))
        for words, kind in kinds
    ]
    head = ("asked with", "users/s", "processor time of the service for each, ms")
    return f"{table(head, rows)}\n\nIn batches there are {spread('bulk', 'ratio')} times as many users a second."


def arms() -> str:
    """A request with an experiment and a scenario, and without."""
    rows = [
        (f"{words} experiment and scenario", spread("arms", f"cpu_us_per_request/{kind}", 0))
        for words, kind in (("without", "without"), ("with", "with"))
    ]
    ratio = number(at("arms", "figures")[0]["value"], 3)
    words = f"The median of {at('arms', 'pairs')} pairs is {ratio} times the time without."
    return f"{table(('', 'processor time of a request, µs'), rows)}\n\n{words}"


def tracing() -> str:
    """A request by the share of requests that is traced, and learning with and without traces."""
    asked = [
        (f"/recommend, traced: {words}", spread("tracing", f"recommend_cpu_us/{kind}", 0))
        for words, kind in (("none", "off"), ("1 %", "default"), ("all", "all"))
    ]
    learned = [
        (f"learning an event, traced: {words}", spread("tracing", f"learning_us_per_event/{kind}", 2))
        for words, kind in (("none", "off"), ("32 of a batch", "all"))
    ]
    return table(("", "processor time, µs"), [*asked, *learned])


def memory() -> str:
    """Memory per item and per active user."""
    rows = [
        (
            words,
            number(at("memory", f"allocated/{kind}/arrays_kib"), 2),
            number(at("memory", f"allocated/{kind}/ids_kib"), 2),
            number(at("memory", f"process_growth_kib/{kind}"), 2),
        )
        for words, kind in (("an item", "item"), ("an active user", "user"))
    ]
    return table(("KiB", "arrays", "ids with dict and list", "growth of the process"), rows)


def chunks() -> str:
    """How long Redis answers nobody while it takes in chunks of a size."""
    keys = ("p99_ms", "p999_ms", "longest_ms")
    rows = [(size, *(spread("chunks", f"{key}/{size}") for key in keys)) for size in at("chunks", "p99_ms")]
    return table(("chunk", "p99 of PING, ms", "p99.9, ms", "longest, ms"), rows)


def quality() -> str:
    """HR@20 and MRR@20 of each contender on each stream, and how they stand to the bounds."""
    streams = at("quality", "streams")
    contenders = list(dict.fromkeys(name for stream in streams.values() for name in stream["contenders"]))
    first = ["served", *(name for name in contenders if name != "served")]
    rows = [(f"**`{name}`**" if name == "served" else f"`{name}`", *_hits(name)) for name in first]
    errors = [
        " / ".join(number(stream["contenders"]["served"][key], 3) for key in ("se", "mrr_se"))
        for stream in streams.values()
    ]
    tested = [number(stream["stream"]["evaluated"], 0) for stream in streams.values()]
    networks = [stream["contenders"].get("sasrec") for stream in streams.values()]
    budgets = ["-" if each is None else number(each["most_learned_in_a_fit"], 0) for each in networks]
    figures = {figure["name"]: figure for figure in at("quality", "figures")}
    floors = [" / ".join(number(figures[f"{name} {key}@20"]["must"], 3) for key in ("hr", "mrr")) for name in streams]
    bounds = [
        (
            STREAMS[name],
            measure.upper(),
            f"{number(figure['value'], 3)}, {figure['unit'].replace(', ', ' (').replace(' %', ' %:')})",
            f"{figure['must']:g}",
            f"{figure['goal']:g}",
            figure["reached"],
        )
        for name in streams
        for measure in ("hr@20", "mrr@20")
        for of in ("ratio", "of the best rival")
        if (figure := figures.get(f"{name} {measure} {of}")) is not None
    ]
    head = [STREAMS[name] for name in streams]
    return "\n\n".join([
        table(
            ("HR@20 / MRR@20", *head),
            [
                *rows,
                ("standard error of `served`", *errors),
                ("floor of `served`: the recipe", *floors),
                ("events evaluated", *tested),
                ("most next items in a fit of a network", *budgets),
                ("measured", *(_run(stream) for stream in streams.values())),
            ],
        ),
        *_kept(streams),
        table(("stream", "measure", "served, of the best single source or rival", "must", "goal", "reaches"), bounds),
    ])


def _kept(streams: Mapping[str, Any]) -> list[str]:
    """Say which rivals' figures are of an earlier run than their stream's; no line where none are."""
    runs: dict[str, dict[str, list[str]]] = {}
    for stream, found in streams.items():
        for name, each in found["contenders"].items():
            if "measured_at" in each:
                runs.setdefault(_run(each), {}).setdefault(STREAMS[stream], []).append(f"`{name}`")
    return [
        f"Rivals of an earlier run ({when}): "
        + "; ".join(f"{stream}'s {', '.join(members)}" for stream, members in of.items())
        + "."
        for when, of in runs.items()
    ]


def _run(found: Mapping[str, Any]) -> str:
    """Say when a stream or a rival was measured, and with which commit."""
    return f"{found['measured_at'].split('T')[0]}, `{found['commit']}`"


def _hits(name: str) -> Iterator[str]:
    for stream in at("quality", "streams").values():
        found = stream["contenders"].get(name)
        yield "-" if found is None else f"{number(found['hr@20'], 3)} / {number(found['mrr@20'], 3)}"


def carried() -> str:
    """What the fields that events carry change when they are used, paired."""
    rows = []
    for stream, variants in at("carried", "streams").items():
        for variant, found in variants.items():
            if variant != "nothing":
                changes = [
                    f"{found[f'{key} change'] + 0.0:+.4f} ({number(found[f'{key} half interval'], 4)})"
                    for key in ("hr@20", "mrr@20")
                ]
                rows.append((STREAMS[stream], variant, number(found["n"], 0), *changes))
    return table(("stream", "used", "events", "change of HR@20", "change of MRR@20"), rows)


def cold() -> str:
    """Figures where little is known against their bounds, and what untouched and touched targets reach by variant."""
    bounds = [
        (each["name"], number(each["value"], 3), number(each["must"], 3), number(each["goal"], 3), each["reached"])
        for each in at("cold", "figures")
        if each["must"] is not None
    ]
    rows = [
        (STREAMS[stream], variant, part, number(found["n"], 0), number(found["hr@20"], 3), number(found["mrr@20"], 3))
        for stream, results in at("cold", "streams").items()
        for variant, parts in results["variants"].items()
        for part, found in parts.items()
        if found["n"]
    ]
    return "\n\n".join([
        table(("figure", "value", "must", "goal", "reaches"), bounds),
        table(("stream", "known of the catalogue", "targets", "events", "HR@20", "MRR@20"), rows),
    ])


def basket() -> str:
    """Recall and the rest by basket: what is served, the ranker alone, the best single source, and the rivals."""
    rows = []
    for stream, found in at("basket", "streams").items():
        contenders = found["contenders"]
        source = max(SINGLE, key=lambda name: contenders[name]["recall@20"])
        for name in ("served", "ranker", source, "personal_frequency", "tifu_knn"):
            each = contenders[name]
            measures = [number(each[f"{measure}@20"], 3) for measure in ("recall", "hr", "mrr", "ndcg")]
            parts = [number(each[part]["recall@20"], 3) for part in ("repeats", "new")]
            rows.append((STREAMS[stream], f"`{name}`", number(found["asked"], 0), *measures, *parts))
    head = ("stream", "contender", "baskets", "recall@20", "HR@20", "MRR@20", "NDCG@20", "recall of repeats", "of new")
    return table(head, rows)
