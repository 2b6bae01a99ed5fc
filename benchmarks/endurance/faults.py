"""Breaks one thing of a running installation at a time, and measures how long it takes until all is well again."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from benchmarks.endurance.stage import Stage
from benchmarks.endurance.visitor import Visitor

DEADLINE: Final = 120.0
"""Seconds after which a fault counts as not recovered."""
FRESH_SECONDS: Final = 5.0
"""All is well when the model of every service has learned what happened so many seconds ago."""
LOOK_SECONDS: Final = 0.1


def kill_learner(stage: Stage) -> None:
    """kill -9 of the learner; a supervisor starts it again."""
    stage.learner.kill()
    stage.start(stage.learner)


def kill_service(stage: Stage, number: int) -> None:
    """kill -9 of a service; a supervisor starts it again, and meanwhile the other one answers."""
    stage.services[number].kill()
    stage.start(stage.services[number])


def kill_redis(stage: Stage) -> None:
    """kill -9 of the primary; its replica is promoted, and clients are led there."""
    stage.redis.primary.kill()
    stage.redis.fail_over()


def switch_redis(stage: Stage) -> None:
    """The primary hands over to its replica and lives on, read-only; clients are led to the new one."""
    stage.redis.hand_over()


def restart_kafka(stage: Stage) -> None:
    """A clean stop of the broker, and a start on the same data."""
    stage.kafka.restart()


FAULTS: Final[Mapping[str, tuple[str, Callable[[Stage], None]]]] = {
    "learner": ("kill -9 of the learner", kill_learner),
    "service-a": ("kill -9 of service a", lambda stage: kill_service(stage, 0)),
    "service-b": ("kill -9 of service b", lambda stage: kill_service(stage, 1)),
    "redis": ("kill -9 of the Redis primary, replica promoted", kill_redis),
    "kafka": ("restart of Kafka", restart_kafka),
    "redis-switch": ("Redis primary hands over and lives on as a replica", switch_redis),
}
"""Every fault by its name, with its words, in the order in which they happen."""


def strike(name: str, stage: Stage, visitor: Visitor, begin: float, say: Callable[[str], None]) -> dict[str, Any]:
    """Break it, and wait until it has recovered or `DEADLINE` has passed. Times are seconds; None: not recovered.

    It has recovered when a visit that was posted once all was broken is in the visitor's history, and when every
    service serves a version made since that is at most `FRESH_SECONDS` behind the stream. It is over (`over`, epoch
    seconds) when Redis has its replica in step again as well, and its copy on disk: until then a server copies its
    whole memory to another.
    """
    words, cause = FAULTS[name]
    say(words)
    at = time.time()
    cause(stage)
    parts = _recovery(stage, visitor, at, time.time())
    late = [part for part, seconds in parts.items() if seconds is None]
    recovered = None if late else round(max(seconds or 0.0 for seconds in parts.values()), 2)
    say(f"{words}: " + (f"recovered in {recovered} s" if not late else f"not recovered in {DEADLINE:g} s: {late}"))
    over = at + (recovered or DEADLINE)
    if name in {"redis", "redis-switch"}:
        stage.redis.follow()  # the dead one comes back as a replica, for the faults that follow
        over = max(over, time.time())
    told = {"at_s": round(at - begin, 1), "recovered_s": recovered, **parts, "over_s": round(over - at, 2)}
    return {"name": name, "what": words, "at": at, "over": over, **told}


def _recovery(stage: Stage, visitor: Visitor, at: float, broken: float) -> dict[str, float | None]:
    found: dict[str, float | None] = {"seen_s": None, "fresh_s": None}
    while None in found.values() and time.time() < at + DEADLINE:
        stage.supervise()
        seen = visitor.seen_since(broken)
        if found["seen_s"] is None and seen is not None:
            found["seen_s"] = round(seen - at, 2)
        if found["fresh_s"] is None and all(stage.fresh(service, broken, FRESH_SECONDS) for service in stage.services):
            found["fresh_s"] = round(time.time() - at, 2)
        time.sleep(LOOK_SECONDS)
    return found
