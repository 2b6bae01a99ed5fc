"""Runs coordinator and shards as actors of Ray: on this machine, or on those of a cluster.

The only file that imports Ray. Its own serializer carries bytes, numbers and arrays that we made; what comes from
outside reaches an actor from Kafka or Redis, by our own decoders.

The process that was started, here the driver, owns all actors and does nothing else. One more process than there are
shards waits with its kernels loaded, and a second coordinator: they take the place of one that ends, and Ray starts
that one again, which waits from then on. A shard is told by the coordinator from which version to begin; a coordinator
takes the lease and loads the newest version, and the shards' processes stay. When the driver ends, Ray's processes end
with it.
"""

from __future__ import annotations

import gc
import logging
import os
import secrets
import shutil
import signal
import tempfile
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from models.warmup import compile_apart, compiled, warm, warm_merging
from streaming.allocator import give_memory_back
from streaming.consumer import record_batches as wire
from streaming.learner import FAILED, USAGE, Stop
from streaming.learner.learner import COLLECTOR, default_instance
from streaming.logs import configure, native_lines, resolved, take_printed
from streaming.process import fetch_river, learn
from streaming.settings import LOG_FORMAT, Settings, load_settings
from streaming.shards.crew import ShardLost
from streaming.shards.crew_messages import Began, Begin, Rows, read
from streaming.shards.splitting import NotWithShards, Splitting, check
from streaming.shards.worker import Worker

log = logging.getLogger("streaming")

OBJECTS: Final = 512 << 20
"""Bytes of shared memory in which rows wait to be read; beyond them Ray uses the disk."""

ENVIRONMENT: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_enable_metrics_collection": "0",  # nobody reads them, and each process would wait for the agent for 30 s
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_DEDUP_LOGS": "0",
    "RAY_COLOR_PREFIX": "0",
    "RAY_worker_niceness": "0",  # its default of 15 leaves our learners what all others do not want
}
"""Ray reports nothing to anybody, and its processes start in seconds."""

LOOK: Final = 0.2
"""Seconds between the driver's looks at the coordinator and the stop flag."""

AGAIN: Final = 0.5
"""Seconds until a coordinator that ended is asked to lead again."""

UP: Final = 5.0
"""Seconds after which a coordinator that was asked to lead does: Ray answers for one that is not there within two."""

INSTANCE, FAILPOINT = "SLUICEGATE_LEARNER__INSTANCE", "SLUICEGATE_FAILPOINT"
"""Settings that an actor is given."""

ANSWERING: Final = 5.0
"""Seconds in which actors must answer a new coordinator to come before those that do not: more than a round."""

CALLS: Final = 3
"""Calls of a coordinator at a time: it leads, the driver waits for its shards, and asks it to stop."""

ENDING: Final = 4.0
"""Seconds of the grace period kept for ending Ray's processes; the coordinator has the rest."""


OWN: Final = ("gcs_server", "raylet")
"""Ray's own processes of a cluster that we started, by the names of their programs."""


def ray_module() -> Any:
    """Ray, which takes a second to import."""
    import ray

    return ray


def lead(settings: Settings, stop: Stop, reset_offsets: bool, config: Path | None) -> int:
    """Learn with several shards until told to stop, and return the exit code."""
    try:
        check(settings)
    except NotWithShards as refusal:
        log.error("%s", refusal)
        return USAGE
    os.environ.update({name: value for name, value in ENVIRONMENT.items() if name not in os.environ})
    if not settings.learner.ray_address:  # a cluster of our own; Ray reads both when it is imported
        os.environ.update({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)})
    ray = ray_module()
    if not compiled() and not compile_apart("everything", stop.wait):
        return FAILED  # once, not in each actor
    with native_lines(settings.log.format):  # Ray's core says where its level comes from, before it obeys it
        folder = _join(ray, settings)
    configure("learner", settings.log.format)  # in place of what Ray has set up meanwhile
    take_printed(settings.log.format)
    for number in (signal.SIGTERM, signal.SIGINT):  # Ray's own would end the process at once
        signal.signal(number, stop.ask)
    try:
        return _Driver(ray, settings, stop, config).run(reset_offsets)
    finally:
        ray.shutdown()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _join(ray: Any, settings: Settings) -> str | None:
    """Join the cluster of the settings, or start one on loopback; the folder of the one that was started."""
    address, shards = settings.learner.ray_address, settings.learner.shards
    # With a `logging_config` Ray passes lines of its processes on as they are, without a name and number before each.
    lines = ray.LoggingConfig(encoding=resolved(settings.log.format).upper(), log_level="WARNING")
    quiet = {
        "configure_logging": False,
        "log_to_driver": True,
        "logging_config": lines,
        "namespace": settings.namespace,
    }
    if address:
        log.info("joining the Ray cluster at %s", address)
        ray.init(address=address, **quiet)
        return None
    folder = tempfile.mkdtemp(prefix="sluicegate-")  # its logs name users and items: nobody else may read it
    log.info("starting Ray on loopback for %d shards", shards)
    ray.init(
        num_cpus=shards + 1,
        num_gpus=0,
        include_dashboard=False,
        object_store_memory=OBJECTS,
        _node_ip_address="127.0.0.1",
        _temp_dir=folder,
        **quiet,
    )
    return folder


