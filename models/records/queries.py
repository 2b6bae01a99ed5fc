"""What somebody typed into a search box in, the query that is remembered out. Stage 1."""

from __future__ import annotations

import unicodedata
from typing import Final

LONGEST: Final = 100
"""Characters of a query that count: longer ones are pasted text, and never come again."""


def normalised(text: str) -> str:
    """Case folded, without accents, spaces collapsed, at most LONGEST characters; "" when nothing is left.

    >>> normalised("  Café   CRÈME ")
    'cafe creme'
    """
    plain = unicodedata.normalize("NFKD", text[: 4 * LONGEST])
    kept = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return " ".join(kept.casefold().split())[:LONGEST]


def query_of(event: object) -> str | None:
    """The normalised query of an event; None for one that has none, or nothing in it."""
    text = getattr(event, "query", None)
    return normalised(text) or None if text else None
