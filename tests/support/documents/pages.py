"""Writes docs/configuration.md from the settings, docs/metrics.md from the metrics, and blocks of other pages.

The blocks are the figures of the benchmarks and the reasons of the gate. Run `python -m tests.support.documents.pages`
after changing one of these; a test compares the pages with the code.
"""

from __future__ import annotations

import json
import re
import types
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from prometheus_client import CollectorRegistry
from pydantic import BaseModel, SecretStr

from deploy.grafana import build
from models.gate.guards import GUARDS, YIELDS
from models.gate.vocabulary import REASON_TEXTS
from models.records import SCHEMA_ROLES, EventRules, schema_of
from service.runtime.telemetry import Telemetry
from streaming.process import labels
from streaming.settings.loading import DELIMITER, PREFIX, Settings
from streaming.settings.mapping import MappingSettings
from streaming.settings.scenarios import ScenarioSettings
from streaming.telemetry import LearnerTelemetry
from tests.support.documents import catalogues, client_types, exports, figures
from tests.support.documents.meanings import BAD, RANGES
from tests.support.documents.yaml_files import read_yaml

ROOT = Path(__file__).resolve().parents[3]

# Reasons of defaults, where the description alone does not give them.
REASONS = {
    "kafka.partitions": "The learner reads all of them, so more do not make it faster; producers spread over them.",
    "kafka.replication": "The embedded broker and a single node have one; set 3 on a cluster.",
    "kafka.producer_buffer": "About 100,000 events: a minute at 1,500 events/s; beyond it the API answers 503.",
    "redis.service_timeout": "Well below what a shopper notices.",
    "redis.learner_timeout": "Versions are written while learning goes on, so a slow Redis may take its time.",
    "admission.dedupe_window": "8 minutes at 2,000 events/s, in 24 MB; it travels in the version.",
    "admission.max_lateness": "Events of a mobile client that was offline for a day still count.",
    "admission.max_future": "Clocks of shop servers are rarely minutes off.",
    "learner.lease_ttl": "Longer than a stop-the-world pause, short enough that a standby is there within seconds.",
    "learner.version_interval": "A second of learning is repeated after a crash, and freshness stays below three.",
    "learner.base_interval": "Bounds the deltas that a restart has to apply.",
    "learner.history_bytes": "How far back to go, for room in Redis; `doctor` compares it with `maxmemory`.",
    "learner.batch_size": "One second at 2,000 events/s; larger batches delay histories, smaller ones cost calls.",
    "learner.evidence_share": "With the rest of its bookkeeping a quarter of the learner's time.",
    "learner.evidence_bytes": "Two versions of the served tables of two million items.",
    "learner.shards": "One learner takes what a core takes, which is enough for most shops.",
    "learner.split_when": "With a model that knows little, shards lose most (docs/experiments.md).",
    "learner.merge_interval": "A new item reaches every shard within it, and a dead shard repeats it.",
    "learner.merge_events": "With more, quality falls (docs/experiments.md).",
    "learner.merge_share": "With more, a young model loses; with less, merging takes more time (docs/experiments.md).",
    "learner.partial_events": "With more, quality falls; with less, merging takes more time (docs/experiments.md).",
    "learner.shard_patience": "With a round of one second, a version is never older than five.",
    "learner.shutdown_grace": "Below the 30 s after which Docker and Kubernetes kill.",
    "learner.on_lost_offsets": "Losing events silently is worse than a learner that stops and says why.",
    "learner.on_new_log": "Offsets of another log mean nothing; only the operator knows which log is the right one.",
    "update.mode": "Events learned at once are served at once; further passes gain little (docs/decisions.md).",
    "update.rate_decay": "At the full rate, held-out events were ranked worse from the third pass on.",
    "update.held_out": "The most recent tenth of a batch is most like the next events; it is learned too, last.",
    "rebuild.every": "Learning goes on by itself; start over for errors that further learning does not repair.",
    "recommender.max_items": "Unbounded ids must not mean unbounded memory.",
    "recommender.max_users": "The history of an evicted user comes back from Redis.",
    "witness.share": "A witness is shown, never served: it must not slow the learner.",
    "service.host": "Nobody but this machine can reach it until you say so.",
    "service.max_body_bytes": "10,000 events of 400 bytes.",
    "service.max_events_per_request": "One request must not hold up the others.",
    "service.proxies": "Anybody can send the header; only your own proxies say the truth.",
    "service.connections_per_address": "A shop's server needs a few dozen; beyond it the one that waited longest ends.",
    "service.root_path": "Pages need none of it: their links are relative.",
    "service.rate_limit": "A balancer usually limits already; here it is by key.",
    "kafka.bootstrap_timeout": "A broker that restarts is back in less; beyond it waiting in silence helps nobody.",
    "kafka.request_timeout": "A leader election takes seconds; longer than that something is wrong.",
    "kafka.refresh_interval": "A new partition is read from its beginning, so nothing is lost until it is seen.",
    "events.max_bytes": "Real events have 100 to 500 bytes; it bounds what one record can cost to parse.",
    "learner.lease_renewal": "Three renewals may fail before the lease runs out.",
    "learner.poll_timeout": "It bounds how long a stop or a housekeeping look waits in a quiet topic.",
    "recommender.max_categories": "A shop has hundreds; a field that holds ids by mistake must not grow forever.",
    "recommender.max_brands": "As categories.",
    "recommender.max_queries": "The most frequent searches of a shop; rarer ones say little about what users want.",
    "recommender.admit_after": "A new item is shown from its first event on; raise it where ids are often wrong.",
    "recommender.seed": "Any number will do; the same one makes a replay the same.",
    "gate.canary_queries": "A fault of the tables shows in nearly every answer.",
    "gate.max_version_age": "A busy shop has a version every second; after an hour without one, tastes have moved.",
    "service.beacon_types": "A page knows these. Anybody can read the key, so purchases come from the shop's server.",
    "service.beacon_rate": "Some 10,000 shoppers who do something every 20 s.",
    "service.beacon_client_rate": "Nobody clicks faster; several people may share an address.",
    "service.beacon_recommend": "A shop decides itself whether pages ask, or its server does.",
    "service.beacon_attributes": "Anybody can read the key, so what only the shop should know stays out.",
    "service.beacon_max_bytes": "Browsers take 64 KiB for all beacons of a page together.",
    "learner.segments": "At most 20, so that labels of metrics stay few.",
    "learner.slate_window": "Eight minutes at 100 slates/s, most of a day at one; some 300 bytes each.",
    "service.slate_sample": "Slates that are left out count neither as shown nor as clicked, so that rates stay true.",
    "service.slates_per_second": "Each costs processor time (docs/experiments.md); more than this gains no precision.",
    "service.exclude_in_view": "A shopper looks at it already; a slate that repeats it looks broken.",
    "service.exclude_seen": "Groceries are bought again, furniture is not: only the shop knows.",
    "service.poll_interval": "A new version is found within a fifth of a second; a look costs Redis one read.",
    "gate.mode": "Learning is of no use to shoppers until the model is served.",
    "gate.alpha": "With a promotion each minute, one is wrong every hour and a half, and then within the margin.",
    "gate.alpha_harm": "Serving a harmful version costs more than a needless rollback.",
    "gate.margin": "A fiftieth of a usual hit rate; half of it needs four times the events.",
    "gate.least_tested": "Forty seconds at the 50 tested events a second of a busy shop.",
    "gate.anchors": "An hour, a day and a week: each slow loss is a fast one to one of them.",
    "gate.cooldown": "Long enough to look, short enough that learning is not stopped by one bad minute.",
}


