"""Keeps in Redis, outside versions, what is read at once: histories, attributes and ids of users, item facts."""

from streaming.live.beats import whole_parse, whole_request
from streaming.live.erasures import Receipts
from streaming.live.facts import TOMBSTONES, Completion, FactChange, FactsFollower, removed_items, stored_facts
from streaming.live.histories import ENTRIES_TOGETHER, Entry, parse, request, users_of
from streaming.live.repair import Restore
from streaming.live.showings import ShowingsWriter
from streaming.live.users import Upkeep
from streaming.live.writer import LiveWriter
from streaming.live.writes import Described, Erased, Identified, Mapped, Part, entries_of

__all__ = [
    "ENTRIES_TOGETHER",
    "TOMBSTONES",
    "Completion",
    "Described",
    "Entry",
    "Erased",
    "FactChange",
    "FactsFollower",
    "Identified",
    "LiveWriter",
    "Mapped",
    "Part",
    "Receipts",
    "Restore",
    "ShowingsWriter",
    "Upkeep",
    "entries_of",
    "parse",
    "removed_items",
    "request",
    "stored_facts",
    "users_of",
    "whole_parse",
    "whole_request",
]
