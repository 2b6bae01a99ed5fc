"""Makes clients of Redis, by address or through Sentinel, that leave a server which is the wrong one. Stage 5.

After a failover the old primary may live on as a replica. A connection to it is alive and useless: it answers READONLY
for as long as it stays open. `moved` makes every pool of this process replace its connections before the next command,
so the name is resolved again or Sentinel asked again. Behind sentinels a `PrimaryWatch` calls it as well.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import redis
import redis.asyncio
import redis.asyncio.sentinel
import redis.sentinel
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from streaming.settings import SentinelAddress, Settings, sentinels
from streaming.store.primary_watch import PrimaryWatch

MADE: Final = "sluicegate_generation"
"""Attribute of a connection: the generation that it belongs to."""


class _Generation:
    """Counts how often a connection turned out to lead to the wrong server. Thread-safe."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self.current = 0

    def end(self) -> None:
        self.current = next(self._numbers)


_generation: Final = _Generation()


class FileLogin(redis.CredentialProvider):
    """A login whose password is in a file, which is read at each connection: a rotated password counts.

    Args:
        username: Name of the ACL user; None for the default one.
        secret: Reads the password. Raises OSError, which names the file.
    """

    def __init__(self, username: str | None, secret: Callable[[], str | None]) -> None:
        self._username, self._secret = username, secret

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        """What AUTH takes."""
        password = self._secret() or ""
        return (password,) if self._username is None else (self._username, password)

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        """The same, for the event loop: a file of one line is read at once."""
        return self.get_credentials()


def moved() -> None:
    """Note that a server is not the primary, or not yet: connections made before are not used again."""
    _generation.end()


class _Fresh:
    """A pool that replaces a connection of an earlier generation before it hands it out."""

    def get_connection(self, *args: Any, **options: Any) -> Any:
        current = _generation.current
        pool: Any = super()
        connection = pool.get_connection(*args, **options)
        if getattr(connection, MADE, current) != current:
            try:
                connection.disconnect()
                connection.connect()
            except BaseException:
                self.release(connection)  # type: ignore[attr-defined]
                raise
        setattr(connection, MADE, current)
        return connection


class _AsyncFresh:
    """`_Fresh` for the event loop."""

    async def get_connection(self, *args: Any, **options: Any) -> Any:
        current = _generation.current
        pool: Any = super()
        connection = await pool.get_connection(*args, **options)
        if getattr(connection, MADE, current) != current:
            try:
                await connection.disconnect()
                await connection.connect()
            except BaseException:
                await self.release(connection)  # type: ignore[attr-defined]
                raise
        setattr(connection, MADE, current)
        return connection


class _Pool(_Fresh, redis.ConnectionPool):
    pass


class _SentinelPool(_Fresh, redis.sentinel.SentinelConnectionPool):
    def disconnect(self, inuse_connections: bool = True) -> None:
        super().disconnect(inuse_connections)
        if inuse_connections:  # the client is closed; otherwise only the primary is another one
            for each in self.sentinel_manager.sentinels:
                each.connection_pool.disconnect()


class _AsyncPool(_AsyncFresh, redis.asyncio.ConnectionPool):
    pass


class _AsyncSentinelPool(_AsyncFresh, redis.asyncio.sentinel.SentinelConnectionPool):
    async def disconnect(self, inuse_connections: bool = True) -> None:
        await super().disconnect(inuse_connections)
        if inuse_connections:
            for each in self.sentinel_manager.sentinels:
                await each.connection_pool.disconnect()


def connect(url: str, **options: Any) -> redis.Redis:
    """A client for threads. `options` are arguments of redis-py for each connection."""
    address = sentinels(url)
    if address is None:
        return redis.Redis.from_pool(_Pool.from_url(url, **options))
    pool: Any = _SentinelPool(address.service, _asked(address, options), **_of_primary(address, options))  # type: ignore[no-untyped-call]
    _watch(url, address, options).add(pool)
    return redis.Redis.from_pool(pool)


def connect_async(url: str, **options: Any) -> Any:
    """A client for one event loop. `options` are arguments of redis-py for each connection."""
    address = sentinels(url)
    if address is None:
        return redis.asyncio.Redis.from_pool(_AsyncPool.from_url(url, **options))
    once = {"retry": AsyncRetry(NoBackoff(), 0)}
    asked: Any = redis.asyncio.sentinel.Sentinel(address.hosts, sentinel_kwargs=_of_sentinels(address, options) | once)  # type: ignore[no-untyped-call]
    pool: Any = _AsyncSentinelPool(address.service, asked, **_of_primary(address, options))  # type: ignore[no-untyped-call]
    _watch(url, address, options).add(pool)
    return redis.asyncio.Redis.from_pool(pool)


_watches: Final[dict[str, PrimaryWatch]] = {}
_watching: Final = threading.Lock()


def _watch(url: str, address: SentinelAddress, options: dict[str, Any]) -> PrimaryWatch:
    """The one watch of this process over these sentinels."""
    with _watching:
        if url not in _watches:
            _watches[url] = PrimaryWatch(partial(_primary, _asked(address, options), address.service), moved)
        return _watches[url]


def _asked(address: SentinelAddress, options: dict[str, Any]) -> Any:
    """The sentinels, for threads; each is asked once at a time."""
    once = {"retry": Retry(NoBackoff(), 0)}
    return redis.sentinel.Sentinel(address.hosts, sentinel_kwargs=_of_sentinels(address, options) | once)  # type: ignore[no-untyped-call]


def _primary(asked: Any, service: str) -> tuple[str, int] | None:
    try:
        host, port = asked.discover_master(service)
    except (redis.exceptions.RedisError, OSError):
        return None  # a client that connects meanwhile says so, with the reason
    return host, port


def _of_primary(address: SentinelAddress, options: dict[str, Any]) -> dict[str, Any]:
    login = {"username": address.username, "password": address.password}
    found = {name: value for name, value in login.items() if value is not None}
    mine = {name: value for name, value in options.items() if not name.startswith("sentinel_")}
    return {"db": address.db, "ssl": address.tls, **found, **mine}


def _of_sentinels(address: SentinelAddress, options: dict[str, Any]) -> dict[str, Any]:
    """Time-outs and certificates are those of Redis; the login is their own."""
    shared = {name: value for name, value in options.items() if name.startswith(("socket_", "ssl_"))}
    login = {name.removeprefix("sentinel_"): value for name, value in options.items() if name.startswith("sentinel_")}
    return {"ssl": address.tls, **shared, **login}


def tls(settings: Settings) -> bool:
    """Whether connections are encrypted.

    >>> tls(Settings())
    False
    """
    return settings.redis.url.startswith("rediss")


__all__ = ["FileLogin", "connect", "connect_async", "moved", "tls"]
