"""Text of a search box in; the query as it is remembered out. Stage 1."""

from __future__ import annotations

import unicodedata
from typing import Final

LONGEST: Final = 100
"""Characters of a query that count. Longer ones are pasted text and are never typed again."""


def normalised(text: str) -> str:
    """Folds case, drops accents, collapses spaces and cuts to LONGEST characters; "" when nothing is left.

    >>> normalised("  Café   CRÈME ")
    'cafe creme'
    """
    plain = unicodedata.normalize("NFKD", text[: 4 * LONGEST])
    kept = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return " ".join(kept.casefold().split())[:LONGEST]


def query_of(event: object) -> str | None:
    """Returns the normalised query of an event, None when there is none or it is empty."""
    text = getattr(event, "query", None)
    return normalised(text) or None if text else None
