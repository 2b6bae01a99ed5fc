"""Keeps in Redis which ids are joined with which user, and moves what joined ids have to the user. Stage 1 to 7.

Two hashes: the user of each id, which services read with a history, and the ids of each user, by which an erasure finds
all of them even in a Redis that went back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from streaming.live import histories, showings
from streaming.live.beats import checked
from streaming.live.writes import Identified
from streaming.store import Commands, Keyspace

_pack: Final = msgspec.msgpack.Encoder().encode
_unpack: Final = msgspec.msgpack.Decoder(list[str]).decode


def hashes(key: Keyspace) -> tuple[str, str]:
    """The keys of both hashes: the user by id, and the ids by user."""
    return key("identities"), key("identified")


def attributes(key: Keyspace) -> str:
    """The key of the hash with the attributes of users: a join moves those of an id (streaming/live/attributes.py)."""
    return key("attributes")


def join(store: Commands, part: Identified, topic_id: str, beat: int = 0) -> int:
    """Move what ids did and were shown, and their attributes, to a user, once for each order.

    Args:
        store: Where histories are.
        part: The ids and the user.
        topic_id: Id of topic `control`.
        beat: The beat seen last.

    Returns:
        The beat now.

    Raises:
        WentBack: Redis holds less than it did; nothing was moved.
        StoreUnavailable: Call again with the same arguments.
    """
    key = store.key
    answers = store.calls([showings.request(key, user) for user in part.ids])
    # Before the script deletes them. A slate that is reported twice counts once, so a second attempt adds nothing.
    showings.write(store, [(part.user_id, showing) for answer in answers for showing in showings.parse(answer)])
    names = [key("h-marks"), *hashes(key), attributes(key), histories.users_key(key), key("h", part.user_id)]
    names += [name for user in part.ids for name in (key("h", user), showings.name(key, user))]
    told = _pack((part.ids, part.forgotten))
    mark, kept = f"{topic_id}:{part.partition}", (histories.TTL_SECONDS, histories.CAP)
    return checked(store.run("identify", names, [mark, part.offset, *kept, part.user_id, told, beat]))


def request(key: Keyspace, user_id: str) -> tuple[str, str, str]:
    """The command that reads which user an id stands for, for any kind of client; `parse` reads its answer."""
    return "HGET", hashes(key)[0], user_id


def parse(answer: bytes | None) -> str | None:
    """The user that an id stands for, from the answer to `request`; None for an id that is not joined."""
    return None if answer is None else answer.decode()


def known(store: Commands, users: Sequence[str]) -> list[str]:
    """All ids that Redis has of a person, those given first. Raises StoreUnavailable."""
    users_by_id, ids_by_user = hashes(store.key)
    owners = [parse(answer) for answer in store.calls([("HGET", users_by_id, user) for user in users])]
    found = list(dict.fromkeys([*users, *(owner for owner in owners if owner is not None)]))
    lists = store.calls([("HGET", ids_by_user, user) for user in found])
    return list(dict.fromkeys([*found, *(user for raw in lists if raw is not None for user in _unpack(raw))]))


__all__ = ["attributes", "hashes", "join", "known", "parse", "request"]
