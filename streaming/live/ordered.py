"""Notes in Redis for which users an order was sent lately: until it is carried out, Redis does not have what it says.

A service that is to say whether attributes are in force has to know. The order itself is in Kafka, which it does not
read, and another service may have sent it. The key holds a hash of the user id, because an erasure does not remove it.
"""

from __future__ import annotations

from typing import Final

from models.ledger import user_hash
from streaming.store import Keyspace

KEPT: Final = 6 * 3600
"""Seconds that a note stays: longer than any order waits, unless the learner is down for that long."""


def name(key: Keyspace, user_id: str) -> str:
    """The key of the note about a user.

    >>> name(Keyspace("main"), "ann")
    '{sluicegate:main}:ordered:482c89484cbd62c8'
    """
    return key("ordered", f"{user_hash(user_id):016x}")


def note(key: Keyspace, user_id: str) -> tuple[str | int, ...]:
    """The command that notes an order about a user, for any kind of client; to be run before it is sent."""
    return "SET", name(key, user_id), 1, "EX", KEPT


def request(key: Keyspace, user_id: str) -> tuple[str, str]:
    """The command that asks for the note about a user; its answer is 1 where there is one."""
    return "EXISTS", name(key, user_id)


__all__ = ["KEPT", "name", "note", "request"]
