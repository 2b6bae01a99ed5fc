"""Keeps in Redis, outside versions, what is read at once: histories, showings, item facts and erasures."""

from streaming.live.erasures import Receipts
from streaming.live.facts import FactChange, FactsFollower, stored_facts
from streaming.live.histories import ENTRIES_TOGETHER, Entry, parse, request
from streaming.live.showings import ShowingsWriter
from streaming.live.writer import Erased, LiveWriter, Mapped, Part

__all__ = [
    "ENTRIES_TOGETHER",
    "Entry",
    "Erased",
    "FactChange",
    "FactsFollower",
    "LiveWriter",
    "Mapped",
    "Part",
    "Receipts",
    "ShowingsWriter",
    "parse",
    "request",
    "stored_facts",
]
