"""Ranks that frozen versions gave one tested event, on their way from the learner that asked to the referee."""

from __future__ import annotations

import msgspec

from models.structs import Prepared


class Answer(msgspec.Struct, metaclass=Prepared, frozen=True, array_like=True):
    """Ranks of one tested event.

    Attributes:
        rank: Where the learner's served list had the item, 0 for nowhere.
        user: Row of the user in the tables of the learner that asked; two answers with one row may be of two users.
        ranks: Where each version had it, by its id.
    """

    rank: int
    user: int
    ranks: dict[str, int]


__all__ = ["Answer"]
