"""Logs as shops have them: columns and types of other names, rows out of order, and the errors for each."""

import gzip
import json
from pathlib import Path

import pytest

from models.records.events import EventRules
from models.records.items import ItemFacts
from streaming.files import FileError, Layout
from streaming.jobs.evaluation_log import read_stream

RULES = EventRules()
LATE = 1_600_000_000


def written(folder: Path, text: str, name: str = "log.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def log(*rows: str, head: str = "event_type,user_id,item_id,timestamp") -> str:
    return "\n".join([head, *rows]) + "\n"


def test_events_out_of_order_are_sorted_and_equal_times_keep_their_place(tmp_path: Path) -> None:
    rows = [f"click,u,{item},{LATE + second}" for item, second in [("c", 3), ("a", 1), ("x", 2), ("y", 2), ("b", 1)]]
    found = read_stream(written(tmp_path, log(*rows)), Layout(), RULES)
    assert [event.item_id for event in found.stream.events] == ["a", "b", "x", "y", "c"]
    assert found.moved == 2


@pytest.mark.parametrize("packed", [False, True])
def test_csv_and_ndjson_plain_or_zipped_give_the_same_events(tmp_path: Path, packed: bool) -> None:
    lines = [json.dumps({"event": "view", "user": n, "sku": f"s{n}", "ts": LATE + n}) for n in range(3)]
    path = tmp_path / "log.ndjson"
    raw = "\n".join(lines).encode()
    path.write_bytes(gzip.compress(raw) if packed else raw)
    rows = [f"view,{n},s{n},{LATE + n}" for n in range(3)]
    same = written(tmp_path, log(*rows, head="event,user,sku,ts"))
    events = read_stream(path, Layout(), RULES).stream.events
    assert events == read_stream(same, Layout(), RULES).stream.events
    assert [event.item_id for event in events] == ["s0", "s1", "s2"]


def test_columns_with_other_names_are_listed_with_the_flags_that_name_them(tmp_path: Path) -> None:
    head = "Invoice,StockCode,InvoiceDate,Customer ID"
    path = written(tmp_path, log(f"1,85048,{LATE},13085", head=head))
    with pytest.raises(FileError) as raised:
        read_stream(path, Layout(default_type="purchase"), RULES)
    text = str(raised.value)
    assert "has no column 'timestamp' and no 'item_id' (it has Invoice, StockCode" in text
    flags = "--column InvoiceDate=timestamp --column StockCode=item_id"
    assert flags in text
    columns = {"InvoiceDate": "timestamp", "StockCode": "item_id"}
    found = read_stream(path, Layout(columns, default_type="purchase"), RULES)
    assert [(event.user_id, event.item_id, event.kind) for event in found.stream.events] == [("13085", "85048", 3)]


def test_the_error_for_a_file_without_types_says_how_to_give_all_rows_one(tmp_path: Path) -> None:
    path = written(tmp_path, log(f"u,i,{LATE}", head="user_id,item_id,timestamp"))
    with pytest.raises(FileError, match="or give all rows one type, for example with --type click"):
        read_stream(path, Layout(), RULES)


def test_types_that_nothing_maps_are_counted_and_the_flags_are_given(tmp_path: Path) -> None:
    rows = [f"rating,u,i{n},{LATE + n}" for n in range(3)] + [f"remove_from_cart,u,i1,{LATE + 9}", f"cart,u,i1,{LATE}"]
    path = written(tmp_path, log(*rows))
    with pytest.raises(FileError) as raised:
        read_stream(path, Layout(), RULES)
    text = str(raised.value)
    assert "nothing maps the event types 'rating', 'remove_from_cart'" in text
    assert "'rating' (3 rows), 'remove_from_cart' (1 rows), 'cart' (1 rows)" in text
    assert text.endswith("Add: --map rating=click --map remove_from_cart=none")
    found = read_stream(path, Layout(types={"rating": "click", "remove_from_cart": "none"}), RULES)
    assert [event.kind for event in found.stream.events] == [0, 2, 0, 0]
    assert (found.passed, found.refused) == (1, 0)


def test_ratings_below_the_bound_are_left_out(tmp_path: Path) -> None:
    rows = [f"rating,u,i{n},{LATE + n},{n}" for n in range(1, 6)]
    path = written(tmp_path, log(*rows, head="event_type,user_id,item_id,timestamp,rating"))
    found = read_stream(path, Layout(types={"rating": "click"}, min_rating=4), RULES)
    assert [event.item_id for event in found.stream.events] == ["i4", "i5"]
    assert found.passed == 3


def test_low_ratings_are_dislikes_and_middling_ones_are_left_out(tmp_path: Path) -> None:
    rows = [f"rating,u,i{n},{LATE + n},{n}" for n in range(1, 6)]
    path = written(tmp_path, log(*rows, head="event_type,user_id,item_id,timestamp,rating"))
    found = read_stream(path, Layout(types={"rating": "click"}, min_rating=4, dislike_rating=2), RULES)
    assert [(event.item_id, event.kind) for event in found.stream.events] == [
        ("i1", 7),
        ("i2", 7),
        ("i4", 0),
        ("i5", 0),
    ]
    assert found.passed == 1
    with pytest.raises(FileError, match="has no column 'rating'"):
        read_stream(written(tmp_path, log(f"click,u,i,{LATE}")), Layout(dislike_rating=2), RULES)


def test_a_bound_on_ratings_that_no_column_has_is_an_error(tmp_path: Path) -> None:
    path = written(tmp_path, log(f"click,u,i,{LATE},4", head="event_type,user_id,item_id,timestamp,stars"))
    with pytest.raises(FileError, match=r"has no column 'rating' .*--column stars=rating"):
        read_stream(path, Layout(min_rating=4), RULES)
    assert len(read_stream(path, Layout({"stars": "rating"}, min_rating=4), RULES).stream.events) == 1


def test_bad_rows_are_reported_and_the_rest_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, log(f"click,u,i,{LATE}", "click,u,i,tomorrow", f"click,,i,{LATE}", "click,u"))
    found = read_stream(path, Layout(), RULES)
    assert (len(found.stream.events), found.refused) == (1, 3)
    assert [line for line, _ in found.refusals] == [3, 4, 5]