class _Driver:
    """Starts the actors, asks the coordinator to lead, and passes on that it must stop."""

    def __init__(self, ray: Any, settings: Settings, stop: Stop, config: Path | None) -> None:
        self._ray, self._settings, self._stop = ray, settings, stop
        self._config = str(config.resolve()) if config is not None else ""
        # An actor's stderr is a file, which says nothing of where its lines are shown.
        self._environ = _given({**os.environ, LOG_FORMAT: resolved(settings.log.format)}, settings)
        self._shards: list[Any] = []
        self._coordinators: deque[Any] = deque()
        self._complete: Any = None
        self._own = [] if settings.learner.ray_address else children(OWN)
        self._gone = ""

    def run(self, reset_offsets: bool) -> int:
        """Until the coordinator has ended as it should; its exit code."""
        ray = self._ray
        self._shards = self._actors(ShardActor, self._settings.learner.shards, self._environ, cores=1)
        self._coordinators.extend(self._actors(CoordinatorActor, 1, self._environ, cores=1, max_concurrency=CALLS))
        leading, asked_at = self._lead(reset_offsets), time.monotonic()
        while True:
            self._stop_without_ray()
            if self._stop.is_set():
                self._coordinators[0].stop.remote()  # each time: one that was just started again has not heard it
            self._start_spares()
            done, _ = ray.wait([leading], timeout=LOOK)
            if not done:
                continue
            try:
                code: int = ray.get(leading)
            except ray.exceptions.ActorUnavailableError as error:
                if self._stop.is_set():
                    log.error("the coordinator ended before its last version: what is in none is learned again")
                    return FAILED
                if asked_at < time.monotonic() - UP:  # later calls find a process that is still on its way
                    log.warning("the coordinator ended, and another one goes on: %s", _brief(error))
                if asked_at > time.monotonic() - AGAIN:
                    self._stop.wait(AGAIN)
                self._coordinators.rotate(-1)
                leading, asked_at = self._lead(reset_offsets), time.monotonic()
            except ray.exceptions.RayError as error:
                log.error("the coordinator cannot lead: %s", error)
                return FAILED
            else:
                if self._gone:
                    return FAILED
                for waiting in (*self._shards, *list(self._coordinators)[1:]):  # their own end would look like a crash
                    ray.kill(waiting)
                return code

    def _stop_without_ray(self) -> None:
        """Stop once a process of Ray's own has ended: nobody would start an actor again, and Ray gives up in the end.

        Without either the actors live for a moment, in which the coordinator can write a last version.
        """
        self._gone = self._gone or next((name for name, pid in self._own if has_ended(pid)), "")
        if self._gone and not self._stop.is_set():
            log.error("Ray's process %s ended, and so does this learner: start it again", self._gone)
            self._stop.set()

    def _lead(self, reset_offsets: bool) -> Any:
        coordinator = self._coordinators[0]
        leading = coordinator.lead.remote(reset_offsets, self._shards)
        if self._settings.learner.spares and len(self._coordinators) == 1:
            self._complete = coordinator.complete.remote()
        return leading

    def _start_spares(self) -> None:
        """Start what waits, once all shards learn: nothing slows their own start down."""
        if self._complete is None or not self._ray.wait([self._complete], timeout=0)[0]:
            return
        complete, self._complete = self._complete, None
        try:
            self._ray.get(complete)
        except self._ray.exceptions.RayError:
            return  # the coordinator has ended: `_lead` asks the next one
        environ = {name: value for name, value in self._environ.items() if name != FAILPOINT}
        spares = self._actors(ShardActor, self._settings.learner.spares, environ, cores=0)
        self._shards += spares
        self._coordinators[0].add.remote(spares)
        self._coordinators.extend(self._actors(CoordinatorActor, 1, environ, cores=0, max_concurrency=CALLS))

    def _actors(self, kind: type, number: int, environ: Mapping[str, str], cores: int, **options: int) -> list[Any]:
        """Start actors of a kind. One that waits claims no core, and a crash test does not end it."""
        lasting = {"max_restarts": -1, "max_task_retries": 0, "scheduling_strategy": "SPREAD"}
        made = self._ray.remote(kind).options(**lasting, num_cpus=cores, **options)
        return [made.remote(msgspec.json.encode(environ), self._config) for _ in range(number)]


