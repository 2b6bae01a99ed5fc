"""Files as shops have them: what is read, what is left out, what is refused, and what the report says."""

from __future__ import annotations

import io
import json
import random
import sys
import zipfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from models.records import EventRules
from streaming.files import (
    FileError,
    Layout,
    Passed,
    RowFile,
    RowRefused,
    Shown,
    Survey,
    identity,
    presets,
    read_events,
    read_items,
    report,
    with_preset,
)
from tests.support.streams.exports import (
    HEAD,
    NOW,
    PLAIN,
    READ,
    Export,
    dialects,
    read,
    said,
    summary,
    table,
    values,
)
from tests.support.streams.system_exports import systems
from tests.support.streams.workbooks import sheets


def named(export: Export) -> str:
    return export.name + (f" {export.flags}" if export.flags else "")


@pytest.mark.parametrize("export", [*dialects(), *values()], ids=named)
def test_a_file_is_read_or_the_report_says_what_to_change(export: Export, tmp_path: Path) -> None:
    survey, layout, outcomes = read(export, tmp_path)
    found = summary(outcomes)
    assert found[: len(export.events)] == export.events, report(survey, layout)
    assert (survey.form, survey.passed, survey.refused) == (export.form, export.passed, export.refused)
    assert dict(survey.left_out) == export.left_out
    assert dict(survey.facts) == export.facts
    for part in export.says:
        assert part in said(survey, layout)
    if not export.says:
        assert said(survey, layout) == ""
    assert sum(isinstance(each, Shown) for each in outcomes) == survey.events == sum(survey.by_type.values())


@pytest.mark.parametrize("export", systems(), ids=named)
def test_a_preset_reads_the_exports_of_its_system_and_is_proposed_for_them(export: Export, tmp_path: Path) -> None:
    preset = replace(export, preset=export.name)
    survey, layout, outcomes = read(preset, tmp_path)
    assert summary(outcomes) == export.events, report(survey, layout)
    assert (survey.form, survey.passed, survey.refused) == (export.form, export.passed, export.refused)
    assert dict(survey.skipped) == export.skipped
    assert dict(survey.facts) == export.facts
    assert (dict(survey.left_out), [part for part in export.says if part not in said(survey, layout)]) == ({}, [])
    try:
        alone, own, _ = read(replace(export, layout=Layout()), tmp_path)
        proposal = said(alone, own)
    except FileError as error:
        proposal = str(error)
    assert f"--preset {export.name}" in proposal


def test_every_preset_has_an_export_that_shows_it() -> None:
    assert {export.name for export in systems()} == set(presets())


def test_a_flag_comes_before_a_preset_and_a_mapping_file_is_a_preset_of_the_shop(tmp_path: Path) -> None:
    layout = with_preset(Layout(types={"view": "favourite"}, time="seconds"), "retailrocket")
    assert (layout.types["view"], layout.types["transaction"], layout.time) == ("favourite", "purchase", "seconds")
    path = tmp_path / "shop.toml"
    path.write_text('default_type = "cart"\n[fields]\nuser_id = "a"\nitem_id = "b"\ntimestamp = "c"\n')
    assert with_preset(Layout(), str(path)).default_type == "cart"
    unknown = "no preset 'nope': there are cloudevents, ga4"
    for name, says in (("nope", unknown), (str(tmp_path / "no.toml"), "cannot read")):
        with pytest.raises(FileError, match=says):
            with_preset(Layout(), name)
    path.write_text("[feilds]\n")
    with pytest.raises(FileError, match="is no mapping file"):
        with_preset(Layout(), str(path))


def workbook() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("xl/workbook.xml", "")
    return out.getvalue()


