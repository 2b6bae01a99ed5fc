"""An installation on a Kafka and a Redis: topics, real processes, and a ledger of the events that were sent.

Each installation has a namespace of its own, so that many of them share one broker and one Redis.
"""

from __future__ import annotations

import os
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

from models.snapshot.chunks import Damaged
from models.snapshot.manifest import Manifest
from models.state.schema import SCHEMA
from models.state.state import State
from service.local.embedded import free_port
from streaming.live import histories
from streaming.settings.loading import load_settings
from streaming.store import Store, StoreUnavailable
from streaming.versions import loading as versions
from tests.support.oracles.past import history
from tests.support.processes.processes import Late, wait_until
from tests.support.processes.roles import PATIENCE, Process
from tests.support.streams.traffic import Traffic

ROOT = Path(__file__).resolve().parents[3]

# Versions five times a second and small batches, so that a kill often strikes a commit, even with a backlog to learn;
# the rest as in production.
FAST = {
    "learner__version_interval": 0.2,
    "learner__batch_size": 200,
    "witness__estimators": "",
    "kafka__refresh_interval": 1,
}
# Users whose history in Redis is compared with the ledger.
HISTORIES = 10
# Lines of each process's log that a failed test shows.
LOG_LINES = 30


class Installation(Traffic):
    """A namespace on a broker and a Redis, with its processes, its producer and its ledger."""

    def __init__(self, bootstrap: str, redis_url: str, folder: Path, partitions: int = 4, **settings: object) -> None:
        self.folder = folder
        chosen = {
            "namespace": f"t{uuid.uuid4().hex[:10]}",
            "kafka__bootstrap": bootstrap,
            "kafka__partitions": partitions,
            "redis__url": redis_url,
            "learner__instance": "first",
        }
        self._environ = variables({**FAST, **chosen, **settings})
        super().__init__(load_settings(None, self._environ))
        self.processes: list[Process] = []
        self.store = Store.for_service(self.settings)

    def environment(self) -> dict[str, str]:
        """The environment of its processes."""
        return {**_clean_environment(), **self._environ}

    def learner(self, *, wait: bool = True, **settings: object) -> Process:
        """Starts `python -m streaming`; with `wait`, returns when it is ready (learning or standing by)."""
        return self._start("learner", ["streaming"], "learner__metrics_port", wait, settings)

    def service(self, *, wait: bool = True, **settings: object) -> Process:
        """Starts `python -m service`; with `wait`, returns when /readyz says that it answers."""
        return self._start("service", ["service"], "service__port", wait, settings)

    def _start(self, name: str, module: list[str], port_key: str, wait: bool, settings: dict[str, object]) -> Process:
        port = int(str(settings.get(port_key, free_port())))
        environ = self._environ | variables({**settings, port_key: port})
        log = self.folder / f"{name}-{len(self.processes)}.log"
        process = Process(name, [sys.executable, "-m", *module], port, log, {**_clean_environment(), **environ})
        self.processes.append(process)
        process.start()
        if wait:
            self.wait(process.ready, f"{name} ready", process)
        return process

    def wait(
        self, condition: Callable[[], bool], what: str, *alive: Process, timeout: float = PATIENCE, pause: float = 0.05
    ) -> None:
        """Polls until the condition holds. Fails with the logs: at once when a process that must live has died."""

        def holds() -> bool:
            for process in alive:
                process.check()
            return condition()

        try:
            wait_until(holds, what, timeout, pause)
        except Late as late:
            raise Late(f"{late}\n{self.standing()}\n{self.logs()}") from None

    def close(self) -> None:
        """Kills all processes. Only topics and keys of this installation remain."""
        for process in self.processes:
            process.resume()
            process.kill()
        self.close_producer()
        self.store.close()

    def logs(self) -> str:
        """Returns the end of each process's log."""
        tails = ("\n".join(each.log.read_text(errors="replace").splitlines()[-LOG_LINES:]) for each in self.processes)
        return "\n".join(f"--- {each.log.name}\n{tail}" for each, tail in zip(self.processes, tails, strict=True))

    def head(self) -> Manifest | None:
        """Returns the manifest of the newest version; None while there is none, or none can be read."""
        try:
            pointer = self.store.head()
            return self.store.manifest(pointer.id) if pointer is not None else None
        except (StoreUnavailable, Damaged):
            return None

    def learnt(self) -> bool:
        """Whether the newest version has consumed exactly the records of the ledger."""
        head = self.head()
        return (
            head is not None
            and head.progress.consumed == len(self.ledger)
            and head.progress.digest == self.ledger.digest()
        )

    def wait_learnt(self, *alive: Process, timeout: float = PATIENCE) -> Manifest:
        """Waits until everything acknowledged is in the newest version, and returns its manifest."""
        self.flush()
        self.wait(self.learnt, "everything sent is in the newest version", *alive, timeout=timeout)
        head = self.head()
        assert head is not None
        return head

    def standing(self) -> str:
        """Compares the newest version with the ledger, in one line."""
        head = self.head()
        found = "no version" if head is None else f"version {head.id}: {head.progress}"
        return f"{found}; the ledger has {len(self.ledger)} records, {self.ledger.outcomes()}"

    def load(self, which: str = "head") -> versions.Loaded:
        """Returns the state of a version, loaded as the learner would."""
        loaded = versions.load(self.store, which, SCHEMA, served_only=False)
        assert loaded is not None, "there is no version"
        return loaded

    def verify(self) -> None:
        """Asserts that the newest version consumed and learned everything once, and that histories hold it once."""
        loaded = self.load()
        progress = loaded.manifest.progress
        assert progress.consumed == len(self.ledger), self.standing()
        assert progress.digest == self.ledger.digest(), self.standing()
        assert progress.spread == self.ledger.spread(), self.standing()
        expected = {name: count for name, count in self.ledger.outcomes().items() if name != "fact"}
        assert {name: count for name, count in progress.outcomes.items() if count} == expected
        assert counts(loaded.state, "item", "item_stats") == self.ledger.per_item()
        assert counts(loaded.state, "user", "user") == self.ledger.per_user()
        for user, acted in self.ledger.histories(list(self.ledger.per_user())[:HISTORIES]).items():
            found = history(self.store, user).items
            if self.ledger.is_joined(user):
                # Its ids may have had partitions of their own, which are read in turns: which are the newest is open.
                assert len(found) == min(len(acted), histories.CAP), user
                assert Counter(found) <= Counter(acted), user
                continue
            assert found == acted[: histories.CAP], user

    def __enter__(self) -> Installation:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.create_topics()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def counts(state: State, space: str, table: str) -> dict[str, int]:
    """Returns the events by id as the learning kernel counted them, without ids that have none."""
    column = state.tables[table].columns["events"]
    return {key: int(column[row]) for key, row in state.keys[space].rows.items() if column[row]}


def differences(one: State, other: State) -> list[str]:
    """Returns the columns, as table.column, and the key spaces in which the bytes of two states differ."""
    found = [name for name, keys in one.keys.items() if keys.ids != other.keys[name].ids]
    for name, data in one.tables.items():
        used = one.keys[data.table.keys].capacity * data.table.width
        for column, values in data.columns.items():
            if values[:used].tobytes() != other.tables[name].columns[column][:used].tobytes():
                found.append(f"{name}.{column}")
    return found


def variables(settings: Mapping[str, object]) -> dict[str, str]:
    """Returns settings as environment variables: `learner__lease_ttl=2` is SLUICEGATE_LEARNER__LEASE_TTL=2."""
    return {f"SLUICEGATE_{name.upper()}": str(value) for name, value in settings.items() if value is not None}


def _clean_environment() -> dict[str, str]:
    """Returns our environment without settings of ours, and with the kernels that `make setup` compiled."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SLUICEGATE_")}
    environ.setdefault("NUMBA_CACHE_DIR", str(ROOT / ".venv" / "kernels"))
    return environ
