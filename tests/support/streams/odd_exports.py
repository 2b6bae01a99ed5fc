"""Files that are damaged, put together, or written by few programs, each with how it has to be read."""

from __future__ import annotations

import gzip
import json

import zstandard

from streaming.files import Layout
from tests.support.streams.exports import NOW, OBJECTS, PLAIN, PRICES, READ, ROWS, Export, csv, objects

TWICE = READ * 2
TEA: list[tuple[str, str, str, float | None]] = [("u1", "tea", "click", None)]
HEADER = "user_id,item_id,event_type,timestamp"
ONE = f"u1,tea,view,{NOW}"
REPEATED = "1 lines repeat the header, and are left out"
OLDER = "1 events are older than the one before them"


def rows_of(name: str, content: bytes, **more: object) -> Export:
    return Export(name, content, **{"events": READ, "facts": PRICES, **more})  # type: ignore[arg-type]


def delimited() -> list[Export]:
    def with_delimiter(name: str, delimiter: str, form: str) -> Export:
        return rows_of(name, PLAIN.replace(b",", delimiter.encode()), form=f"CSV with {form}")

    return [
        with_delimiter("control-A, as Hive writes", "\x01", "'\\x01'"),
        with_delimiter("the unit separator of ASCII", "\x1f", "'\\x1f'"),
        with_delimiter("carets", "^", "'^'"),
        with_delimiter("tildes", "~", "'~'"),
        with_delimiter("blanks", " ", "blanks"),
        with_delimiter("two colons, as MovieLens", "::", "colons"),
        with_delimiter("two bars", "||", "bars"),
        rows_of("the header again in the middle, behind a mark", PLAIN + b"\xef\xbb\xbf" + PLAIN, events=TWICE,
                says=(REPEATED, OLDER)),
        rows_of("two members of gzip, each with its header", gzip.compress(PLAIN) + gzip.compress(PLAIN), events=TWICE,
                file="log.csv.gz", form="CSV with commas, gzip", says=(REPEATED, OLDER)),
        rows_of("two frames of zstd", zstandard.compress(PLAIN) + zstandard.compress(PLAIN), events=TWICE,
                file="log.csv.zst", form="CSV with commas, zstd", says=(REPEATED, OLDER)),
        rows_of("a title and a blank line above the header", b"Sales, January 2026\r\n\r\n" + PLAIN,
                says=("2 lines above the header are left out",)),
        rows_of("numbers of rows without a name, as R writes", csv(*(f"{n},{row}" for n, row in enumerate(ROWS, 1))),
                says=("the first cell of each row has no name in the header",)),
        rows_of("quotes behind a backslash, as MySQL writes",
                csv(f'{ONE},"a \\"b\\", c"', head=f"{HEADER},title"), events=TEA, facts={"title": 1}),
        rows_of("a backslash before a quote that is doubled, and one that is a part of the id",
                csv(f'u1,te\\a,view,{NOW},"5\\"" pot"', head=f"{HEADER},title"),
                events=[("u1", "te\\a", "click", None)], facts={"title": 1}),
        rows_of("quotes behind a backslash in a cell without a comma",
                csv(f'{ONE},"a \\"b\\" c"', head=f"{HEADER},title"), events=TEA, facts={"title": 1}),
        rows_of("a header that is too short", csv(f"{ONE},x", f"{ONE},y", head=HEADER), events=[], facts={}, refused=2),
        rows_of("two columns of one name", csv(f"{ONE},cup", head=f"{HEADER},item_id"), events=TEA, facts={},
                says=("the header has 'item_id' more than once",)),
        rows_of("zeros behind the last row, as a crash leaves them", PLAIN + b"\0" * 4096, refused=1),
        rows_of("a quote that is not closed", csv(f'u9,"cup,view,{NOW},1', *ROWS, *ROWS), events=[], facts={},
                refused=1,
                says=("a cell holds what looks like rows of its own, over lines 2 to 7: is a quote not closed?",)),
        rows_of("a quote that another one closes",
                csv(f'{ONE},"5 inches', ONE + ",x", ONE + ",y", f'{ONE},"pot', ONE + ",z", head=f"{HEADER},title"),
                events=TEA * 2, facts={"title": 1},
                says=("a cell holds what looks like rows of its own, over lines 2 to 5: is a quote not closed?",)),
        rows_of("UTF-8 that is said to be something else", PLAIN.replace(b"tea", "th\u00e9".encode()),
                events=[("u1", "th\u0102\u00a9", "click", 3.5), READ[1]],
                facts=PRICES, layout=Layout(encoding="cp1250"), says=("by its bytes the file is UTF-8, not cp1250",)),
        rows_of("a header and no rows", csv(head=HEADER), events=[], facts={},
                says=("the file has names, and no rows below them",)),
    ]  # fmt: skip


