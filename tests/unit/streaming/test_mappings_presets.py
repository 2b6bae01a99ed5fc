"""One mapping everywhere: a file, a topic and a request make the same events of the same records."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from models.records import Event, EventRules, Rejection, decode
from service.ingest import translated
from streaming.files import (
    FileError,
    Layout,
    Passed,
    RowFile,
    RowRefused,
    Shown,
    Survey,
    as_document,
    raw_records,
    read_events,
    report,
    with_preset,
)
from streaming.mappings import MappingFile, MappingFileError, mapping_named, presets
from streaming.settings import event_mapping
from tests.support.streams.exports import NOW, Export
from tests.support.streams.foreign_logs import klaviyo
from tests.support.streams.system_exports import systems

RULES = EventRules()


def everywhere(path: Path, preset: str) -> list[list[Event]]:
    """The events of a file as `send` reads them, as a topic does, and as a request does."""
    with RowFile(path) as rows:
        outcomes = list(read_events(rows, with_preset(Layout(zone="UTC"), preset), RULES))
    mapping = event_mapping(MappingFile(zone="UTC").on(mapping_named(preset)), RULES)
    raws = [raw for _, raw in raw_records(path) if isinstance(raw, bytes)]
    of_topic = [answer for raw in raws for answer in mapping.events(raw, None, NOW * 1000)]
    of_request = translated(mapping, raws, NOW, 10_000)
    refused = sum(isinstance(each, Rejection) for each in of_topic)
    assert sum(isinstance(each, RowRefused) for each in outcomes) == refused
    assert sum(each.outcome == "rejected" for each in of_request.outcomes) == refused
    return [
        [each.event for each in outcomes if isinstance(each, Shown)],
        [each for each in of_topic if isinstance(each, Event)],
        [answer for raw in of_request.events if isinstance(answer := decode(raw, RULES), Event)],
    ]


@pytest.mark.parametrize(
    "export", [each for each in systems() if not presets()[each.name].fill], ids=lambda export: export.name
)
def test_a_preset_reads_the_same_events_from_a_file_a_topic_and_a_request(export: Export, tmp_path: Path) -> None:
    path = tmp_path / export.file
    path.write_bytes(export.content)
    of_file, of_topic, of_request = everywhere(path, export.name)
    assert of_file
    assert of_file == of_topic == of_request


def test_a_mapping_file_reads_the_same_events_everywhere(tmp_path: Path) -> None:
    log = klaviyo()
    path = log.written(tmp_path)
    of_file, of_topic, of_request = everywhere(path, str(tmp_path / "klaviyo.toml"))
    assert len(of_file) == sum(log.events.values())
    assert of_file == of_topic == of_request


def test_a_mapping_file_may_be_settings_with_one_mapping_and_may_build_on_a_preset(tmp_path: Path) -> None:
    path = tmp_path / "shop.toml"
    path.write_text("[feilds]\n")
    with pytest.raises(MappingFileError, match="is no mapping file"):
        mapping_named(str(path))
    path.write_text('[[mapping]]\ntopic = "shop"\npreset = "segment"\nfields = {price = "none"}\n')
    assert "price" not in mapping_named(str(path)).fields
    log = tmp_path / "log.csv"
    log.write_text("customer_id,sku,at\nu1,tea,1\n")
    fields = 'user_id = "customer_idd"\nitem_id = "sku"\ntimestamp = "at"\n'
    path.write_text(f'default_type = "click"\n[fields]\n{fields}')
    told = r"has no column 'user_id'.*shop.toml reads user_id from customer_idd"
    with pytest.raises(FileError, match=told), RowFile(log) as rows:
        list(read_events(rows, with_preset(Layout(), str(path)), RULES))
    path.write_text(f'preset = "{path}"\n')
    with pytest.raises(MappingFileError, match="names itself"):
        mapping_named(str(path))


@pytest.mark.parametrize("name", ["click", "search", "page_view"])
def test_what_ga4_measures_by_itself_is_no_event_of_an_item(name: str) -> None:
    measured = {"event_name": name, "event_timestamp": int(NOW * 1e6), "user_pseudo_id": "1.2", "items": []}
    assert event_mapping(mapping_named("ga4"), RULES).event(json.dumps(measured).encode(), None, NOW) is None


def test_a_row_of_a_table_is_skipped_by_a_cell_and_a_file_on_a_preset_may_change_which(tmp_path: Path) -> None:
    path, log = tmp_path / "shop.toml", tmp_path / "log.csv"
    log.write_text(f"who,sku,at,state,stars\nu1,tea,{NOW},paid,5\nu1,pot,{NOW},Refunded,5\n,cup,soon,refunded,x\n")
    fields = '[fields]\nuser_id = "who"\nitem_id = "sku"\ntimestamp = "at"\nprice = "stars"\n'
    path.write_text(f'default_type = "purchase"\n{fields}[skip]\nstate = ["refunded"]\n')
    layout, survey = with_preset(Layout(), str(path)), Survey(str(log))
    with RowFile(log) as rows:
        outcomes = list(read_events(rows, layout, RULES, survey=survey))
    assert [type(each) for each in outcomes] == [Shown, Passed, Passed]
    assert (survey.passed, survey.refused, dict(survey.left_out), survey.unused) == (2, 0, {}, ())
    assert survey.types == {"purchase": 1}
    assert "passed over: 2 rows because state is refunded" in report(survey, layout)
    assert as_document(survey, layout)["skipped"] == {"state is refunded": 2}
    path.write_text('preset = "shopify"\n[skip]\ncancelled_at = []\ntest = ["true"]\n')
    changed = mapping_named(str(path)).skip
    assert changed == {"financial_status": ["refunded", "voided", "expired"], "test": ["true"]}


def test_rows_of_an_order_are_filled_from_its_first_and_from_no_other_order(tmp_path: Path) -> None:
    own, log = tmp_path / "own.toml", tmp_path / "log.csv"
    orders = [("o1", "ann"), ("o1", ""), ("o2", ""), ("o2", "bob"), ("o2", "NULL"), ("", ""), ("", "cy")] * 1500
    fields = '[fields]\nuser_id = "who|sku"\nitem_id = "sku"\ntimestamp = "at"\n'
    own.write_text(f'default_type = "purchase"\n{fields}[fill]\norder = ["who", "whom"]\n')
    log.write_text("order,who,sku,at\n" + "".join(f"{order},{who},tea,{NOW}\n" for order, who in orders))
    layout, survey = with_preset(Layout(), str(own)), Survey(str(log))
    with RowFile(log) as rows:
        events = [each.event for each in read_events(rows, layout, RULES, survey=survey) if isinstance(each, Shown)]
    assert [event.user_id for event in events] == ["ann", "ann", "tea", "bob", "bob", "tea", "cy"] * 1500
    assert survey.filled == {"who": 3000}
    assert "filled: who of 3,000 rows, from the row above of the same order" in report(survey, layout)
    assert "! no record has whom, which [fill] names; known: who" in report(survey, layout)
    log.write_text('{"order": 1}\n')
    with pytest.raises(FileError, match=r"\[fill\] of .* is for the rows of a table"), RowFile(log) as rows:
        list(read_events(rows, layout, RULES))
    with pytest.raises(ValueError, match=r"fill \(order\) is for tables"):
        event_mapping(mapping_named(str(own)), RULES)


def test_a_flag_drops_a_field_of_a_preset(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text(f"user_id,product_id,event_type,event_time,price,user_session\nu1,tea,view,{NOW},3.5,s1\n")
    for column in ("user_session", "session_id"):
        layout, survey = with_preset(Layout({column: "none"}), "rees46"), Survey(str(log))
        with RowFile(log) as rows:
            (shown,) = read_events(rows, layout, RULES, survey=survey)
        assert isinstance(shown, Shown)
        assert (shown.event.session_id, shown.event.price, survey.remarks) == (None, 3.5, {})


def test_hash_asks_for_its_key_and_hashes_once(tmp_path: Path) -> None:
    path, log = tmp_path / "shop.toml", tmp_path / "log.ndjson"
    path.write_text('preset = "segment"\n[transforms]\nuser_id = ["lower", "hash"]\n')
    call = {"userId": "Ann@Example.org", "event": "Product Viewed", "properties": {"sku": "tea"}, "timestamp": NOW}
    log.write_text(json.dumps(call))
    with pytest.raises(FileError, match=r"hash needs a key.*--hash-ids"), RowFile(log) as rows:
        list(read_events(rows, with_preset(Layout(), str(path)), RULES))
    with RowFile(log) as rows:
        (shown,) = read_events(rows, with_preset(Layout(hash_key="k" * 32), str(path)), RULES)
    mapping = event_mapping(mapping_named(str(path)), RULES, b"k" * 32)
    assert isinstance(shown, Shown)
    assert shown.event == mapping.event(log.read_bytes(), None, NOW)