class ShardActor:
    """One shard as an actor: `Worker`, with its kernels loaded before the first call."""

    def __init__(self, environ: bytes, config: str) -> None:
        settings = self._settings = _settled(environ, config, "spare shard")
        gc.set_threshold(*COLLECTOR)
        give_memory_back()
        warm()
        wire.warm()
        self._worker = Worker(settings, ray_module().get_runtime_context().get_node_id())

    def begin(self, ask: bytes) -> bytes:
        """`Worker.begin`. From now on its lines say which shard it is."""
        configure(f"shard-{read(ask, Begin).shard}", self._settings.log.format)
        return self._worker.begin(ask)

    def round(self, ask: bytes, *rows: Rows) -> tuple[bytes, Rows]:
        """`Worker.round`; Ray has fetched the rows."""
        return self._worker.round(ask, rows)

    def go_on(self, ask: bytes, rows: Rows) -> tuple[bytes, Rows]:
        """`Worker.go_on`; Ray has fetched the rows."""
        return self._worker.go_on(ask, rows)

    def settle(self, term: str) -> tuple[bytes, Rows]:
        """`Worker.settle`."""
        return self._worker.settle(term)

    def there(self) -> None:
        """Answer, once nothing else is under way."""

    def rest(self) -> None:
        """Let go of the model that an earlier coordinator had this process load."""
        self._worker.close()


class CoordinatorActor:
    """The learner that holds the lease, as an actor, with its kernels loaded; `stop` may be called while it leads."""

    def __init__(self, environ: bytes, config: str) -> None:
        self._settings, self._config = _settled(environ, config, "coordinator"), Path(config) if config else None
        give_memory_back()
        fetch_river(self._settings)
        warm()
        warm_merging()
        grace = self._settings.learner.shutdown_grace
        self._stop = Stop(max(grace - ENDING, grace / 2), time.monotonic)
        self._crew = RayCrew(ray_module(), self._settings.learner.shards)

    def lead(self, reset_offsets: bool, shards: Sequence[Any]) -> int:
        """Learn with these shards until told to stop, and return the exit code."""
        log.info("the coordinator is process %d", os.getpid())
        crew = self._crew
        crew.take(shards)
        return learn(
            self._settings,
            self._stop,
            reset_offsets,
            self._config,
            lambda telemetry: Splitting(self._settings, crew, telemetry),
        )

    def complete(self) -> None:
        """Wait until all shards have begun."""
        self._crew.complete.wait()

    def add(self, spares: Sequence[Any]) -> None:
        """Use more actors, which take the place of shards that are lost."""
        self._crew.add(spares)

    def stop(self) -> None:
        """Write the last version, and end."""
        self._stop.set()