def in_json() -> list[Export]:
    def of(name: str, content: bytes, form: str, **more: object) -> Export:
        return rows_of(name, content, file="log.json", form=form, **more)

    array, several = "an array of JSON objects", "JSON objects over several lines"
    pages = "".join(json.dumps({"orders": OBJECTS, "next": page}, indent=1) for page in (2, None))
    lists = {"orders": OBJECTS, "refunds": [{"id": 1}]}
    return [
        of("an array on each line", b"".join(json.dumps([each]).encode() + b"\n" for each in OBJECTS), array),
        of("two arrays with nothing between", json.dumps(OBJECTS).encode() * 2, array, events=TWICE, says=(OLDER,)),
        of("text behind an array", json.dumps(OBJECTS).encode() + b"\nxyz", array, refused=1),
        of("two pages of an answer", pages.encode(), "JSON objects in the list 'orders'", events=TWICE, says=(OLDER,)),
        of("an answer with two lists", json.dumps(lists, indent=1).encode(), "JSON objects in the list 'orders'",
           says=("the list 'refunds' of the file is not read",)),
        of("one event alone with its items in a list, said",
           objects({"event_name": "buy", "user_id": "u2", "at": NOW, "items": [{"item_id": "pot", "price": 4}]}),
           "NDJSON", events=READ[1:], facts={"price": 1}, layout=Layout({
               "event_name": "event_type", "items[*].item_id": "item_id", "items[*].price": "price", "at": "timestamp",
           })),
        of("a comma behind each object", objects(*OBJECTS).replace(b"\n", b",\n"), several),
        of("a sequence with record separators", b"".join(b"\x1e" + objects(each) for each in OBJECTS), several),
        of("objects of MongoDB", objects({
            "user_id": {"$numberLong": "7"}, "item_id": {"$oid": "65ab"}, "event_type": "view",
            "timestamp": {"$date": {"$numberLong": f"{NOW}000"}}, "price": {"$numberDecimal": "3.50"},
        }), "NDJSON", events=[("7", "65ab", "click", 3.5)], facts={"price": 1}),
    ]  # fmt: skip


def in_cells() -> list[Export]:
    def of(name: str, row: str, event: tuple[str, str, str, float | None] | None = TEA[0], **more: object) -> Export:
        facts = {"price": 1} if event is not None and event[3] is not None else {}
        events = [] if event is None else [event]
        head = f"{HEADER},price"
        return rows_of(name, csv(*row.split("|"), head=head), events=events, refused=int(event is None),
                       facts=facts, **more)  # fmt: skip

    def priced(text: str, price: float) -> Export:
        return of(f"a price as {text}", f'{ONE},"{text}"', ("u1", "tea", "click", price))

    return [
        of("a mark of an encoding before an id", f"\ufeff{ONE},"),
        of("blanks without width behind ids", f"u1\u200b,tea\u2060,view,{NOW},"),
        of("a hyphen in an id that nobody sees", f"u1,te\u00ada,view,{NOW},", ("u1", "te\u00ada", "click", None),
           says=("1 values of item_id are spelled with characters that cannot be seen",)),
        of("an accent apart from its letter", f"u1,the\u0301,view,{NOW},", ("u1", "the\u0301", "click", None),
           says=("1 values of item_id are spelled with characters that cannot be seen",)),
        of("an object that JavaScript wrote as an id", f"[object Object],tea,view,{NOW},", None),
        of("a rounded id without a plus, as Java writes", f"u1,4.00638E12,view,{NOW},", None,
           says=("values of item_id look rounded by a spreadsheet (4.00638E12)",)),
        of("the end of time", "u1,tea,view,9999-12-31T23:59:59Z,", None, says=("9999-12-31T23:59:59Z",)),
        of("a time with small letters", "u1,tea,view,2026-01-01t00:00:00z,"),
        of("a date in digits", "u1,tea,view,20260101,", None, says=("add --time %Y%m%d",)),
        of("milliseconds that are said to be seconds", f"u1,tea,view,{NOW}000,", None,
           flags="--time seconds", layout=Layout(time="seconds"), says=("add --time milliseconds",)),
        priced("12,50 kr", 12.5), priced("kr. 12,50", 12.5), priced("R$ 1.200,50", 1200.5),
        priced("Rs. 1,200.00", 1200),
        priced("5,00 zł", 5), priced("1’005,50 Fr.", 1005.5),
        of("a decimal comma and a decimal point in one column", f'{ONE},4.5|{ONE},"3,50"', ("u1", "tea", "click", 4.5)),
        of("a decimal point where commas are said", f"{ONE},4.5", flags="--decimal ,", layout=Layout(decimal=","),
           left_out={"price": 1, "item facts: price": 1}),
    ]  # fmt: skip


def odd() -> list[Export]:
    return [*delimited(), *in_json(), *in_cells()]
