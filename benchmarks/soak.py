"""Load without pause and faults in the middle of it: what is lost, learned twice, unanswered or growing?

Real processes all: Apache Kafka, a redis-server and its replica, a learner, two services, a feeder of
events and a balancer of requests. One thing is broken at a time; the next fault waits until the last one is over.

What counts as what:

- The rate is what the machine carries with `ROOM` to spare: where nothing is left, a process that starts again takes
  its time from the answers.
- A request has failed when neither service answered 200. That one of them is not ready, or was cut off by its own end,
  fails nothing as long as the other one answers.
- Failures that docs/failures.md states are counted apart (`STATED`): a post while Kafka is away, a user's history while
  Redis fails over and while the learner writes again what Redis lost.
- "During" a fault is from its beginning until all has recovered and Redis has its replica in step; "before" and "after"
  are the `WINDOW` on either side.
- Memory is fitted once a life has settled (benchmarks/endurance/watch.py).
"""

from __future__ import annotations

import argparse
import http.client
import math
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks import processes, report, workload
from benchmarks.endurance import audit
from benchmarks.endurance.balancer import ROW, longest_wait
from benchmarks.endurance.faults import FAULTS, FRESH_SECONDS, strike
from benchmarks.endurance.redis_pair import WAYS
from benchmarks.endurance.repairs import Repairs
from benchmarks.endurance.stage import Stage, stage
from benchmarks.endurance.visitor import Visitor
from benchmarks.endurance.watch import EVERY, Slope, Watch, slope, without_huge_pages
from benchmarks.report import percentile, verdict
from models.snapshot import Damaged
from models.state import SCHEMA
from streaming.store import Store, StoreUnavailable
from streaming.versions.loading import load
from tests.support.processes.processes import Missing, Server

SUMMARY = "minutes of load, each process and server broken once: lost, twice, failed, slope of memory, latency"
WARM_SECONDS: Final = 20.0
"""Of load before the clock begins, in which the rate is found that the machine carries."""
STEADY_SECONDS: Final = 10.0
"""So long nobody may fall behind before a rate counts as carried; it has twice `WARM_SECONDS` to come to that."""
SLOWER: Final = 0.75
"""A rate that is not carried becomes this share of itself, so often at most."""
TRIES: Final = 12
ROOM: Final = 0.25
"""Share of the processors that the soak's own processes leave unused at the rate that counts as carried."""
BEHIND_SECONDS: Final = 1.0
"""A feeder that is so far behind its schedule, or an answer that takes so long, means that the rate is not carried."""
WINDOW: Final = 20.0
"""Seconds before a fault, and after its end, whose latency is told."""
COPIES_SECONDS: Final = 0.5
"""For the learner to answer what copies it holds; a learner that is stopped must not stop the watch."""
LEARNED_SECONDS: Final = 180.0
"""For the learner to finish after the last event, at most."""
GROWTH: Final = (30.0, 0.0)
"""Must and goal of the lower end of the interval of memory's slope, MiB an hour: what it grows beyond doubt."""
RECOVERY: Final = (30.0, 10.0)
"""Must and goal of the slowest recovery, in seconds."""
LATENCY: Final = {"before": (100.0, 25.0), "during": (1_000.0, 250.0), "after": (100.0, 25.0)}
"""Must and goal of the 99th percentile over all faults together, in milliseconds."""
STATED: Final = {"post": {"kafka"}, "history": {"redis", "redis-switch"}}
"""A request of this kind may be answered 503 while one of these faults lasts, and a history during a repair."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark alone. It runs once, on servers of its own, because it kills them."""
    parser.set_defaults(runs=1)
    parser.add_argument("--minutes", type=float, default=30.0, help="of load (default: %(default)s)")
    parser.add_argument("--events", type=float, default=5_000.0, help="events/s to begin with (default: %(default)s)")
    parser.add_argument("--requests", type=float, default=200.0, help="requests/s (default: %(default)s)")
    parser.add_argument(
        "--past", type=workload.past, default=500_000, help="events learned before (default: %(default)s)"
    )
    parser.add_argument("--redis-by", choices=[*WAYS], default="sentinels", help="how clients find the primary")
    parser.add_argument("--logs", type=Path, help="a folder that gets the logs of all processes")
    parser.add_argument(
        "--faults", nargs="*", choices=[*FAULTS], default=[*FAULTS], help="what to break (default: all)"
    )


