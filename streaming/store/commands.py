"""The base of all parts of the store: runs one command, several, or a script."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

from streaming.store.keyspace import Keyspace

Argument: TypeAlias = str | bytes | int | float


class Commands(Protocol):
    """A connection to one Redis. Every method raises StoreUnavailable in place of the client library's errors."""

    key: Keyspace
    clock: Callable[[], float]

    def run(self, name: str, keys: Sequence[str], args: Sequence[Argument]) -> Any:
        """Run a script of the `lua` folder and return its answer."""

    def call(self, *command: Argument) -> Any:
        """Run one plain command and return its answer."""

    def calls(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        """Run several plain commands in one round trip, not as a transaction, and return their answers."""
