"""Files as shops have them, made up in the documented shapes of their systems, each with how it has to be read."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import zstandard
from pyarrow import parquet

from models.records import KINDS, EventRules
from streaming.files import Layout, Passed, RowFile, RowRefused, Shown, Survey, advice, read_events, with_preset
from tests.support.streams.workbooks import sheets

NOW = 1_767_225_600  # 2026-01-01T00:00:00Z
DAY = "2026-01-01"


@dataclass(frozen=True)
class Export:
    """A file, the flags it is read with, and the right outcome.

    `events` are (user, item, type, price) of the first events; `says` are parts of the report's advice.
    """

    name: str
    content: bytes
    events: list[tuple[str, str, str, float | None]]
    file: str = "log.csv"
    flags: str = ""
    layout: Layout = field(default_factory=Layout)
    preset: str = ""
    form: str = "CSV with commas"
    passed: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    refused: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    facts: dict[str, int] = field(default_factory=dict)
    says: tuple[str, ...] = ()


def csv(*rows: str, head: str = "user_id,item_id,event_type,timestamp,price", end: str = "\n") -> bytes:
    return (end.join([head, *rows]) + end).encode()


def objects(*each: dict[str, Any]) -> bytes:
    return "".join(json.dumps(one) + "\n" for one in each).encode()


ROWS = (f"u1,tea,view,{NOW},3.5", f"u2,pot,buy,{NOW + 1},4")
READ: list[tuple[str, str, str, float | None]] = [("u1", "tea", "click", 3.5), ("u2", "pot", "purchase", 4.0)]
PRICES = {"price": 2}
PLAIN = csv(*ROWS)
SEMICOLONS = PLAIN.replace(b",", b";")
OBJECTS = [
    {"user_id": "u1", "item_id": "tea", "event_type": "view", "timestamp": NOW, "price": 3.5},
    {"user_id": "u2", "item_id": "pot", "event_type": "buy", "timestamp": NOW + 1, "price": 4},
]


def zipped(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("_", "."), content)
    return out.getvalue()


def table(**columns: Any) -> bytes:
    out = io.BytesIO()
    parquet.write_table(pa.table(columns), out)
    return out.getvalue()


HEAD = ["user_id", "item_id", "event_type", "timestamp", "price"]


def dialects() -> list[Export]:
    spaced = PLAIN.replace(b",", b" , ").replace(b"tea", b'"tea"')
    return [
        Export("comma", PLAIN, READ, facts=PRICES),
        Export(
            "semicolons, mark, CRLF",
            b"\xef\xbb\xbf" + SEMICOLONS.replace(b"\n", b"\r\n"),
            READ,
            facts=PRICES,
            form="CSV with semicolons",
        ),
        Export(
            "`sep=;` above the header",
            b"\xef\xbb\xbfsep=;\r\n" + SEMICOLONS,
            READ,
            facts=PRICES,
            form="CSV with semicolons",
        ),
        Export("CR alone", PLAIN.replace(b"\n", b"\r"), READ, facts=PRICES),
        Export(
            "tabs, remarks and a blank line above the header",
            b"# export\n\n" + PLAIN.replace(b",", b"\t"),
            READ,
            facts=PRICES,
            form="CSV with tabs",
        ),
        Export(
            "more commas in a quoted name than semicolons between cells",
            SEMICOLONS
            .replace(b"price\n", b'price;"note (a, b, c, d, e, f)"\n')
            .replace(b"3.5\n", b"3.5;x\n")
            .replace(b"4\n", b"4;y\n", 1),
            READ,
            facts=PRICES,
            form="CSV with semicolons",
        ),
        Export(
            "a delimiter at the end of each row",
            PLAIN.replace(b"3.5\n", b"3.5,\n").replace(b",4\n", b",4,\n"),
            READ,
            facts=PRICES,
        ),
        Export(
            "a delimiter at the end of the header alone", PLAIN.replace(b"price\n", b"price,\n"), READ, facts=PRICES
        ),
        Export("blanks around cells, also before quotes", spaced, READ, facts=PRICES),
        Export("a line break in a cell", PLAIN.replace(b"tea", b'"green\r\ntea"'), [], refused=1, facts={"price": 1}),
        Export(
            "a blank at the end of ids",
            PLAIN.replace(b"tea", b"tea ").replace(b"u2", b"u2\xc2\xa0"),
            READ,
            facts=PRICES,
        ),
        Export("UTF-16 with a mark", PLAIN.decode().encode("utf-16"), READ, facts=PRICES),
        Export(
            "UTF-16 without a mark",
            PLAIN.decode().encode("utf-16-le"),
            READ,
            facts=PRICES,
            flags="--encoding utf-16-le",
            layout=Layout(encoding="utf-16-le"),
        ),
        Export(
            "Latin-1, not said",
            csv(f"u1,tea,view,{NOW},3.5,Käse,Tüte")
            .decode()
            .encode("latin-1")
            .replace(b"price\n", b"price,category,title\n"),
            READ[:1],
            facts={"price": 1},
            left_out={"item facts: category": 1, "item facts: title": 1},
            says=("--encoding cp1252", "'Käse'"),
        ),
        Export(
            "Latin-1, said",
            csv(f"u1,tea,view,{NOW},3.5,Käse").decode().encode("latin-1").replace(b"price\n", b"price,category\n"),
            READ[:1],
            facts={"price": 1, "category": 1},
            flags="--encoding cp1252",
            layout=Layout(encoding="cp1252"),
        ),
        Export(
            "ids in GBK, not said",
            csv(f"u1,茶-5,view,{NOW},3.5").decode().encode("gbk"),
            [],
            refused=1,
            says=("--encoding gb18030, with which it says '茶-5'",),
        ),
        Export(
            "UTF-16 with a mark, tabs, as `Unicode text` of a spreadsheet",
            b"\xfe\xff" + PLAIN.replace(b",", b"\t").decode().encode("utf-16-be"),
            READ,
            facts=PRICES,
            form="CSV with tabs",
        ),
        Export(
            "a workbook of Excel, its second sheet empty",
            sheets(
                [HEAD, ["u1", "tea", "view", 46023.0, 3.5], ["u2", "pot", "buy", 46023 + 1 / 86400, 4]], [], dates=(3,)
            ),
            READ,
            facts=PRICES,
            file="log.xlsx",
            form="a workbook, sheet 'Sheet1'",
            flags="--zone UTC",
            layout=Layout(zone="UTC"),
        ),
        Export(
            "a workbook with numbers as ids, and rows on two sheets",
            sheets([HEAD, [7, 4006381333931, "view", NOW, "3,50 €"]], [["note"], ["x"]]),
            [("7", "4006381333931", "click", 3.5)],
            facts={"price": 1},
            file="log.xlsx",
            form="a workbook, sheet 'Sheet1'; not read: 'Sheet2' with 2 rows",
        ),
        Export("gzip", gzip.compress(PLAIN), READ, facts=PRICES, file="log.csv.gz", form="CSV with commas, gzip"),
        Export("zstd", zstandard.compress(PLAIN), READ, facts=PRICES, file="log.csv.zst", form="CSV with commas, zstd"),
        Export("bzip2", bz2.compress(PLAIN), READ, facts=PRICES, file="log.csv.bz2", form="CSV with commas, bzip2"),
        Export(
            "zip with one file", zipped(log_csv=PLAIN), READ, facts=PRICES, file="log.zip", form="CSV with commas, zip"
        ),
        Export("NDJSON", objects(*OBJECTS), READ, facts=PRICES, file="log.ndjson", form="NDJSON"),
        Export(
            "NDJSON with a broken line and NaN",
            objects(*OBJECTS).replace(b"\n", b"\n{broken\n", 1).replace(b"3.5", b"NaN"),
            [("u1", "tea", "click", None), READ[1]],
            refused=1,
            facts={"price": 1},
            file="log.ndjson",
            form="NDJSON",
        ),
        Export(
            "a JSON array",
            json.dumps(OBJECTS).encode(),
            READ,
            facts=PRICES,
            file="log.json",
            form="an array of JSON objects",
        ),
        Export(
            "a JSON array over several lines",
            json.dumps(OBJECTS, indent=1).encode(),
            READ,
            facts=PRICES,
            file="log.json",
            form="an array of JSON objects",
        ),
        Export(
            "JSON objects over several lines",
            b"\n".join(json.dumps(each, indent=2).encode() for each in OBJECTS),
            READ,
            facts=PRICES,
            file="log.json",
            form="JSON objects over several lines",
        ),
        Export(
            "JSON objects in a list of an answer",
            json.dumps({"count": 2, "orders": OBJECTS, "next": None}, indent=1).encode(),
            READ,
            facts=PRICES,
            file="log.json",
            form="JSON objects in the list 'orders'",
        ),
        Export(
            "NDJSON with a line that was encoded twice",
            objects(OBJECTS[0]) + json.dumps(json.dumps(OBJECTS[1])).encode(),
            READ,
            facts=PRICES,
            file="log.ndjson",
            form="NDJSON",
        ),
        Export(
            "NDJSON, two files with marks after one another",
            b"".join(b"\xef\xbb\xbf" + objects(each) for each in OBJECTS),
            READ,
            facts=PRICES,
            file="log.ndjson",
            form="NDJSON",
        ),
        Export(
            "Parquet",
            table(
                user_id=[1, 2],
                item_id=["tea", "pot"],
                event_type=["view", "buy"],
                timestamp=pa.array([NOW * 10**6, NOW * 10**6], pa.timestamp("us", "UTC")),
                price=[3.5, 4.0],
            ),
            [("1", *READ[0][1:]), ("2", *READ[1][1:])],
            facts=PRICES,
            file="log.parquet",
            form="Parquet",
        ),
    ]


def values() -> list[Export]:
    def one(name: str, row: str, event: tuple[str, str, str, float | None] | None, **more: Any) -> Export:
        facts = more.pop("facts", {"price": 1} if event is not None and event[3] is not None else {})
        return Export(name, csv(row), [] if event is None else [event], facts=facts,
                      refused=more.pop("refused", int(event is None)), **more)  # fmt: skip

    tea = READ[0]
    return [
        one("a price with currency and thousands", f'u1,tea,view,{NOW},"$1,005.50"', (*tea[:3], 1005.5)),
        one("a price with a decimal comma", f'u1,tea,view,{NOW},"1.005,50 €"', (*tea[:3], 1005.5)),
        one(
            "a price that can be read in two ways",
            f'u1,tea,view,{NOW},"1,005"',
            (*tea[:3], None),
            left_out={"price": 1, "item facts: price": 1},
            says=("--decimal ',' or --decimal .",),
        ),
        one(
            "the same, said",
            f'u1,tea,view,{NOW},"1,005"',
            (*tea[:3], 1005.0),
            flags="--decimal .",
            layout=Layout(decimal="."),
        ),
        one(
            "a negative price",
            f"u1,tea,view,{NOW},-2.5",
            (*tea[:3], None),
            left_out={"price": 1, "item facts: price": 1},
        ),
        one(
            "a column that is not wanted",
            f"u1,tea,view,{NOW},3.5",
            (*tea[:3], None),
            flags="--column price=none",
            layout=Layout({"price": "none"}),
        ),
        one(
            "a price with a decimal comma and the currency before it",
            f'u1,tea,view,{NOW},"EUR 1.005,50"',
            (*tea[:3], 1005.5),
        ),
        one("a Swiss price", f"u1,tea,view,{NOW},CHF 1'005.50", (*tea[:3], 1005.5)),
        one("#N/A in an optional cell", f"u1,tea,view,{NOW},#N/A", (*tea[:3], None)),
        one("(not set) as the item", f"u1,(not set),view,{NOW},3.5", None),
        one("NULL in an optional cell", f"u1,tea,view,{NOW},NULL", (*tea[:3], None)),
        one("NULL as the user", f"\\N,tea,view,{NOW},3.5", None),
        one(
            "ids as 5003.0",
            f"1.0,5003.0,view,{NOW},3.5",
            ("1", "5003", "click", 3.5),
            says=("values of item_id are written with .0, read as whole numbers: 5003.0 is 5003",),
        ),
        one(
            "ids rounded by a spreadsheet",
            f"u1,4.00638E+12,view,{NOW},3.5",
            None,
            says=("values of item_id look rounded by a spreadsheet (4.00638E+12)",),
        ),
        one(
            "an id that a spreadsheet is told to be text",
            f'u1,"=""00123""",view,{NOW},3.5',
            ("u1", "00123", "click", 3.5),
        ),
        one("a type in capitals", f"u1,tea,VIEW ,{NOW},3.5", tea),
        one("a type that nothing maps", f"u1,tea,read,{NOW},3.5", None, says=("--map read=click",)),
        one(
            "ids rounded by a spreadsheet with a decimal comma",
            f'u1,"4,00638E+12",view,{NOW},3.5',
            None,
            says=("values of item_id look rounded by a spreadsheet (4,00638E+12)",),
        ),
        one("epoch milliseconds", f"u1,tea,view,{NOW}000,3.5", tea),
        one("epoch microseconds", f"u1,tea,view,{NOW}000000,3.5", tea),
        one(
            "times rounded by a spreadsheet",
            "u1,tea,view,1.76723E+09,3.5",
            tea,
            says=("1 times are rounded by a spreadsheet, so that their order is lost (1.76723E+09)",),
        ),
        one("epoch nanoseconds", f"u1,tea,view,{NOW}000000000,3.5", tea),
        one("a time with a blank and UTC", f"u1,tea,view,{DAY} 00:00:00 UTC ,3.5", tea),
        one("a time without zone", f"u1,tea,view,{DAY} 00:00:00,3.5", tea, says=("--zone UTC",)),
        one(
            "the same, said",
            f"u1,tea,view,{DAY} 01:00:00,3.5",
            tea,
            flags="--zone Europe/Berlin",
            layout=Layout(zone="Europe/Berlin"),
        ),
        one("days of a spreadsheet", "u1,tea,view,46023.00000,3.5", None, says=("--time excel",)),
        one(
            "the same, said",
            "u1,tea,view,46023.00000,3.5",
            tea,
            flags="--time excel --zone UTC",
            layout=Layout(time="excel", zone="UTC"),
        ),
        one(
            "days of a spreadsheet with a decimal comma",
            'u1,tea,view,"46023,0",3.5',
            tea,
            flags="--time excel --zone UTC",
            layout=Layout(time="excel", zone="UTC"),
        ),
        one(
            "a time as Americans write it",
            "u1,tea,view,12/31/2025 11:59:59 PM,3.5",
            None,
            says=("--time '%m/%d/%Y %I:%M:%S %p'",),
        ),
        one(
            "a time in which the day or the month may come first",
            "u1,tea,view,01/02/2026 10:00,3.5",
            None,
            says=("--time '%m/%d/%Y %H:%M', or --time '%d/%m/%Y %H:%M' where the day comes first",),
        ),
        one(
            "a zone that several places call so", f"u1,tea,view,{DAY} 00:00:00 PST,3.5", None, says=("cannot be read",)
        ),
        one("an event ahead of now", "u1,tea,view,2099-01-01T00:00:00Z,3.5", tea, says=("1 events are ahead of now",)),
        Export(
            "an order's id as event_id",
            csv(f"u1,tea,buy,{NOW},o1", f"u1,pot,buy,{NOW},o1", head="user_id,item_id,event_type,timestamp,event_id"),
            [("u1", "tea", "purchase", None), ("u1", "pot", "purchase", None)],
            says=("1 rows have an event_id that came before", "--column event_id=none"),
        ),
        Export(
            "our own name beside the column that is meant",
            csv(f"wrong,right,tea,view,{NOW}", head="user_id,shopper,item_id,event_type,timestamp"),
            [("right", "tea", "click", None)],
            flags="--column shopper=user_id",
            layout=Layout({"shopper": "user_id"}),
        ),
        Export(
            "a list in a cell, as JSON",
            csv(
                f'o1,u1,{NOW},"[{{""sku"": ""tea"", ""cost"": ""3,50""}}, {{""sku"": ""pot""}}]"',
                head="event_id,user_id,timestamp,lines",
            ),
            [("u1", "tea", "purchase", 3.5), ("u1", "pot", "purchase", None)],
            facts={"price": 1},
            flags="--column 'lines[*].sku=item_id' --column 'lines[*].cost=price' --type purchase",
            layout=Layout({"lines[*].sku": "item_id", "lines[*].cost": "price"}, default_type="purchase"),
        ),
        Export(
            "a vector of its item, as JSON",
            csv(f'u1,tea,view,{NOW},"[0.5, -1]"', head="user_id,item_id,event_type,timestamp,embedding"),
            [("u1", "tea", "click", None)],
            facts={"embedding": 1},
        ),
        Export(
            "the first of two columns that has a value",
            csv(
                f",a7,tea,view,{NOW}",
                f"u2,a7,pot,buy,{NOW}",
                f"NULL,a8,pot,view,{NOW}",
                head="login,cookie,item_id,event_type,timestamp",
            ),
            [("a7", "tea", "click", None), ("u2", "pot", "purchase", None), ("a8", "pot", "click", None)],
            flags="--column 'login|cookie=user_id'",
            layout=Layout({"login|cookie": "user_id"}),
        ),
        Export(
            "paths and lists in JSON",
            objects({"who": {"id": 7}, "at": NOW, "lines": [{"sku": "tea", "cost": "3,50"}, {"sku": "pot"}]}),
            [("7", "tea", "purchase", 3.5), ("7", "pot", "purchase", None)],
            file="log.ndjson",
            form="NDJSON",
            facts={"price": 1},
            flags="--column who.id=user_id --column 'lines[*].sku=item_id' ... --type purchase",
            layout=Layout(
                {"who.id": "user_id", "lines[*].sku": "item_id", "lines[*].cost": "price", "at": "timestamp"},
                default_type="purchase",
            ),
        ),
    ]


def read(export: Export, folder: Path) -> tuple[Survey, Layout, list[Shown | RowRefused | Passed]]:
    """The file as `sluicegate send --dry-run` reads it."""
    path = folder / export.file
    path.write_bytes(export.content)
    layout = with_preset(export.layout, export.preset) if export.preset else export.layout
    survey = Survey(str(path))
    with RowFile(path, layout.encoding) as rows:
        outcomes = list(read_events(rows, layout, EventRules(), survey=survey, now=NOW + 300, event_ids=True))
    return survey, layout, outcomes


def summary(outcomes: list[Shown | RowRefused | Passed]) -> list[tuple[str, str, str, float | None]]:
    """(user, item, type, price) of each event."""
    events = [outcome.event for outcome in outcomes if isinstance(outcome, Shown)]
    return [(event.user_id, str(event.item_id), KINDS[event.kind], event.price) for event in events]


def said(survey: Survey, layout: Layout) -> str:
    """The report's advice, in one text."""
    return "; ".join(advice(survey, layout))