class RayCrew:
    """A `Crew` of actors, of which more than there are shards may be there: they take the place of one that is lost.

    Args:
        ray: The module.
        shards: How many shards there are.
    """

    def __init__(self, ray: Any, shards: int) -> None:
        self._ray, self._number = ray, shards
        self._shards: list[Any] = []
        self._spares: deque[Any] = deque()
        self._calls: dict[Any, int] = {}
        self._where: dict[int, Began] = {}
        self.complete = threading.Event()

    def take(self, actors: Sequence[Any]) -> None:
        """Use these actors: those that answer become shards first, and what is left over are spares."""
        self._calls.clear()
        self._where.clear()
        ordered = actors if len(actors) <= self._number else self._those_that_answer_first(actors)
        self._shards, self._spares = list(ordered[: self._number]), deque()
        self.add(ordered[self._number :])

    def _those_that_answer_first(self, actors: Sequence[Any]) -> list[Any]:
        """The actors, in their order but for those that are still starting or hang, which come last."""
        calls = {actor.there.remote(): place for place, actor in enumerate(actors)}
        answered: set[int] = set()
        until = time.monotonic() + ANSWERING
        while calls and len(answered) < self._number and (left := until - time.monotonic()) > 0:
            for call in self._ray.wait(list(calls), timeout=left)[0]:
                place = calls.pop(call)
                with suppress(self._ray.exceptions.RayError):  # it ended: Ray starts it again
                    self._ray.get(call)
                    answered.add(place)
        return [actors[place] for place in sorted(range(len(actors)), key=lambda place: (place not in answered, place))]

    def add(self, spares: Sequence[Any]) -> None:
        """Use more actors as spares. For any thread."""
        for spare in spares:
            spare.rest.remote()  # it may hold the model of a shard that it was for an earlier coordinator
            self._spares.append(spare)

    def begin(self, shard: int, ask: bytes) -> Any:
        """Call `Worker.begin`."""
        return self._called(shard, self._shards[shard].begin.remote(ask))

    def round(self, shard: int, ask: bytes, rows: Sequence[Any]) -> Any:
        """Call `Worker.round`."""
        return self._called(shard, self._shards[shard].round.remote(ask, *rows))

    def go_on(self, shard: int, ask: bytes, rows: Any) -> Any:
        """Call `Worker.go_on`."""
        return self._called(shard, self._shards[shard].go_on.remote(ask, rows))

    def settle(self, shard: int, term: str) -> Any:
        """Call `Worker.settle`."""
        return self._called(shard, self._shards[shard].settle.remote(term))

    def _called(self, shard: int, call: Any) -> Any:
        self._calls[call] = shard
        return call

    def share(self, rows: Rows) -> Any:
        """Put rows into shared memory, once for all shards of a machine."""
        return self._ray.put(rows)

    def wait(self, calls: Sequence[Any], seconds: float) -> list[Any]:
        """The calls that have ended, after waiting at most so long for the first."""
        if not calls:
            time.sleep(seconds)
            return []
        done: list[Any] = self._ray.wait(list(calls), timeout=seconds)[0]
        if done:
            done = self._ray.wait(list(calls), num_returns=len(calls), timeout=0)[0]
        return done

    def began(self, call: Any) -> bytes:
        """The answer of a `begin`. Raises ShardLost."""
        shard = self._calls[call]
        raw: bytes = self._got(call)
        self._where[shard] = read(raw, Began)
        if len(self._where) == self._number:
            self.complete.set()
        return raw

    def report(self, call: Any) -> tuple[bytes, Rows]:
        """The answer of a `round`, `go_on` or `settle`. Raises ShardLost."""
        raw, rows = self._got(call)
        return raw, rows

    def _got(self, call: Any) -> Any:
        shard = self._calls.pop(call)
        try:
            return self._ray.get(call)
        except self._ray.exceptions.RayError as error:
            self._replace(shard)
            raise ShardLost(_brief(error)) from None

    def _replace(self, shard: int) -> Began | None:
        """Let a spare actor be this shard, and its own wait, which Ray starts again; where that one was."""
        self._spares.append(self._shards[shard])
        self._shards[shard] = self._spares.popleft()
        self._calls = {call: other for call, other in self._calls.items() if other != shard}
        return self._where.pop(shard, None)

    def restart(self, shard: int) -> None:
        """End a shard's process: Ray starts another. One that is stopped answers no request, but SIGKILL ends it."""
        actor = self._shards[shard]
        where = self._replace(shard)
        if where is None:
            self._ray.kill(actor, no_restart=False)
        elif where.place == self._ray.get_runtime_context().get_node_id():
            end(where.pid)
        else:
            there = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(where.place, soft=False)
            self._ray.remote(end).options(num_cpus=0, scheduling_strategy=there).remote(where.pid)


def children(names: Sequence[str]) -> list[tuple[str, int]]:
    """The processes that this one started and whose program has one of these names."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile
            program, _, rest = (process / "stat").read_text().partition("(")[2].rpartition(")")
            if program in names and int(rest.split()[1]) == os.getpid():
                found.append((program, int(process.name)))
    return found


def has_ended(pid: int) -> bool:
    """Whether a child has ended, though nobody has asked for its exit code yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def end(pid: int) -> None:
    """Kill an actor's process, unless its number belongs to another program by now."""
    try:
        if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"ray::"):
            os.kill(pid, signal.SIGKILL)
    except (FileNotFoundError, ProcessLookupError):
        return


def _given(environ: Mapping[str, str], settings: Settings) -> dict[str, str]:
    """Our settings in the environment: a cluster's processes have another one.

    All coordinators have one name: the next one takes the lease back at once, and does not wait for its end.
    """
    given = {name: value for name, value in environ.items() if name.startswith("SLUICEGATE_")}
    return given | {INSTANCE: settings.learner.instance or default_instance()}


def _settled(environ: bytes, config: str, process: str) -> Settings:
    """An actor's settings; its log goes where the driver's goes, and looks the same."""
    given = msgspec.json.decode(environ, type=dict[str, str])
    settings = load_settings(Path(config) if config else None, given)
    configure(process, settings.log.format)
    return settings


def _brief(error: Exception) -> str:
    """The first line of an error of Ray; the rest is advice about its logs."""
    return str(error).strip().split("\n", 1)[0][:300] or type(error).__name__


__all__ = ["CoordinatorActor", "RayCrew", "ShardActor", "lead"]
