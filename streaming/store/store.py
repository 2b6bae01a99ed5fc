"""The connection to Redis: leases, versions, pointers and gate decisions, with every error named. Stage 5.

The client may send a command again after a lost answer, so every command here has the same effect when sent twice.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from copy import copy
from pathlib import Path
from typing import Any, Final, Self

import redis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.retry import Retry

from streaming.settings import Settings, sentinels
from streaming.store.commands import Argument
from streaming.store.connections import FileLogin, connect, connect_async, moved, tls
from streaming.store.errors import Kind, StoreUnavailable
from streaming.store.gate import GateCommands
from streaming.store.keyspace import Keyspace
from streaming.store.leases import LeaseCommands
from streaming.store.scripts import script

LEARNER_RETRIES: Final = 3
SERVICE_RETRIES: Final = 1
"""Times that a command is sent again."""

AT_ONCE: Final = 64
"""Reads on the event loop at once, each on a connection of its own; others wait for their turn. redis-py refuses more
than 100, and a burst of requests would look like an outage."""

KINDS_BY_ERROR: Final[tuple[tuple[type[Exception], Kind], ...]] = (
    (redis.exceptions.TimeoutError, "timeout"),
    (redis.exceptions.BusyLoadingError, "loading"),
    (redis.exceptions.AuthenticationError, "auth"),
    (redis.exceptions.NoPermissionError, "auth"),
    (redis.exceptions.ReadOnlyError, "readonly"),
    (redis.exceptions.OutOfMemoryError, "oom"),
    (redis.exceptions.ConnectionError, "connection"),
    (OSError, "connection"),
)

KINDS_BY_WORD: Final[dict[str, Kind]] = {
    "OOM": "oom",
    "MISCONF": "misconf",
    "READONLY": "readonly",
    "LOADING": "loading",
    "MASTERDOWN": "loading",
    "NOREPLICAS": "readonly",
    "CLUSTERDOWN": "connection",
    "NOPERM": "auth",
    "NOAUTH": "auth",
    "WRONGPASS": "auth",
    "DENIED": "auth",  # protected mode: this Redis has no password, and we are on another machine
    "BUSY": "timeout",  # somebody's script takes long
}

WRONG_SERVER: Final[frozenset[Kind]] = frozenset({"readonly", "loading"})
"""Errors of a server that is alive and not the primary, or not yet: another one may stand behind the name by now."""


class Store(LeaseCommands, GateCommands):
    """One Redis as one role sees it. Thread-safe.

    Args:
        url: Address as setting redis.url has it.
        namespace: Prefix of every key.
        timeout: Seconds one answer may take.
        retries: Times that a command is sent again, with up to a second between.
        clock: Monotonic seconds.
        connection: Further arguments of redis-py: login and certificates.
    """

    def __init__(
        self,
        url: str,
        namespace: str,
        *,
        timeout: float,
        retries: int,
        clock: Callable[[], float] = time.monotonic,
        **connection: Any,
    ) -> None:
        self.key = Keyspace(namespace)
        self.clock = clock
        self._client = connect(
            url,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(ExponentialWithJitterBackoff(base=0.02, cap=1.0), retries),
            health_check_interval=0,
            client_name=f"sluicegate-{namespace}",
            **connection,
        )

    @classmethod
    def for_learner(cls, settings: Settings) -> Self:
        """Connect for the learner, which waits: a slow upload is better than one that begins again."""
        redis_ = settings.redis
        return cls._of(settings, timeout=redis_.learner_timeout, retries=LEARNER_RETRIES)

    @classmethod
    def for_lease(cls, settings: Settings) -> Self:
        """Connect for lease commands, tried once and briefly: a late answer about a lease is useless."""
        return cls._of(settings, timeout=settings.learner.lease_ttl / 3, retries=0)

    @classmethod
    def for_histories(cls, settings: Settings) -> Self:
        """Connect for histories. The intake does not wait for a slow Redis: they queue up until it answers."""
        return cls._of(settings, timeout=min(0.5, settings.redis.learner_timeout), retries=0)

    @classmethod
    def for_service(cls, settings: Settings) -> Self:
        """Connect for the service, which does not wait: it answers without Redis."""
        return cls._of(settings, timeout=settings.redis.service_timeout, retries=SERVICE_RETRIES)

    @classmethod
    def _of(cls, settings: Settings, timeout: float, retries: int) -> Self:
        return cls(settings.redis.url, settings.namespace, timeout=timeout, retries=retries, **_options(settings))

    def under(self, part: str) -> Self:
        """The same connections, with the keys of a part that has versions and leases of its own."""
        inner = copy(self)
        inner.key = self.key.under(part)
        return inner

    def close(self) -> None:
        """Close every connection."""
        self._client.close()

    # -- commands ---------------------------------------------------------------------------------------------------

    def run(self, name: str, keys: Sequence[str], args: Sequence[Argument]) -> Any:
        """Run a script of the `lua` folder and return its answer; loads it when this Redis does not know it."""
        code = script(name)
        with named_errors():
            try:
                return self._client.evalsha(code.sha, len(keys), *keys, *args)
            except redis.exceptions.NoScriptError:
                return self._client.eval(code.text, len(keys), *keys, *args)

    def call(self, *command: Argument) -> Any:
        """Run one plain command and return its answer."""
        with named_errors():
            return self._client.execute_command(*command)  # type: ignore[no-untyped-call]

    def calls(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        """Run several plain commands in one round trip, not as a transaction, and return their answers."""
        with named_errors():
            pipeline = self._client.pipeline(transaction=False)
            for command in commands:
                pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
            return pipeline.execute()

    # -- health -----------------------------------------------------------------------------------------------------

    def ping(self) -> float:
        """Seconds that one round trip takes."""
        started = self.clock()
        self.call("PING")
        return self.clock() - started

    def leave_replica(self) -> None:
        """Drop the connections of this process if they lead to a replica. A process that only reads would keep them."""
        with suppress(StoreUnavailable):
            # Changes nothing, and only a primary takes it. `named_errors` sees the refusal.
            self.call("HDEL", self.key("gate"), "-")

    def memory(self) -> tuple[int, int]:
        """(bytes that Redis uses, bytes that it may use; 0 for no limit)."""
        with named_errors():
            facts: dict[str, Any] = self._client.info("memory")
        return int(facts["used_memory"]), int(facts.get("maxmemory") or 0)

    def info(self) -> dict[str, Any]:
        """What Redis reports of itself: version, role, bytes used and allowed, eviction policy, append-only file."""
        with named_errors():
            facts: dict[str, Any] = self._client.info("everything")
        wanted = ("redis_version", "role", "used_memory", "maxmemory", "maxmemory_policy", "aof_enabled")
        return {name: facts.get(name) for name in wanted}


class QuickStore:
    """Reads for requests on the event loop, without a thread and without a second attempt. For one event loop only.

    A read costs 44 µs of CPU; by way of a thread it is 160 µs.

    Args:
        settings: Address, login and certificates.
        timeout: Seconds one answer may take.
    """

    def __init__(self, settings: Settings, timeout: float) -> None:
        self.key = Keyspace(settings.namespace)
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._client: Any = connect_async(
            settings.redis.url,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=AsyncRetry(NoBackoff(), 0),
            health_check_interval=0,
            client_name=f"sluicegate-{settings.namespace}",
            **_options(settings),
        )

    async def call(self, *command: Argument) -> Any:
        """Run one plain command and return its answer. Raises StoreUnavailable."""
        async with self._turn:
            with named_errors():
                return await self._client.execute_command(*command)

    async def calls(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        """Run several plain commands in one round trip, not as a transaction. Raises StoreUnavailable."""
        async with self._turn:
            with named_errors():
                pipeline = self._client.pipeline(transaction=False)
                for command in commands:
                    pipeline.execute_command(*command)
                answers: list[Any] = await pipeline.execute()
                return answers

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()


def _options(settings: Settings) -> dict[str, Any]:
    """Login and certificates as arguments of redis-py. Raises OSError, which names the file that cannot be used."""
    section = settings.redis

    def secret() -> str | None:
        with _named("redis.password_file", section.password_file):
            return section.secret()

    def sentinel_secret() -> str | None:
        with _named("redis.sentinel_password_file", section.sentinel_password_file):
            return section.sentinel_secret()

    named = any(mark in section.url for mark in ("@", "username=", "password="))  # redis-py takes one or the other
    connection = _login(section.username, secret, in_file=section.password_file is not None and not named)
    if sentinels(section.url) is not None:
        theirs = _login(section.sentinel_username, sentinel_secret, in_file=section.sentinel_password_file is not None)
        connection |= {f"sentinel_{name}": value for name, value in theirs.items()}
    if tls(settings):
        files = {"ssl_ca_certs": section.cafile, "ssl_certfile": section.certfile, "ssl_keyfile": section.keyfile}
        # redis-py opens them at each connection, and its error names no file.
        for setting in ("cafile", "certfile", "keyfile"):
            path: Path | None = getattr(section, setting)
            with _named(f"redis.{setting}", path):
                if path is not None:
                    path.open("rb").close()
        connection |= {name: str(path) for name, path in files.items() if path is not None}
        connection["ssl_check_hostname"] = section.check_hostname
    return {name: value for name, value in connection.items() if value is not None}


def _login(username: str | None, secret: Callable[[], str | None], *, in_file: bool) -> dict[str, Any]:
    """A login as arguments of redis-py. A password in a file is read now, for its errors, and at each connection."""
    password = secret()
    if in_file:
        return {"credential_provider": FileLogin(username, secret)}
    return {"username": username, "password": password}


@contextmanager
def _named(setting: str, path: Path | None) -> Iterator[None]:
    """Name the setting whose file cannot be used. Raises OSError."""
    try:
        yield
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
        raise OSError(f"{setting}: {path} cannot be used: {reason}") from error


@contextmanager
def named_errors() -> Iterator[None]:
    """Turn every error of redis-py into StoreUnavailable."""
    try:
        yield
    except (redis.exceptions.RedisError, OSError) as error:
        kind = _kind(error)
        if kind in WRONG_SERVER:
            moved()
        raise StoreUnavailable(kind, str(error) or type(error).__name__) from error


def _kind(error: Exception) -> Kind:
    if any(isinstance(each, ssl.SSLError) for each in (error, error.__cause__, error.__context__)):
        return "tls"
    if isinstance(error, redis.exceptions.TimeoutError) and "connecting" in str(error):
        return "connection"
    for known, kind in KINDS_BY_ERROR:
        if isinstance(error, known):
            return kind
    words = str(error).split()
    return next((KINDS_BY_WORD[word] for word in words[:1] + words if word in KINDS_BY_WORD), "other")