def run(options: argparse.Namespace) -> dict[str, Any]:
    """One run. SIGTERM ends it as Ctrl-C does; what it started is gone afterwards. Raises Missing, EmbeddedError."""
    if options.bootstrap or options.redis:
        raise Missing("the soak kills the servers it runs on: it starts its own, so leave out --bootstrap and --redis")
    without_huge_pages()
    former = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="sluicegate-bench-") as folder,
            stage(Path(folder), options.seed, options.redis_by) as on,
        ):
            try:
                return _run(on, options)
            finally:
                if options.logs is not None:
                    on.copy_logs(options.logs)
    finally:
        signal.signal(signal.SIGTERM, former)


def _run(on: Stage, options: argparse.Namespace) -> dict[str, Any]:
    soak = Soak(on, options)
    soak.say(f"{options.past:,} events of the past to be learned")
    on.learn_past(options.past)
    with soak:
        soak.warm()
        soak.play()
    soak.wait_learned()
    return soak.result()


class Soak:
    """One run on a stage. As a context it is the load: it runs in the block, and is over after it."""

    def __init__(self, on: Stage, options: argparse.Namespace) -> None:
        self.stage, self.options = on, options
        self.rate = float(options.events)
        self.begin = time.time()
        self.end = math.inf
        self.faults: list[dict[str, Any]] = []
        self._runs: list[int] = []
        self._fell_behind = 0.0
        self._feeder: Server | None = None
        self._balancer: Server | None = None
        self._rows = Path()
        self._visitor = Visitor([service.address for service in on.services])
        self._watch = Watch(self._pids(), {"learner": self._copies})
        self._repairs = Repairs(on.settings)

    def say(self, words: str) -> None:
        """A line of progress on standard error, with the seconds since the clock began."""
        print(f"{time.time() - self.begin:8.1f} s  {words}", file=sys.stderr, flush=True)

    def _copies(self) -> float | None:
        """MiB of the versions that the learner holds to compare with, as it says; None while it does not answer."""
        try:
            return processes.metrics(self.stage.learner.address, COPIES_SECONDS)["sluicegate_evidence_bytes"] / 2**20
        except (OSError, http.client.HTTPException):
            return None

    def _pids(self) -> dict[str, Callable[[], int | None]]:
        on = self.stage

        def of(which: Callable[[], Server | None]) -> Callable[[], int | None]:
            return lambda: server.pid if (server := which()) is not None else None

        def runs(server: Server) -> Callable[[], int | None]:
            return of(lambda: server)

        first, second = on.redis.servers
        return {
            "learner": of(lambda: on.learner),
            "service a": of(lambda: on.services[0]),
            "service b": of(lambda: on.services[1]),
            "kafka": of(lambda: on.kafka.server),
            "redis a": of(lambda: first.server),
            "redis b": of(lambda: second.server),
            **{name: runs(guide) for name, guide in on.redis.guides.items()},
            "feeder": of(lambda: self._feeder),
            "balancer": of(lambda: self._balancer),
            "the benchmark": os.getpid,
        }

    def __enter__(self) -> Soak:
        self._balancer, self._rows = self.stage.balance(self.options.requests)
        self._visitor.start()
        self._watch.start()
        self._repairs.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:  # otherwise nobody wants their last answers, and the stage kills them
            self._stop_feeder()
            assert self._balancer is not None
            self.stage.end(self._balancer, processes.READY_SECONDS)
        self._visitor.finish()
        self._watch.finish()
        self._repairs.finish()

    def _start_feeder(self) -> None:
        self._runs.append(len(self._runs) + 1)
        self._feeder = self.stage.feed(self._runs[-1], self.rate)

    def _stop_feeder(self) -> None:
        assert self._feeder is not None
        self.stage.end(self._feeder, processes.READY_SECONDS)
        self._feeder = None

    # -- the course of events ---------------------------------------------------------------------------------------

    def warm(self) -> None:
        """Find the rate that the machine carries: all keep up with it, and `ROOM` is left. Starts the clock."""
        for _ in range(TRIES):
            self._start_feeder()
            self._sleep_until(time.time() + WARM_SECONDS)
            self._fell_behind = time.time()
            try:
                processes.until(self._carried, "the rate carried", 2 * WARM_SECONDS, pause=0.5)
                used = self._used(self._fell_behind, time.time())
                if used <= 1 - ROOM:
                    break
                trouble = f"{used:.0%} of the processors are in use, at most {1 - ROOM:.0%} may be"
            except TimeoutError:
                trouble = self._standing()
            self.say(f"{self.rate:g} events/s are not carried: {trouble}")
            self._stop_feeder()
            self.rate = round(self.rate * SLOWER, -1)
            processes.until(self._fresh, "the learner caught up", LEARNED_SECONDS, pause=0.5)
        else:
            raise TimeoutError(f"this machine does not carry {self.rate / SLOWER:g} events/s; nothing was broken yet")
        self.begin = time.time()
        self.say(f"{self.rate:g} events/s and {self.options.requests:g} requests/s are carried; the clock begins")

    def _carried(self) -> bool:
        """Whether nobody has fallen behind for `STEADY_SECONDS`."""
        behind = self.stage.fed(self._runs[-1]).get("behind_s", math.inf)
        if not self._fresh() or max(behind, longest_wait(self._rows)) > BEHIND_SECONDS:
            self._fell_behind = time.time()
        return time.time() - self._fell_behind >= STEADY_SECONDS

    def _used(self, since: float, until: float) -> float:
        """Share of the processors that the soak's own processes use."""
        cores = sum(self._watch.cores(name, since, until) for name in self._watch.samples)
        return cores / len(os.sched_getaffinity(0))

    def _fresh(self) -> bool:
        self.stage.supervise()
        return all(self.stage.fresh(service, 0.0, FRESH_SECONDS) for service in self.stage.services)

    def _standing(self) -> str:
        ages = []
        for service in self.stage.services:
            progress = self.stage.model(service).get("progress") or {}
            ages.append(f"{time.time() - progress.get('watermark', 0.0):.1f} s")
        waited = f"answers take up to {longest_wait(self._rows):.2f} s"
        return f"models are {' and '.join(ages)} old; {waited}; feeder: {self.stage.fed(self._runs[-1])}"

    def play(self) -> None:
        """Break everything in turn, evenly over the time."""
        total, wanted = 60 * self.options.minutes, self.options.faults
        for number, name in enumerate(wanted, 1):
            self._sleep_until(self.begin + total * number / (len(wanted) + 1))
            self.faults.append(strike(name, self.stage, self._visitor, self.begin, self.say))
            self.say(f"after it: {self._standing()}")
        over = self.faults[-1]["over"] if self.faults else 0.0
        self._sleep_until(max(self.begin + total, over + WINDOW))
        self.end = time.time()

    def _sleep_until(self, moment: float) -> None:
        while time.time() < moment:
            self.stage.supervise()
            time.sleep(min(0.2, max(0.0, moment - time.time())))

    def wait_learned(self) -> None:
        """Until the newest version has everything that is in the topic; without one the audit says what is missing."""
        ends = audit.ends(self.stage.kafka.bootstrap, self.stage.events)
        self.say(f"the load is over; {sum(ends.values()):,} events are in the topic")
        store = Store.for_service(self.stage.settings)

        def learned() -> bool:
            self.stage.supervise()
            try:
                head = store.head()
                return head is not None and store.manifest(head.id).progress.offsets.get(self.stage.events) == ends
            except (StoreUnavailable, Damaged):
                return False

        try:
            waited = processes.until(learned, "everything learned", LEARNED_SECONDS, pause=0.5)
            self.say(f"everything is learned, {waited:.1f} s later")
        except TimeoutError as error:
            self.say(str(error))
        finally:
            store.close()

    # -- what came of it --------------------------------------------------------------------------------------------

    def result(self) -> dict[str, Any]:
        """Everything that was found, and whether it is within the bounds."""
        audited = self._audit()
        requests = self._requests()
        during = [self._with_latency(fault, requests) for fault in self.faults]
        pooled = {part: _pool(requests, [each["windows"][part] for each in during]) for part in LATENCY}
        slopes = {"learner": slope(self._watch.lives("learner"))}
        slopes["service"] = slope(self._watch.lives("service a", "service b"))
        visits, fed = self._visits(), self._fed()
        failed = int((requests["status"] != 200).sum()) + visits["failed"]
        wrong = audited.pop("histories")
        figures = [
            verdict("events lost", audited["lost"], "", 0, 0, higher=False),
            verdict("events that Kafka never took", fed["sent"] - fed["acknowledged"], "", 0, 0, higher=False),
            verdict("events learned twice", audited["twice"], "", 0, 0, higher=False),
            verdict("histories that are not those of the log", wrong["wrong"], "", 0, 0, higher=False),
            verdict("failed requests beyond the stated", failed, "", 0, 0, higher=False),
            verdict("processes that ended by themselves", len(self.stage.deaths), "", 0, 0, higher=False),
            verdict("slowest recovery", self._slowest(), "s", *RECOVERY, higher=False),
            *(
                verdict(f"{name}: memory grows at least", round(each.low, 1), "MiB/h", *GROWTH, higher=False)
                for name, each in slopes.items()
            ),
            *(
                verdict(f"p99 {part} faults", pooled[part]["p99"], "ms", *bounds, higher=False)
                for part, bounds in LATENCY.items()
                if self.faults
            ),
        ]
        found = {
            "ok": audited["exact"] and all(figure["reached"] != "neither" for figure in figures),
            "lost": audited["lost"],
            "twice": audited["twice"],
            "failed_requests": failed,
            "rss_slope_mib_per_hour": {name: round(each.slope, 1) for name, each in slopes.items()},
            "latency_ms": pooled,
            "faults": [{k: v for k, v in each.items() if k not in {"windows", "at", "over"}} for each in during],
            "figures": figures,
            "memory": {name: self._memory(name, each) for name, each in slopes.items()},
            "minutes": round((self.end - self.begin) / 60, 2),
            "events_per_second": self.rate,
            "events": fed,
            "redis_found_by": self.options.redis_by,
            "requests_per_second": round(len(requests) / (self.end - self.begin), 1),
            "requests": {
                "asked": len(requests),
                "failed": int((requests["status"] != 200).sum()),
                "answered_by_the_other": int(((requests["status"] == 200) & (requests["tries"] > 1)).sum()),
                "statuses": dict(Counter(str(status) for status in requests["status"].tolist())),
            },
            "visits": visits,
            "histories": wrong,
            "audit": audited,
            "deaths": self.stage.deaths,
            "processor": self._processor(),
        }
        return {key: _plain(value) for key, value in found.items()}

    def _audit(self) -> dict[str, Any]:
        on = self.stage
        bootstrap = on.kafka.bootstrap
        log = audit.read(bootstrap, on.events, self.say)
        ledgers = [audit.ledger(on.folder / f"{number}.ledger") for number in (0, *self._runs)]
        absent = audit.missing(log, ledgers, self._visitor.accepted)
        others = {name: audit.ends(bootstrap, name) for name in (on.items, on.settings.topic("control"))}
        store = Store.for_learner(on.settings)
        try:
            loaded = load(store, "head", SCHEMA, served_only=False)
            if loaded is None:
                raise RuntimeError("there is no version at the end")
            learned = audit.learned(loaded.manifest.progress, loaded.state)
            found = audit.compare(log, absent, learned, on.events, others)
            wrong = audit.wrong_histories(log, store, self.options.seed, self.begin)
        finally:
            store.close()
        versions = {"version": loaded.manifest.id, "versions": loaded.manifest.seq, "damaged": loaded.skipped}
        return {**found._asdict(), "histories": wrong, **versions}

    def _requests(self) -> NDArray[np.void]:
        """Rows of the requests that were due after the clock began."""
        rows = np.fromfile(self._rows, ROW)
        kept: NDArray[np.void] = rows[(rows["due"] >= self.begin) & (rows["due"] < self.end)]
        return kept

    def _with_latency(self, fault: Mapping[str, Any], requests: NDArray[np.void]) -> dict[str, Any]:
        at, over = fault["at"], fault["over"]
        windows = {"before": (at - WINDOW, at), "during": (at, over), "after": (over, over + WINDOW)}
        latency = {part: _pool(requests, [window]) for part, window in windows.items()}
        return {**fault, "latency_ms": latency, "windows": windows}

    def _slowest(self) -> float:
        found = [fault["recovered_s"] for fault in self.faults]
        return math.inf if None in found else max(found, default=0.0)

    def _visits(self) -> dict[str, Any]:
        """Posts and looks of the visitor: what failed although nothing was broken that it needs."""
        visitor = self._visitor
        lasted = [(f["name"], f["at"], f["over"]) for f in self.faults]
        repairs = self._repairs.found
        stated = failed = 0
        odd: Counter[str] = Counter()
        for answer in visitor.answers:
            if answer.at < self.begin or answer.status in {200, 202}:
                continue
            allowed = STATED[answer.what]
            excused = any(n in allowed and at <= answer.at <= over for n, at, over in lasted)
            excused |= answer.what == "history" and any(each.lasts(answer.at) for each in repairs)
            if answer.status == 503 and excused:
                stated += 1
            else:
                failed += 1
                odd[f"{answer.what} {answer.status} at {answer.at - self.begin:.0f} s"] += 1
        seen = [1000 * (visit.seen - visit.posted) for visit in visitor.visits if visit.seen is not None]
        return {
            "visits": len(visitor.visits),
            "never_seen": len(visitor.visits) - len(seen),
            "seen_p50_ms": round(percentile(seen, 0.5), 1),
            "seen_p99_ms": round(percentile(seen, 0.99), 1),
            "stated_failures": stated,
            "repairs": [[round(each.since - self.begin, 1), round(each.until - self.begin, 1)] for each in repairs],
            "failed": failed,
            "failed_when": dict(odd.most_common(20)),
        }

    def _memory(self, name: str, found: Slope) -> dict[str, Any]:
        names = ["learner"] if name == "learner" else ["service a", "service b"]
        lives = self._watch.lives(*names)
        return {
            "slope_mib_per_hour": round(found.slope, 1),
            "interval_95": [round(found.low, 1), round(found.high, 1)],
            "lives_fitted": found.lives,
            "hours_fitted": round(found.hours, 3),
            "peak_mib": round(max((each.mib for life in lives for each in life), default=math.nan), 1),
            "lives_first_and_last_mib": [[round(life[0].mib, 1), round(life[-1].mib, 1)] for life in lives],
            "lives_each_minute_mib": [[round(each.mib) for each in life[:: round(60 / EVERY)]] for life in lives],
            "copies_each_minute_mib": [[round(each.copies) for each in life[:: round(60 / EVERY)]] for life in lives],
        }

    def _fed(self) -> dict[str, Any]:
        """What the feeders said at their end, all together."""
        told = [self.stage.fed(run) for run in self._runs]
        counts = {name: sum(each[name] for each in told) for name in ("sent", "acknowledged", "sent_again", "renewed")}
        return {"asked_per_second": self.options.events, "carried_per_second": self.rate, **counts}

    def _processor(self) -> dict[str, Any]:
        """Processors in use on average: of the machine, of each process of the soak, and of everybody else."""
        since, until = self.begin, self.end
        used = {name: round(self._watch.cores(name, since, until), 3) for name in self._watch.samples}
        busy = self._watch.busy(since, until)
        cores = len(os.sched_getaffinity(0))
        return {
            "cores": cores,
            "busy": round(busy, 3),
            "soak": round(sum(used.values()), 3),
            "others": round(max(0.0, busy - sum(used.values())), 3),
            "each": used,
        }


