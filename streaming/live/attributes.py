"""Keeps the attributes of users in Redis, outside versions. Stage 1 to 7.

One hash, by the user's id. It has no end of life: what an order sets is there until another order, or an erasure. An id
that is joined has none of its own. Whose attributes an order sets follows from the orders before it alone, because the
script looks the user up in Redis: so orders that are read again, into a Redis that lost them, end the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from models.records import Attributes
from streaming.live import histories, identities
from streaming.live.beats import checked, whole_parse, whole_request
from streaming.live.writes import Described
from streaming.store import Argument, Commands, Keyspace


def write(store: Commands, part: Described, topic_id: str, beat: int = 0) -> int:
    """Set the attributes of a user, once for each order.

    Args:
        store: Where they are kept.
        part: The user and the attributes.
        topic_id: Id of topic `control`.
        beat: The beat seen last.

    Returns:
        The beat now.

    Raises:
        WentBack: Redis holds less than it did; nothing was written.
        StoreUnavailable: Call again with the same arguments.
    """
    key = store.key
    keys = [key("h-marks"), identities.hashes(key)[0], identities.attributes(key), histories.users_key(key)]
    args: list[Argument] = [f"{topic_id}:{part.partition}", part.offset, part.user_id, part.attributes, beat]
    return checked(store.run("attributes", keys, args))


def request(key: Keyspace, user_id: str) -> tuple[str, str, str]:
    """The command that reads a user's attributes, for any kind of client; `parse` reads its answer."""
    return "HGET", identities.attributes(key), user_id


def parse(answer: bytes | None) -> Attributes | None:
    """The attributes in the answer to `request`; None for a user who has none."""
    return None if answer is None else Attributes(answer)


def of_users(store: Commands, users: Sequence[str]) -> dict[str, Attributes] | None:
    """The attributes of those of the users who have some; None while what Redis has lost is written again.

    Raises:
        StoreUnavailable: Redis does not answer.
    """
    whole, found = store.calls([whole_request(store.key), ("HMGET", identities.attributes(store.key), *users)])
    if whole_parse(whole)[1]:
        return None
    return {user: Attributes(raw) for user, raw in zip(users, found, strict=True) if raw is not None}


__all__ = ["of_users", "parse", "request", "write"]
