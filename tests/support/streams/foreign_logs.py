"""Logs of four systems without a preset, made up in their documented shapes, and the commands that read them.

No export was copied: names of fields are those of the systems' documentation, values are drawn here. `told` is what a
new user types after the first command has said what it misses; docs/integrations.md tells the same.
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

START: Final = 1_767_225_600  # 2026-01-01T00:00:00Z
ROWS: Final = 1_500
EVERY: Final = 900
"""Seconds between two events."""


@dataclass(frozen=True)
class ForeignLog:
    """A file, and the words that read it.

    Attributes:
        name: The system.
        file: Name of the file.
        content: Its bytes.
        first: What the first command, without flags, says to change.
        told: The flags of the command that reads it.
        events: How many events it holds, by our type.
        mapping: A mapping file that the flags name, "" for none.
    """

    name: str
    file: str
    content: bytes
    first: tuple[str, ...]
    told: tuple[str, ...]
    events: dict[str, int]
    mapping: str = ""

    def written(self, folder: Path) -> Path:
        """The file, and its mapping file, in a folder."""
        if self.mapping:
            (folder / f"{self.name.lower()}.toml").write_text(self.mapping, encoding="utf-8")
        path = folder / self.file
        path.write_bytes(self.content)
        return path


def _taste(seed: int) -> Iterator[tuple[int, int, int, random.Random]]:
    """Number, user and item of each row: users keep to a few items, so that there is something to learn."""
    draw = random.Random(seed)
    for number in range(ROWS):
        user = draw.randrange(60)
        yield number, user, (user * 7 + draw.randrange(6)) % 90, draw


def prestashop() -> ForeignLog:
    """Lines of orders by the SQL manager: semicolons, local times, six decimals."""
    rows = ["id_order;id_customer;product_id;product_name;product_quantity;unit_price_tax_incl;date_add"]
    for number, user, item, draw in _taste(1):
        at = datetime.fromtimestamp(START + number * EVERY, UTC).strftime("%Y-%m-%d %H:%M:%S")
        price = f"{5 + item % 40}.900000"
        rows.append(f'{number // 2 + 1};{user + 2};{item + 1};"Mug, no. {item}";{draw.randrange(1, 4)};{price};"{at}"')
    return ForeignLog(
        "PrestaShop",
        "request_sql_1.csv",
        ("\n".join(rows) + "\n").encode(),
        ("--column id_customer=user_id", "--column date_add=timestamp", "--type click"),
        (
            "--column", "id_customer=user_id", "--column", "date_add=timestamp", "--type", "purchase",
            "--column", "unit_price_tax_incl=price", "--column", "product_quantity=quantity", "--zone", "Europe/Paris",
        ),
        {"purchase": ROWS},
    )  # fmt: skip


def algolia() -> ForeignLog:
    """Insights events: a body with a list of them, each with a list of objects."""
    kinds = {"view": ("view", None), "click": ("click", None), "cart": ("conversion", "addToCart")}
    kinds["purchase"] = ("conversion", "purchase")
    events: list[dict[str, Any]] = []
    counts = dict.fromkeys(("click", "cart", "purchase"), 0)
    for number, user, item, draw in _taste(2):
        name = draw.choices(list(kinds), (6, 3, 2, 1))[0]
        kind, subtype = kinds[name]
        ids = [f"p{item}", f"p{(item + 1) % 90}"] if name == "purchase" else [f"p{item}"]
        event = {"eventType": kind, "eventName": name.title(), "index": "products", "userToken": f"anonymous-{user}"}
        event |= {"timestamp": (START + number * EVERY) * 1000, "objectIDs": ids}
        events.append(event | ({"eventSubtype": subtype} if subtype else {}))
        counts["click" if name == "view" else name] += len(ids)
    return ForeignLog(
        "Algolia",
        "insights.json",
        json.dumps({"events": events}, indent=2).encode(),
        ("--column userToken=user_id", "--column 'objectIDs[*]=item_id'"),
        (
            "--column", "userToken=user_id", "--column", "objectIDs[*]=item_id",
            "--column", "eventSubtype|eventType=event_type", "--map", "addToCart=cart",
        ),
        counts,
    )  # fmt: skip


KLAVIYO: Final = """\
[fields]
event_type = "relationships.metric.data.id"
user_id = "relationships.profile.data.id"
item_id = "attributes.event_properties.Items[*].ProductID|attributes.event_properties.ProductID"
price = "attributes.event_properties.Items[*].ItemPrice|attributes.event_properties.Price"
timestamp = "attributes.datetime"
event_id = "id"

