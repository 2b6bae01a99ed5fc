"""What the parts of the store build on: one command, several, or a script in; Redis's answers out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

from streaming.store.keyspace import Keyspace

Argument: TypeAlias = str | bytes | int | float


class Commands(Protocol):
    """A connection to one Redis. Every method raises StoreUnavailable and nothing else of Redis's own."""

    key: Keyspace
    clock: Callable[[], float]

    def run(self, name: str, keys: Sequence[str], args: Sequence[Argument]) -> Any:
        """The answer of a script of the `lua` folder."""

    def call(self, *command: Argument) -> Any:
        """The answer to one plain command."""

    def calls(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        """The answers to several plain commands in one round trip; not a transaction."""