def test_an_event_id_that_came_before_is_left_out(tmp_path: Path) -> None:
    rows = [f"click,u,i,{LATE},e1", f"click,u,i,{LATE + 1},e1", f"click,u,i,{LATE + 2},e2"]
    found = read_stream(
        written(tmp_path, log(*rows, head="event_type,user_id,item_id,timestamp,event_id")), Layout(), RULES
    )
    assert (len(found.stream.events), found.duplicates) == (2, 1)


def test_a_limit_takes_the_first_events_of_the_file(tmp_path: Path) -> None:
    rows = [f"click,u,i{n},{LATE + n}" for n in range(9)]
    found = read_stream(written(tmp_path, log(*rows)), Layout(), RULES, limit=4)
    assert [event.item_id for event in found.stream.events] == ["i0", "i1", "i2", "i3"]


def test_the_error_for_json_with_other_names_suggests_flags(tmp_path: Path) -> None:
    line = json.dumps({"event_type": "click", "visitor": "u", "stock": "i", "timestamp": LATE})
    with pytest.raises(FileError) as raised:
        read_stream(written(tmp_path, line + "\n"), Layout(), RULES)
    assert "no row can be used (1 refused" in str(raised.value)
    assert "try --column visitor=user_id --column stock=item_id" in str(raised.value)


def test_an_empty_file_and_a_header_alone_say_so(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="is empty"):
        read_stream(written(tmp_path, ""), Layout(), RULES)
    with pytest.raises(FileError, match="no row can be used"):
        read_stream(written(tmp_path, log()), Layout(), RULES)


def test_facts_come_from_the_catalogue_and_from_the_columns_of_an_items_first_row(tmp_path: Path) -> None:
    head = "event_type,user_id,item_id,timestamp,category,price"
    path = written(tmp_path, log(f"click,u,a,{LATE},toys,3", f"click,u,b,{LATE},tools,4", head=head))
    catalogue = {"a": ItemFacts(category="games"), "never seen": ItemFacts(brand="acme")}
    stream = read_stream(path, Layout(), RULES, catalogue).stream
    assert stream.catalogue == catalogue
    assert stream.facts == {"a": ItemFacts(category="games", price=3.0), "b": ItemFacts(category="tools", price=4.0)}


def test_times_of_another_format_are_read_when_the_layout_names_it(tmp_path: Path) -> None:
    path = written(tmp_path, "event_type,user_id,item_id,timestamp\nclick,ann,tea,01.10.2019 04:00\n")
    with pytest.raises(FileError, match=r"--time '%d\.%m\.%Y %H:%M'") as caught:
        read_stream(path, Layout(), RULES)
    assert "--column" not in str(caught.value), "the columns are right"
    (event,) = read_stream(path, Layout(time="%d.%m.%Y %H:%M"), RULES).stream.events
    assert event.timestamp == 1_569_902_400.0
    with pytest.raises(FileError, match="--time: time is 'fortnights'"):
        read_stream(path, Layout(time="fortnights"), RULES)


def test_a_column_flag_the_wrong_way_round_is_recognised(tmp_path: Path) -> None:
    path = written(tmp_path, "Kunde,Artikel\nann,tea\n")
    with pytest.raises(FileError, match="the file's name comes first: --column NAME=FIELD"):
        read_stream(path, Layout({"user_id": "Kunde"}), RULES)


def test_a_sorted_log_tells_whether_the_day_or_the_month_comes_first_and_an_abbreviated_column_is_known(
    tmp_path: Path,
) -> None:
    head = "Customer no.;SKU;Action;Date"
    days = [f"{1 + number // 30:02d}/09/2020 10:{number % 30:02d}" for number in range(300)]
    path = written(tmp_path, log(*(f"C1;s;click;{day}" for day in days), "C1;s;click;NULL", head=head))
    with pytest.raises(FileError, match=r"--column 'Customer no\.=user_id'"):
        read_stream(path, Layout({"Action": "event_type", "Date": "timestamp"}), RULES)
    columns = {"Customer no.": "user_id", "Action": "event_type", "Date": "timestamp"}
    with pytest.raises(FileError, match=r"for example --time '%m/%d/%Y %H:%M', or --time '%d/%m/%Y %H:%M' where"):
        read_stream(path, Layout(columns), RULES)
    path.write_text(path.read_text().replace("C1;s;click;10/09", "C1;s;click;28/09"))
    with pytest.raises(FileError, match=r"for example --time '%d/%m/%Y %H:%M'$"):
        read_stream(path, Layout(columns), RULES)
