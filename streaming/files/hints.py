"""Suggests flags for columns and types that we do not recognize. A guess is offered, never applied."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from typing import Final

LIKELY: Final[dict[str, tuple[str, ...]]] = {
    "user_id": ("user", "userid", "uid", "visitor", "customer", "client", "member", "shopper", "household", "account"),
    "item_id": ("item", "itemid", "product", "sku", "article", "stock", "movie", "asin", "material", "listing"),
    "timestamp": ("timestamp", "time", "date", "datetime", "created", "occurred", "when"),
    "rating": ("rating", "stars", "score", "rate", "grade"),
    "event_type": ("event", "eventtype", "type", "action", "behavior", "behaviour", "activity"),
}
"""Parts of column names in exports of shops, the likeliest first."""

TYPES: Final[dict[str, tuple[str, ...]]] = {
    "return": ("return", "refund"),
    "unfavourite": ("unfav", "unlike", "unwish"),
    "dislike": ("dislike", "thumbsdown"),
    "none": ("removefromcart", "login", "logout"),
    "impression": ("impression", "shown"),
    "search": ("search",),
    "cart": ("cart", "basket", "bag"),
    "purchase": ("purchase", "transaction", "buy", "order", "sale", "checkout"),
    "favourite": ("fav", "like", "wish", "bookmark"),
    "click": ("click", "view", "pv", "visit", "detail", "rating", "play", "watch", "read"),
}
"""Our type, and parts of the names that shops give it. The first that fits is offered."""


def flags(missing: Iterable[str], columns: Sequence[str]) -> str:
    """`--column NAME=FIELD` for each missing field, with the likeliest column, or NAME where none looks right.

    >>> flags(["user_id", "item_id"], ["Invoice", "Customer ID", "StockCode"])
    "--column 'Customer ID=user_id' --column StockCode=item_id"
    >>> flags(["timestamp"], ["x"])
    '--column NAME=timestamp'
    """
    free, found = list(columns), []
    for field in missing:
        name = column_for(field, free)
        if name is not None:
            free.remove(name)
        found.append("--column " + shlex.quote(f"{name or 'NAME'}={field}"))
    return " ".join(found)


def column_for(field: str, columns: Sequence[str]) -> str | None:
    """The column that looks most like the field: an equal name, then one that begins, then one that ends with a word.

    >>> column_for("user_id", ["session", "visitorid"]), column_for("user_id", ["price"])
    ('visitorid', None)
    """
    plain = {name: _plain(name) for name in columns}
    for fits in (str.__eq__, str.startswith, str.endswith):
        for word in LIKELY.get(field, ()):
            for name, text in plain.items():
                if fits(text, word):
                    return name
    return None


def type_for(word: str) -> str:
    """Our type for a type of the file, or TYPE where none looks right.

    >>> type_for("product_view"), type_for("remove_from_cart"), type_for("xyz")
    ('click', 'none', 'TYPE')
    """
    plain = _plain(word)
    for ours, parts in TYPES.items():
        if any(part in plain for part in parts):
            return ours
    return "TYPE"


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())