def two_files() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.csv", PLAIN)
        archive.writestr("b.csv", PLAIN)
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf \n", "is empty"),
        (PLAIN.decode().encode("utf-16-le"), "looks like UTF-16 without a mark: add --encoding utf-16-le"),
        (PLAIN.split(b"\n", 1)[1], "line 1 looks like data, not names (1767225600): add a header"),
        (workbook(), "cannot be read as a workbook"),
        (two_files(), "holds 2 files (a.csv, b.csv): pack one"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "cannot be read as a workbook"),
        (b"Obj\x01", "is an Avro file: write it as Parquet"),
        (b"PAR1nothing", "is not a whole Parquet file"),
        (b"\x1f\x8b\x08\x00", "is not a whole gzip file"),
        (b"<?xml version='1.0'?><a/>", "is XML or HTML, not a table"),
        (b"a,b\n1,2\n", "has no column 'event_type' and no 'user_id'"),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else "",
)
def test_what_is_no_table_is_named(content: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(content)
    with pytest.raises(FileError) as raised, RowFile(path) as rows:
        list(read_events(rows, Layout(), EventRules()))
    assert says in str(raised.value)


def outcomes_of(path: Path, **layout: object) -> list[Shown | RowRefused | Passed]:
    with RowFile(path) as rows:
        return list(read_events(rows, Layout(**layout), EventRules(), event_ids=True))


def test_lines_keep_their_numbers_across_breaks_in_cells_blank_lines_and_bad_ones(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    lines = ["user_id,item_id,event_type,timestamp,title", f'u,a,view,{NOW},"two', 'lines"', "", f"u,b,view,{NOW},x,y"]
    path.write_text(
        "\n".join([*lines, f"u,c,view,{NOW},", f"u,d,view,soon,{'x' * 200_000}", f"u,e,view,{NOW},"]) + "\n"
    )
    found = outcomes_of(path)
    assert [(each.line, type(each)) for each in found] == [
        (3, Shown),
        (5, RowRefused),
        (6, Shown),
        (7, RowRefused),
        (8, Shown),
    ]
    assert isinstance(found[1], RowRefused)
    assert found[1].reason == "6 fields where the header has 5"
    assert isinstance(found[3], RowRefused)
    assert "field larger than field limit" in found[3].reason


def test_a_file_of_many_batches_loses_no_row_and_keeps_their_order(tmp_path: Path) -> None:
    rng = random.Random(3)
    path = tmp_path / "log.csv"
    rows = [f"u{n % 7},{rng.choice(['tea', 'pot', ''])},view,{NOW + n}" for n in range(10_000)]
    path.write_text("\n".join(["user_id,item_id,event_type,timestamp", *rows]))
    found = outcomes_of(path)
    assert [each.line for each in found] == list(range(2, 10_002))
    assert [isinstance(each, Shown) for each in found] == [",," not in row for row in rows]


def test_event_ids_say_what_events_say_and_two_that_say_the_same_differ(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    head, first, second = "user_id,item_id,event_type,timestamp", f"u,a,view,{NOW}", f"u,b,view,{NOW}"
    path.write_text(f"{head}\n{first}\n{second}\n{first}\n{first}")
    ids = [each.event.event_id for each in outcomes_of(path) if isinstance(each, Shown)]
    assert len(set(ids)) == 4
    assert ids[2:] == [f"{ids[0]}:2", f"{ids[0]}:3"]
    other = tmp_path / "other.ndjson"
    names = head.split(",")
    other.write_text("\n".join(json.dumps(dict(zip(names, row.split(","), strict=True))) for row in (second, first)))
    assert [each.event.event_id for each in outcomes_of(other) if isinstance(each, Shown)] == [ids[1], ids[0]], (
        "in another order and another format"
    )


def test_a_file_is_the_same_while_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(PLAIN)
    name = identity(path)
    path.write_bytes(PLAIN + PLAIN.split(b"\n", 1)[1])
    assert identity(path) == name
    path.write_bytes(PLAIN.replace(b"tea", b"pot"))
    assert identity(path) != name


def test_ids_of_items_in_another_spelling_are_matched_or_said(tmp_path: Path) -> None:
    items, log = tmp_path / "items.csv", tmp_path / "log.csv"
    items.write_text("item_id,category,available\n5000,tea,Y\n5001,pot,oui\n")
    counted = Survey(str(items))
    facts, refused = read_items(items, survey=counted)
    assert (set(facts), refused, dict(counted.left_out)) == ({"5000", "5001"}, [], {"item facts: available": 1})
    for spelled, found, says in (
        ("5000.0", 1, ".0, read as whole numbers"),
        ("A-5000", 0, "ids there look like '5000'"),
    ):
        log.write_text(f"user_id,item_id,event_type,timestamp\nu,{spelled},view,{NOW}\n")
        survey = Survey(str(log))
        with RowFile(log) as rows:
            list(read_events(rows, Layout(), EventRules(), facts, survey))
        assert (survey.listed, survey.listed_found) == (2, found)
        assert says in said(survey, Layout())


def test_the_report_says_what_was_recognized(tmp_path: Path) -> None:
    survey, layout, _ = read(dialects()[1], tmp_path)
    lines = report(survey, layout).splitlines()
    assert lines[0].endswith("log.csv: CSV with semicolons; 2 rows: 2 events, 0 passed over, 0 refused")
    assert lines[1] == "  fields: event_type, user_id, item_id, timestamp, price"
    assert lines[2].startswith('  line 2 is read as {"event_type":"click","user_id":"u1","item_id":"tea"')
    assert lines[3] == "  types: 'view' 1, 'buy' 1, read as 1 click, 1 purchase"
    assert lines[4] == "  times: 2026-01-01 00:00:00Z to 2026-01-01 00:00:01Z"
    assert lines[5] == "  facts of 2 items: price 2"


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "log"
    path.write_bytes(content)
    with suppress(FileError), RowFile(path) as rows:
        list(read_events(rows, Layout(default_type="click"), EventRules()))


CELLS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(CELLS, min_size=5, max_size=5), max_size=8), st.sampled_from(",;\t|"))
def test_any_cells_are_an_event_or_a_refusal_and_every_row_has_an_outcome(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], delimiter: str
) -> None:
    import csv

    path = tmp_path_factory.mktemp("cells") / "log.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL)
        writer.writerows([
            ["user_id", "item_id", "event_type", "timestamp", "price"],
            *rows,
            ["u", "i", "view", NOW, 1],
        ])
    found = outcomes_of(path)
    assert len(found) == 1 + sum(any(row) for row in rows)
    assert isinstance(found[-1], Shown)


