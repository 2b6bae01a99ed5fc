"""The names of large values in, their bytes out: read from the socket into memory of their own. Stage 5.

A client library collects an answer in a buffer that grows with it, and copies each value out of it once more. Of a
chunk of nearly a mebibyte that is several times what the network takes. Here the length comes first, and the socket
writes the bytes where they stay, while other threads have the interpreter.
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, cast

import numpy as np
import redis

from models.arrays import Bytes
from streaming.store.commands import Argument

LINE: Final = 128
"""Bytes asked for while a length is read. What comes behind its line is the beginning of the value, and copied."""

END: Final = b"\r\n"


def read_large(client: redis.Redis, *command: Argument) -> list[Bytes | None]:
    """Run a command that answers with values, such as MGET, and return them: None for one that is not there.

    Args:
        client: Lends one of its connections, and says how often to try.
        command: The command and its arguments.

    Raises:
        redis.exceptions.RedisError: Redis refuses the command, or is away.
        OSError: The connection broke.
    """
    pool: Any = client.connection_pool
    connection = pool.get_connection()
    try:
        found: list[Bytes | None] = connection.retry.call_with_retry(
            lambda: _asked(connection, command), lambda _: connection.disconnect()
        )
        return found
    finally:
        pool.release(connection)


def _asked(connection: Any, command: tuple[Argument, ...]) -> list[Bytes | None]:
    connection.send_command(*command)
    try:
        with _at_once(connection._sock) as flags:
            return _Answer(connection._sock, flags).values()
    except BaseException as error:
        connection.disconnect()  # what is left of the answer must not be the next one's
        if isinstance(error, TimeoutError | BlockingIOError):
            raise redis.exceptions.TimeoutError("Timeout reading from socket") from error
        if isinstance(error, OSError):
            raise redis.exceptions.ConnectionError(f"Error while reading from socket: {error}") from error
        raise


@contextmanager
def _at_once(sock: socket.socket) -> Iterator[int]:
    """The flags with which one call fills a whole buffer: each return to the interpreter may be a wait for it."""
    seconds = sock.gettimeout()
    if isinstance(sock, ssl.SSLSocket):  # takes no flags
        yield 0
        return
    # Python's own timeout makes every call return with what is there, so the system's takes its place.
    sock.settimeout(None)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _time(seconds or 0.0))
    try:
        yield socket.MSG_WAITALL
    finally:
        if sock.fileno() >= 0:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _time(0.0))
            sock.settimeout(seconds)


def _time(seconds: float) -> bytes:
    """A `struct timeval`; zero means for ever."""
    return struct.pack("@ll", int(seconds), int(seconds % 1 * 1e6))


class _Answer:
    """One answer on its way, line by line and value by value."""

    def __init__(self, sock: socket.socket, flags: int) -> None:
        self._sock, self._flags = sock, flags
        self._ahead = b""

    def values(self) -> list[Bytes | None]:
        kind, count = self._line()
        if kind != b"*":
            raise redis.exceptions.InvalidResponse(f"{kind!r} where a list of values was expected")
        return [self._value() for _ in range(int(count))]

    def _value(self) -> Bytes | None:
        kind, size = self._line()
        if kind == b"_" or (kind == b"$" and size == b"-1"):
            return None
        if kind != b"$":
            raise redis.exceptions.InvalidResponse(f"{kind!r} where a value was expected")
        whole = memoryview(cast("Any", np.empty(int(size) + len(END), np.uint8)))
        place = min(len(self._ahead), len(whole))
        whole[:place], self._ahead = self._ahead[:place], self._ahead[place:]
        while place < len(whole):
            place += self._received(whole[place:], self._flags)
        return whole[: -len(END)].toreadonly()

    def _line(self) -> tuple[bytes, bytes]:
        """The kind of what follows, and its number."""
        while END not in self._ahead:
            some = bytearray(LINE)
            self._ahead += some[: self._received(memoryview(some))]
        line, _, self._ahead = self._ahead.partition(END)
        if line[:1] == b"-":
            raise _refusal(line[1:].decode(errors="replace"))
        return line[:1], line[1:]

    def _received(self, into: memoryview, flags: int = 0) -> int:
        count = self._sock.recv_into(into, 0, flags)
        if not count:
            raise redis.exceptions.ConnectionError("Redis closed the connection")
        return count


def _refusal(text: str) -> Exception:
    """The error of redis-py for an answer of Redis that is one."""
    parser: Any = redis.connection.DefaultParser
    error: Exception = parser.parse_error(text)
    return error


__all__ = ["read_large"]