[types]
VwPrd1 = "click"
AdCrt2 = "cart"
OrdPl3 = "purchase"
"""


def klaviyo() -> ForeignLog:
    """Events of the API, JSON:API: metrics by their ids, items of an order in a list."""
    metrics = {"click": "VwPrd1", "cart": "AdCrt2", "purchase": "OrdPl3"}
    data: list[dict[str, Any]] = []
    counts = dict.fromkeys(metrics, 0)
    for number, user, item, draw in _taste(3):
        name = draw.choices(list(metrics), (8, 2, 1))[0]
        one = {"ProductID": f"{item}", "ProductName": f"Mug {item}"}
        both = [one | {"ItemPrice": 9.5, "Quantity": 1}, {"ProductID": f"{(item + 1) % 90}", "ItemPrice": 4}]
        properties: dict[str, Any] = {"Items": both, "$value": 13.5} if name == "purchase" else one | {"Price": 9.5}
        at = datetime.fromtimestamp(START + number * EVERY, UTC).isoformat(" ")
        related = {"profile": f"01H{user:05d}", "metric": metrics[name]}
        data.append({
            "type": "event",
            "id": f"ev{number}",
            "attributes": {"timestamp": START + number * EVERY, "event_properties": properties, "datetime": at},
            "relationships": {kind: {"data": {"type": kind, "id": known}} for kind, known in related.items()},
        })
        counts[name] += 2 if name == "purchase" else 1
    return ForeignLog(
        "Klaviyo",
        "events.json",
        json.dumps({"data": data, "links": {"next": None}}).encode(),
        ("--column relationships.profile.data.id=user_id", "attributes.event_properties.ProductID=item_id"),
        ("--preset", "klaviyo.toml"),
        counts,
        KLAVIYO,
    )


def amplitude() -> ForeignLog:
    """The raw export: NDJSON, packed; users who have not logged in have a device alone; many types are no events."""
    kinds = {"Product Viewed": "click", "Product Added": "cart", "session_start": "", "$identify": ""}
    lines, counts = [], {"click": 0, "cart": 0}
    for number, user, item, draw in _taste(4):
        name = draw.choices(list(kinds), (8, 2, 1, 1))[0]
        at = datetime.fromtimestamp(START + number * EVERY, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
        event = {"user_id": None if user % 3 else f"u{user}", "device_id": f"d{user}", "event_type": name}
        event |= {"event_time": at, "uuid": f"{number:08d}-aaaa", "session_id": 1_767_225_600_000 + number}
        event["event_properties"] = {"product_id": f"p{item}", "price": 9.5} if kinds[name] else {}
        lines.append(json.dumps(event))
        if kinds[name]:
            counts[kinds[name]] += 1
    return ForeignLog(
        "Amplitude",
        "export.json.gz",
        gzip.compress(("\n".join(lines) + "\n").encode(), mtime=0),
        ("--column event_properties.product_id=item_id",),
        (
            "--column", "event_properties.product_id=item_id", "--column", "user_id|device_id=user_id",
            "--map", "Product Viewed=click", "--map", "Product Added=cart", "--map", "*=none", "--zone", "UTC",
        ),
        counts,
    )  # fmt: skip


LOGS: Final = (prestashop, algolia, klaviyo, amplitude)
