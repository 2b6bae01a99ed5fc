"""Reads a user's history from Redis, as the service asks for it and takes the answer apart."""

from __future__ import annotations

from typing import Final

from streaming.live.histories import CAP, StoredHistory, parse, request
from streaming.store.store import Store

NOTHING: Final = StoredHistory([], [], [])
"""The history of a user who did nothing, or was erased."""


def history(store: Store, user_id: str, cap: int = CAP) -> StoredHistory:
    """The user's newest actions. Raises StoreUnavailable."""
    return parse(store.call(*request(store.key, user_id, cap)))
