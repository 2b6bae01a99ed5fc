"""What users did and saw, and what items are, in; Redis at once, outside versions, out."""

from streaming.live.erasures import Receipts
from streaming.live.facts import FactsFollower, stored_facts
from streaming.live.histories import ENTRIES_TOGETHER, parse, request
from streaming.live.showings import ShowingsWriter
from streaming.live.writer import Entry, Erased, FactChange, LiveWriter, Mapped, Part

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