def words(annotation: Any) -> str:
    """A type in the words of the page."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return words(get_args(annotation)[0])
    if origin is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(annotation))
    if origin in {Union, types.UnionType}:
        inner = [part for part in get_args(annotation) if part is not type(None)]
        return f"{words(inner[0])} or nothing"
    if origin is tuple:
        kinds = {"string": "list of strings", "number": "list of numbers"}
        return kinds.get(words(get_args(annotation)[0]), "list of tables")
    if origin is dict:
        return "table"
    names = {str: "string", int: "whole number", float: "number", bool: "true or false", Path: "path"}
    return names.get(annotation, "secret" if annotation is SecretStr else str(annotation))


def shown(value: Any) -> str:
    """A default as it is written in the file; an empty one as nothing."""
    if value is None or value in ("", (), {}):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return ", ".join(f"`{entry:g}`" if isinstance(entry, float) else f"`{entry}`" for entry in value)
    if isinstance(value, dict):
        return ", ".join(
            f"`{key}`" if isinstance(entry, BaseModel) else f"`{key}` = `{entry}`" for key, entry in value.items()
        )
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def settings_rows(section: BaseModel, above: str = "") -> Iterator[tuple[str, str, str, str]]:
    """Yields (dotted key, type, default, meaning and reason) of every setting."""
    for key, field in type(section).model_fields.items():
        value = getattr(section, key)
        if isinstance(value, BaseModel):
            continue
        dotted = above + key
        text = f"{field.description} {REASONS.get(dotted, '')}".strip().replace("|", "\\|")
        yield dotted, words(field.annotation), shown(value), text


def configuration() -> str:
    """Returns the page docs/configuration.md."""
    settings = Settings()
    lines = [
        "# Configuration",
        "",
        "<!-- Written by `python -m tests.support.documents.pages` from streaming/settings/. -->",
        "",
        "Everything has a default that works on one machine. A TOML file (`--config FILE`, or `SLUICEGATE_CONFIG`)",
        "overrides the defaults, the environment overrides the file: `bootstrap` of section `[kafka]` is",
        f"`{PREFIX}KAFKA{DELIMITER}BOOTSTRAP`. A list may be written `a,b,c` there, a table as JSON. A key that does",
        "not exist is refused, and the error names the nearest one that does. `sluicegate config` prints the values in",
        "force and where each came from; it never prints a secret. Durations are in seconds, sizes in bytes.",
        "",
    ]
    # Shows its defaults. Fields without one must be given, so it is constructed without validation.
    mapping = MappingSettings.model_construct(topic=None, fields=None)
    parts: list[tuple[str, BaseModel, str]] = [("Top level", settings, ""), ("[[mapping]]", mapping, "mapping.")]
    parts.append(("[scenario.NAME]", ScenarioSettings(), "scenario."))
    for key in type(settings).model_fields:
        section = getattr(settings, key)
        if isinstance(section, BaseModel):
            parts.append((f"[{key}]", section, f"{key}."))
    for title, section, above in parts:
        lines += [f"## {title}", ""]
        if above and type(section).__doc__:
            lines += [str(type(section).__doc__).strip().split("\n", 1)[0], ""]
        lines += ["| key | type | default | meaning |", "|---|---|---|---|"]
        lines += [
            f"| `{key}` | {kind} | {value} | {text} |" for key, kind, value, text in settings_rows(section, above)
        ]
        lines.append("")
    return "\n".join(lines)


class Metric(NamedTuple):
    """One of our metrics: its name as scraped, and each label with the values it can have."""

    name: str
    kind: str
    labels: dict[str, str]
    text: str

    @property
    def key(self) -> str:
        """The name in the code, without prefix."""
        return self.name.removeprefix("sluicegate_")


def metric_rows(registry: CollectorRegistry) -> list[Metric]:
    """Returns every metric of ours in a registry."""
    rows = []
    for collector in registry._collector_to_names:
        name, kind = getattr(collector, "_name", None), getattr(collector, "_type", "")
        if name is not None:
            text = getattr(collector, "_documentation", "")
            rows.append(Metric(name + "_total" * (kind == "counter"), kind, label_ranges(collector), text))
    return rows


def label_ranges(collector: Any) -> dict[str, str]:
    """The values of each label: in words where they depend on the installation, otherwise those initialised."""
    found = {}
    for place, label in enumerate(getattr(collector, "_labelnames", ())):
        values = dict.fromkeys(labels[place] for labels in getattr(collector, "_metrics", {}))
        found[label] = RANGES.get(label) or ", ".join(f"`{value}`" for value in values)
    return found


def registries() -> dict[str, CollectorRegistry]:
    """Returns the registry of each process, by the name of the process."""
    learner = CollectorRegistry()
    shown = LearnerTelemetry(learner, labels(Settings())._replace(segments=("tier:gold",)))  # no segment has no kinds
    shown.shard(0)
    return {"learner (port 8001)": learner, "service (port 8000)": Telemetry().registry}


UNITS = (
    ("_timestamp_seconds", "s, epoch"),
    ("_seconds", "s"),
    ("_seconds_total", "s"),
    ("_bytes", "B"),
    ("_bytes_total", "B"),
    ("_rate", "share"),
    ("_hit_difference", "share"),
)
"""Unit by the end of a name, longer ends first. Other metrics count things, or are 0 or 1."""


def unit(name: str) -> str:
    """Returns the unit of a metric.

    >>> unit("sluicegate_model_bytes"), unit("sluicegate_lease_held")
    ('B', '')
    """
    return next((word for end, word in UNITS if name.endswith(end)), "")


RULES: list[dict[str, Any]] = [
    rule for group in read_yaml(ROOT / "deploy/prometheus/alerts.yml")["groups"] for rule in group["rules"]
]
RECORDED = {rule["record"]: rule["expr"] for rule in RULES if "record" in rule}


def asks_for(query: str, metric: str) -> bool:
    """Whether a query reads a metric, directly or through a recorded series.

    >>> asks_for("sluicegate:served_late:ratio_rate5m > 1", "sluicegate_event_to_served_seconds")
    True
    """
    through = " ".join(expr for name, expr in RECORDED.items() if name in query)
    return re.search(rf"\b{metric}(_bucket|_sum|_count)?\b", f"{query} {through}") is not None


def alerts_on(metric: str) -> list[str]:
    """Returns the names of the alerts that read a metric."""
    return [rule["alert"] for rule in RULES if "alert" in rule and asks_for(rule["expr"], metric)]


def panels_of(metric: str) -> list[str]:
    """Returns `Dashboard: title` of the panels that show a metric; a panel on two dashboards is named once."""
    found: dict[str, str] = {}
    for dashboard, rows in build.ROWS.items():
        for panel in (panel for _, panels in rows for panel in panels):
            if any(asks_for(query, metric) for query, _ in panel.queries):
                found.setdefault(panel.title, dashboard.capitalize())
    return [f"{dashboard}: {title}" for title, dashboard in found.items()]


def bad(metric: Metric) -> str:
    """What a bad value means. KeyError says where to write it."""
    if metric.key not in BAD:
        raise KeyError(f"say in BAD of tests/support/documents/meanings.py what a bad value of {metric.key!r} means")
    return BAD[metric.key]


def seen_in(metric: Metric) -> str:
    """The alerts and panels of a metric, or that it is for a closer look."""
    alerts = ", ".join(f"[{name}](runbook.md#{name.lower()})" for name in alerts_on(metric.name))
    panels = "; ".join(panels_of(metric.name))
    return "<br>".join(part for part in (alerts, panels) if part) or "for a closer look"


def metrics() -> str:
    """Returns the page docs/metrics.md."""
    lines = [
        "# Metrics",
        "",
        "<!-- Written by `python -m tests.support.documents.pages` from the registries, rules and panels. -->",
        "",
        "Both processes answer `GET /metrics`. No label holds a user or an item; known label values are exported from",
        "the start, so a missing series means a missing process. Times are exported as timestamps: subtract them from",
        "`time()`. Both also export the standard `process_*` metrics. `deploy/prometheus/alerts.yml` has alerts on",
        "them, each with its section in the [runbook](runbook.md); `deploy/grafana/dashboards` has three dashboards.",
        "[concepts.md](concepts.md) explains the words.",
        "",
        "The last column names the alerts on a metric and the panels that show it, with their dashboard; a few",
        "metrics have neither, because another one shows the same trouble first.",
        "",
    ]
    for process, registry in registries().items():
        lines += [f"## The {process}", "", "| metric | type | labels | meaning | a bad value | alerts, panels |"]
        lines += ["|---|---|---|---|---|---|"]
        for row in metric_rows(registry):
            kind = f"{row.kind}, {unit(row.name)}" if unit(row.name) else row.kind
            labels_told = "<br>".join(f"`{label}`: {values}" for label, values in row.labels.items())
            lines.append(f"| `{row.name}` | {kind} | {labels_told} | {row.text} | {bad(row)} | {seen_in(row)} |")
        lines.append("")
    return "\n".join(lines)


def filled(page: Path) -> Callable[[], str]:
    """What writes a page that holds blocks of figures: the page as it stands, with the figures of the results."""
    return lambda: figures.filled(page.read_text(encoding="utf-8"))


REASONS_OPEN = "<!-- reasons: written by `python -m tests.support.documents.pages` from models/gate/vocabulary.py -->"
REASONS_CLOSE = "<!-- end of reasons -->"


GUARDS_OPEN = "<!-- guards: written by `python -m tests.support.documents.pages` from models/gate/guards.py -->"
GUARDS_CLOSE = "<!-- end of guards -->"


def between(text: str, opening: str, closing: str, block: str) -> str:
    """A text with another block between two of its lines."""
    before, opening, rest = text.partition(opening)
    _, closing, after = rest.partition(closing)
    return f"{before}{opening}\n\n{block}\n\n{closing}{after}"


def guards() -> str:
    """The table of the guards: what each yields to, and why."""
    rows = [f"| `{guard.reason}` | {guard.about} | {guard.yields_to} | {guard.why} |" for guard in GUARDS]
    meant = [f"- *{name}*: {meaning};" for name, meaning in YIELDS.items()]
    table = ["| guard | about its | yields to | why |", "|---|---|---|---|", *rows, ""]
    return "\n".join([*table, *meant]).removesuffix(";") + "."


def gate() -> str:
    """The page docs/gate.md as it stands, with the tables of reasons and of guards from the code."""
    text = (ROOT / "docs/gate.md").read_text(encoding="utf-8")
    rows = "\n".join(f"| `{reason}` | {meaning} |" for reason, meaning in REASON_TEXTS.items())
    text = between(text, REASONS_OPEN, REASONS_CLOSE, f"| reason | meaning |\n|---|---|\n{rows}")
    return between(text, GUARDS_OPEN, GUARDS_CLOSE, guards())


def json_schema(role: str) -> str:
    """The JSON Schema of a topic's records, with the types of events that are accepted by default."""
    return json.dumps(schema_of(role, EventRules()), indent=2) + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "clients/python/sluicegate_client/types.py": client_types.module,
    "docs/configuration.md": configuration,
    "docs/gate.md": gate,
    "docs/integrations.md": lambda: catalogues.filled(exports.integrations(ROOT / "docs/integrations.md")),
    "docs/metrics.md": metrics,
    **{f"docs/schemas/{role}.json": partial(json_schema, role) for role in SCHEMA_ROLES},
    **{page.relative_to(ROOT).as_posix(): filled(page) for page in figures.holders()},
}
"""Every page that is written here, whole or in its blocks of figures, by its path in the repository."""

if __name__ == "__main__":
    for page, write in PAGES.items():
        (ROOT / page).write_text(write(), encoding="utf-8")
