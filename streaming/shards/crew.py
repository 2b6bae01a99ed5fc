"""The shards as the coordinator sees them: who carries its calls is somebody else's matter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from streaming.shards.crew_messages import Rows


class ShardLost(Exception):
    """A shard ended, or cannot be reached: what it learned in this round is gone. The text says what is known."""


class Crew(Protocol):
    """Calls shards without waiting for them. For the coordinator's thread.

    A call is what `begin`, `round`, `go_on` and `settle` return, and hashable; rows are what `share` returns.
    """

    def begin(self, shard: int, ask: bytes) -> Any:
        """Call `Worker.begin`."""

    def round(self, shard: int, ask: bytes, rows: Sequence[Any]) -> Any:
        """Call `Worker.round` with rows that were shared."""

    def go_on(self, shard: int, ask: bytes, rows: Any) -> Any:
        """Call `Worker.go_on` with rows that were shared."""

    def settle(self, shard: int, term: str) -> Any:
        """Call `Worker.settle`."""

    def share(self, rows: Rows) -> Any:
        """Put rows where every shard can read them."""

    def wait(self, calls: Sequence[Any], seconds: float) -> list[Any]:
        """The calls that have ended, after waiting at most so long for the first."""

    def began(self, call: Any) -> bytes:
        """The answer of a `begin` that has ended. Raises ShardLost."""

    def report(self, call: Any) -> tuple[bytes, Rows]:
        """The answer of a `round`, `go_on` or `settle` that has ended. Raises ShardLost."""

    def restart(self, shard: int) -> None:
        """End a shard's process, whatever it does, and start another. Calls to it raise ShardLost until it is there."""


__all__ = ["Crew", "ShardLost"]