def test_the_plain_file_of_these_tests_is_what_they_say(tmp_path: Path) -> None:
    assert summary(read(Export("plain", PLAIN, READ), tmp_path)[2]) == READ


def test_lists_in_parquet_become_an_event_for_each_line(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    lines = [[{"item_id": "tea", "price": 3.5}, {"item_id": "pot", "price": 4.0}], [{"item_id": "cup", "price": 1.0}]]
    names = {"event_name": ["purchase", "view_item"], "user_pseudo_id": ["u1", "u2"]}
    path.write_bytes(table(**names, event_timestamp=[NOW * 10**6] * 2, items=lines))
    with RowFile(path) as rows:
        outcomes = list(read_events(rows, with_preset(Layout(), "ga4"), EventRules()))
    assert summary(outcomes) == [
        ("u1", "tea", "purchase", 3.5),
        ("u1", "pot", "purchase", 4.0),
        ("u2", "cup", "click", 1.0),
    ]


def test_an_event_id_of_the_file_stays_next_to_rows_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    rows = [f"u,a,view,{NOW},e1", f"u,\xff,view,{NOW},e2", f"u,b,view,{NOW},"]
    path.write_bytes("\n".join(["user_id,item_id,event_type,timestamp,event_id", *rows]).encode("latin-1"))
    first, second, third = outcomes_of(path)
    assert isinstance(second, RowRefused)
    assert isinstance(first, Shown)
    assert isinstance(third, Shown)
    assert first.event.event_id == "e1"
    assert len(third.event.event_id or "") == 32


def test_values_inside_of_objects_are_proposed_for_fields_that_nothing_fills(tmp_path: Path) -> None:
    path = tmp_path / "log.ndjson"
    inner = {"distinct_id": "u", "time": NOW, "cart": [{"sku": "tea"}]}
    path.write_text(json.dumps({"event": "view", "properties": inner}))
    survey = Survey(str(path))
    with RowFile(path) as rows:
        assert [type(each) for each in read_events(rows, Layout(), EventRules(), survey=survey)] == [RowRefused]
    flags = "--column properties.distinct_id=user_id --column 'properties.cart[*].sku=item_id'"
    assert f"nothing is read as user_id or item_id or timestamp: try {flags}" in said(survey, Layout())
    columns = {"properties.distinct_id": "user_id", "properties.cart[*].sku": "item_id", "properties.time": "timestamp"}
    assert [type(each) for each in outcomes_of(path, columns=columns)] == [Shown]


def test_a_sheet_keeps_the_numbers_of_its_rows_and_needs_its_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log.xlsx"
    path.write_bytes(sheets([[], HEAD, [], ["u", "a", "view", NOW, 1], ["u", "b", "view", "soon", 1]]))
    found = outcomes_of(path)
    assert [(each.line, type(each)) for each in found] == [(4, Shown), (5, RowRefused)]
    assert identity(path) == identity(path)
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    with pytest.raises(FileError, match=r"pip install 'sluicegate\[excel\]' to read it, or save the sheet as CSV"):
        RowFile(path)


def test_what_is_kept_of_a_parquet_file_is_a_group_of_rows_however_many_there_are(tmp_path: Path) -> None:
    path, groups = tmp_path / "log.parquet", 40
    numbers = range(groups * 10_000)
    ids = [f"item-{each * 7919 % 65_537}" for each in numbers]
    table = pa.table({"item_id": ids, "price": [each * 0.01 for each in numbers]})
    parquet.write_table(table, path, row_group_size=10_000)
    group = table.nbytes / groups
    del table
    before = pa.total_allocated_bytes()
    with RowFile(path) as file:
        kept = [pa.total_allocated_bytes() - before for _ in file.batches()]
    assert len(kept) > groups
    assert max(kept) < 8 * group
