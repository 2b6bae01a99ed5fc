"""Suggests flags for columns and types that we do not recognize. A guess is offered, never applied."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

LIKELY: Final[dict[str, tuple[str, ...]]] = {
    "user_id": (
        "user",
        "distinctid",
        "userid",
        "uid",
        "visitor",
        "customer",
        "client",
        "member",
        "shopper",
        "household",
        "account",
        "kunde",
        "profile",
        "device",
    ),
    "item_id": (
        "item",
        "itemid",
        "product",
        "sku",
        "article",
        "stock",
        "movie",
        "asin",
        "productid",
        "contentid",
        "artikel",
        "material",
        "listing",
        "objectid",
    ),
    "timestamp": ("timestamp", "time", "date", "datetime", "created", "occurred", "when", "datum", "zeit"),
    "rating": ("rating", "stars", "score", "rate", "grade"),
    "event_type": ("event", "eventtype", "type", "action", "behavior", "behaviour", "activity", "aktion"),
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
    >>> column_for("user_id", ["order.id", "order.customer.id"])
    'order.customer.id'
    """
    plain = {name: _plain(_telling(name)) for name in columns}
    for fits in (str.__eq__, str.startswith, str.endswith):
        for word in LIKELY.get(field, ()):
            for name, text in plain.items():
                if fits(text, word):
                    return name
    return None


def _telling(path: str) -> str:
    """The part of a path that says what it is: `customer` of `customer.id`.

    >>> _telling("relationships.profile.data.id"), _telling("id"), _telling("Customer no.")
    ('profile', 'id', 'Customer no')
    """
    parts = path.rstrip(". ").split(".")
    while len(parts) > 1 and _plain(parts[-1]) in {"id", "data", "value", "key"}:
        parts.pop()
    return parts[-1]


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


FORMATS: Final = (
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y %I:%M:%S %p",
    "%m/%d/%Y %I:%M %p",
    "%m/%d/%Y",
    "%d/%m/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%d/%m/%Y",
    "%d-%m-%Y %H:%M:%S",
    "%d-%b-%Y %H:%M:%S",
    "%b %d, %Y %I:%M:%S %p",
    "%b %d, %Y",
    "%Y%m%d",
    "%Y%m%d%H%M%S",
    "%d/%b/%Y:%H:%M:%S %z",
)
"""Ways to write a time that --time can name."""


_DIGITS: Final = {
    "seconds": r"\d{9,10}(\.\d+)?",
    "milliseconds": r"\d{12,13}(\.\d+)?",
    "microseconds": r"\d{15,16}",
    "nanoseconds": r"\d{18,19}",
}
"""How many digits a time of today has in each unit."""


def time_for(values: Sequence[str]) -> str:
    """The value of --time that reads all of these but words such as NULL, the likeliest first; "" where none does.

    >>> time_for(["12/31/2025 11:00:00 PM"]), time_for(["13.1.2026 08:00"]), time_for(["46023.5"]), time_for(["soon"])
    ('%m/%d/%Y %I:%M:%S %p', '%d.%m.%Y %H:%M', 'excel', '')
    """
    texts = _numbered(values)
    if not texts:
        return ""
    for form in FORMATS:
        if all(_reads(text, form) for text in texts):
            return form
    if all(re.fullmatch(r"[34]\d{4}([.,]\d+)?", text) for text in texts):
        return "excel"
    return next((unit for unit, digits in _DIGITS.items() if all(re.fullmatch(digits, text) for text in texts)), "")


def other_order(values: Sequence[str], form: str) -> str:
    """The same format with day and month the other way round, where it reads all of these as well; "" where not.

    >>> other_order(["01/02/2026"], "%m/%d/%Y"), other_order(["01/13/2026"], "%m/%d/%Y")
    ('%d/%m/%Y', '')
    """
    other = form.replace("%m/%d/", "%d/%m/")
    return other if other != form and all(_reads(text, other) for text in _numbered(values)) else ""


def or_day_first(values: Sequence[str], form: str) -> str:
    """The other value of --time that reads all of these, to go on a sentence; "" where there is none.

    >>> or_day_first(["01/02/2026"], "%m/%d/%Y")
    ', or --time %d/%m/%Y where the day comes first'
    """
    other = other_order(values, form)
    return f", or --time {shlex.quote(other)} where the day comes first" if other else ""


def _numbered(values: Sequence[str]) -> list[str]:
    return [value.strip() for value in values if any(map(str.isdigit, value))]


def _reads(text: str, form: str) -> bool:
    try:
        year = datetime.strptime(text, form).year  # noqa: DTZ007 - only whether it can be read
    except ValueError:
        return False
    return 1973 <= year <= 2100


def looks_like_data(names: Sequence[str]) -> str:
    """The first name that is a moment or a long number, as no name of a column is; "" where all may be names.

    >>> looks_like_data(["u10", "view", "2026-01-01 00:00:00"]), looks_like_data(["196", "242", "881250949"])
    ('2026-01-01 00:00:00', '881250949')
    >>> looks_like_data(["Invoice", "Customer ID", "2020"])
    ''
    """
    data = re.compile(r"\d{4}-\d\d-\d\d([ T].*)?|\d{1,2}[./]\d{1,2}[./]\d{2,4}( .*)?|-?\d+\.\d+|\d{9,}")
    return next((name for name in names if data.fullmatch(name)), "")