def _pool(requests: NDArray[np.void], windows: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Latency of the requests that were due in any of these windows."""
    due = requests["due"]
    inside = np.zeros(len(requests), np.bool_)
    for since, until in windows:
        inside |= (due >= since) & (due < until)
    mine = requests[inside]
    answered = (1000 * mine["seconds"][mine["status"] == 200]).tolist()
    return {
        "p50": round(percentile(answered, 0.5), 2),
        "p99": round(percentile(answered, 0.99), 2),
        "max": round(max(answered, default=math.nan), 2),
        "requests": len(mine),
        "failed": len(mine) - len(answered),
    }


def _plain(found: Any) -> Any:
    """With None for what is not a finite number: JSON has no word for it."""
    if isinstance(found, dict):
        return {key: _plain(value) for key, value in found.items()}
    if isinstance(found, list | tuple):
        return [_plain(value) for value in found]
    if isinstance(found, float) and not math.isfinite(found):
        return None
    return found


def table(result: dict[str, Any]) -> str:
    """The figures and numbers, and a line for each fault."""
    lines = [
        f"  {each['at_s']:8.1f} s  {each['what']:50} recovered in {each['recovered_s']} s" for each in result["faults"]
    ]
    rest = {key: value for key, value in result.items() if key != "faults"}
    rest["figures"] = [
        {**each, "value": math.nan if each["value"] is None else each["value"]} for each in rest["figures"]
    ]
    return "\n".join([report.table(rest), "  faults", *lines])
