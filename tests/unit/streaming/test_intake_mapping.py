"""Records of another shape in the intake: mapped to events, with watermarks of their own, or refused."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from models.ledger.admission import Admission, AdmissionRules
from models.records import MAX_LINES, Event
from models.records.rejections import Rejection
from service.cli.main import app
from service.commands.check_mapping import choose, examine
from streaming.consumer.sampling import of_file
from streaming.files import presets
from streaming.intake.intake import STEP, Intake
from streaming.intake.text_vectors import contents_by
from streaming.kafka.records import Record
from streaming.live import ENTRIES_TOGETHER
from streaming.live.writer import Mapped
from streaming.settings.loading import BadSettings, Settings, load_settings
from tests.unit.streaming.test_intake import NOW, TOPICS, Wire, event

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "examples" / "existing-topic"


@pytest.fixture
def settings() -> Settings:
    return load_settings(EXAMPLE / "sluicegate.toml", {})


def theirs(offset: int, kind: str = "PRODUCT_VIEWED", **more: Any) -> Wire:
    record = {
        "meta": {"occurred_us": NOW * 1000},
        "action": {"kind": kind},
        "customer": {"id": 7},
        "lines": [{"sku": "tea"}],
    }
    return Wire("shop.activity", 2, offset, NOW, b"7", json.dumps(record | more).encode(), [])


def test_mapped_records_share_the_batch_and_have_watermarks_of_their_own(settings: Settings) -> None:
    refused: list[tuple[Record, Rejection]] = []
    intake = Intake(
        settings.events.rules(),
        Admission(AdmissionRules()),
        TOPICS,
        lambda record, why: refused.append((record, why)),
        contents_by("words"),
        settings.mappings(),
    )
    batch = intake.prepare([
        [event(5)],
        [theirs(5), theirs(6, "SESSION_PING"), theirs(7, customer={"id": None}), theirs(8)],
    ])
    assert [(each.user_id, each.item_id) for each in batch.events] == [("ann", "tea"), ("7", "tea"), ("7", "tea")]
    assert batch.histories == [
        {"ann": [(0, 5, NOW / 1000, 0, "tea")]},
        Mapped("shop.activity", {"7": [(2, 5, NOW / 1000, 0, "tea"), (2, 8, NOW / 1000, 0, "tea")]}),
    ]
    assert batch.outcomes == {"ignored": 1, "rejected": 1}
    assert [(record.offset, why.reason, why.path) for record, why in refused] == [(7, "missing_field", "$.customer.id")]
    assert batch.offsets[1] == ("shop.activity", 2, [5, 6, 7, 8], NOW / 1000)


def test_the_example_fits_its_sample(settings: Settings) -> None:
    report = examine(settings, choose(settings, None, None), of_file(EXAMPLE / "activity.ndjson", NOW / 1000))
    assert (report["events"], report["ignored"], report["refused"]) == (24, 1, 0)


def test_the_document_shows_the_example_as_it_is() -> None:
    text = (ROOT / "docs" / "mapping.md").read_text()
    shown = tomllib.loads(text[text.index("```toml") + 7 : text.index("```\n\nTry it")])
    assert shown == tomllib.loads((EXAMPLE / "sluicegate.toml").read_text())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"topic": "items"}, "mapping[0].topic: 'items' is our own topic of items"),
        ({"fields": {}}, "mapping[0] (topic 'shop.activity'): fields has no event_type"),
        (
            {"tim": "seconds"},
            "mapping.0.tim (set in SLUICEGATE_MAPPING) is not a setting: did you mean mapping.0.time?",
        ),
        ({"preset": "ga5"}, "mapping[0] (topic 'shop.activity'): no preset 'ga5': there are cloudevents, ga4"),
        (
            {"preset": "shopify_csv"},
            "mapping[0] (topic 'shop.activity'): fill (Name) is for tables: records of a topic",
        ),
        ({"topic": None}, "it has neither topic nor name"),
        (
            {"transforms": {"user_id": ["hash"]}, "hash_key_file": "/no/such.key"},
            "hash_key_file: cannot read /no/such.key",
        ),
        ({"transforms": {"price": ["halve"]}}, "transforms.price: 'halve' is none"),
        ({"topic": 7}, "mapping.0.topic (set in SLUICEGATE_MAPPING)"),
    ],
)
def test_a_wrong_mapping_is_refused_with_the_place_of_the_error(change: dict[str, Any], says: str) -> None:
    (mapping,) = tomllib.loads((EXAMPLE / "sluicegate.toml").read_text())["mapping"]
    with pytest.raises(BadSettings) as caught:
        load_settings(None, {"SLUICEGATE_MAPPING": json.dumps([mapping | change])})
    assert says in str(caught.value)


def test_check_mapping_shows_each_record_and_where_it_is_refused(tmp_path: Path) -> None:
    good, bad = (EXAMPLE / "activity.ndjson").read_text().splitlines()[:1], '{"action": {"kind": "PRODUCT_VIEWED"}}'
    sample = tmp_path / "sample.ndjson"
    sample.write_text("\n".join([*good, "", bad]))
    command = [sys.executable, "-m", "service.cli.main", "check-mapping", str(sample)]
    command += ["--config", str(EXAMPLE / "sluicegate.toml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 3, done.stderr
    *report, first, second, last = done.stdout.splitlines()
    assert report[0] == f"{sample}: NDJSON; 2 rows: 1 events, 0 passed over, 1 refused"
    assert "user_id from customer.id" in report[1]
    assert report[2].startswith('  line 1 is read as {"event_type":"click","user_id":"4711"')
    assert "  types: 'PRODUCT_VIEWED' 2, read as 1 click" in report
    assert "  refused: 1 rows, missing_field at $.customer.id" in report
    assert first.startswith('event    line 1: {"event_type": "click", "user_id": "4711"')
    assert second.startswith("refused  line 3: missing_field at $.customer.id: expected string of 1 to 256")
    assert last == "shop.activity: 1 events, 0 ignored, 1 refused"


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ('[{"sku": "tea", "user": 7.0, "price": "39,90"}, {"sku": "pot", "user": 8, "price": "free"}]', "array.json"),
        (
            '{\n "sku": "tea", "user": 7.0, "price": "39,90"\n}\n{\n "sku": "pot", "user": 8, "price": "free"\n}\n',
            "a.json",
        ),
        ("user;sku;price\n7;tea;39,90\n8;pot;free\n", "a.csv"),
    ],
)
def test_check_mapping_reads_what_send_reads(tmp_path: Path, content: str, name: str) -> None:
    fields = {"user_id": "user", "item_id": "sku", "timestamp": "@time", "price": "price"}
    settings = load_settings(
        None, {"SLUICEGATE_MAPPING": json.dumps([{"topic": "shop", "fields": fields, "default_type": "purchase"}])}
    )
    (tmp_path / name).write_text(content)
    report = examine(settings, choose(settings, "shop", None), of_file(tmp_path / name, NOW / 1000))
    assert [record["event"]["user_id"] for record in report["records"]] == ["7", "8"]
    assert [record["event"].get("price") for record in report["records"]] == [39.9, None]
    assert [record.get("left_out") for record in report["records"]] == [None, ["price"]]
    assert report["file_report"]["left_out"] == {"price": 1}


def test_a_field_that_is_left_out_is_counted_by_the_intake(settings: Settings) -> None:
    intake = Intake(
        settings.events.rules(),
        Admission(AdmissionRules()),
        TOPICS,
        lambda *_: None,
        contents_by("words"),
        settings.mappings(),
    )
    batch = intake.prepare([[event(5, price="free")], [theirs(5, lines=[{"sku": "tea", "price": {"amount": -1}}])]])
    assert (len(batch.events), batch.outcomes, dict(batch.left_out)) == (2, {}, {"price": 2})


LISTS = {
    "topic": "shop.orders",
    "fields": {
        "user_id": "who",
        "event_id": "id",
        "timestamp": "at",
        "item_id": "lines[*].sku",
        "price": "lines[*].price",
    },
    "default_type": "purchase",
}


def test_check_mapping_names_what_is_left_out_by_line(tmp_path: Path) -> None:
    path, lines = tmp_path / "a.ndjson", [{"sku": "tea", "price": 2}, {"sku": "pot", "price": "free"}]
    path.write_text(json.dumps({"who": "ann", "id": "o1", "at": NOW / 1000, "lines": lines}))
    settings = load_settings(None, {"SLUICEGATE_MAPPING": json.dumps([LISTS])})
    report = examine(settings, choose(settings, "shop.orders", None), of_file(path, NOW / 1000))
    assert [record.get("left_out") for record in report["records"]] == [None, ["price"]]


def orders(refused: list[tuple[Record, Rejection]]) -> Intake:
    found = load_settings(None, {"SLUICEGATE_MAPPING": json.dumps([LISTS])})
    admission = Admission(AdmissionRules(cap_per_minute=10_000))
    rules = found.events.rules()
    return Intake(rules, admission, TOPICS, lambda *each: refused.append(each), contents_by("words"), found.mappings())


def order(offset: int, *skus: str | None, who: str = "ann", **more: Any) -> Wire:
    lines = [{"sku": sku, "price": 2} for sku in skus]
    record = {"who": who, "id": f"o{offset}", "at": NOW / 1000, "lines": lines} | more
    return Wire("shop.orders", 2, offset, NOW, b"7", json.dumps(record).encode(), [])


def test_the_lines_of_a_record_are_events_with_one_offset_and_one_dead_letter() -> None:
    refused: list[tuple[Record, Rejection]] = []
    intake = orders(refused)
    batch = intake.prepare([
        [order(5, "tea", "pot"), order(6, "tea", None, "cup", None), order(7), order(8, "tea", at="soon")]
    ])
    assert [(each.event_id, each.item_id) for each in batch.events] == [
        ("o5:1", "tea"),
        ("o5:2", "pot"),
        ("o6:1", "tea"),
        ("o6:3", "cup"),
    ]
    assert (batch.offsets[0][2], batch.spread) == ([5, 6, 7, 8], 1 + 3)
    assert batch.outcomes == {"rejected": 4}
    assert batch.refused == {"missing_field": 2, "bad_timestamp": 1}
    assert [(record.offset, why.path, why.lines) for record, why in refused] == [
        (6, "$.lines[1].sku", (1, 3)),
        (7, "$.lines[*].sku", ()),
        (8, "$.at", ()),
    ]
    assert len(batch.events) + sum(batch.outcomes.values()) == 4 + batch.spread
    again = intake.prepare([[order(9, "tea", id="o5")]])
    assert again.outcomes == {"duplicate": 1}, "each line is known by its own id"


def test_what_one_record_holds_is_in_one_part_of_the_history_and_a_batch_is_bounded_by_its_events() -> None:
    intake = orders([])
    records = [order(offset, *(f"i{n}" for n in range(120)), who=f"u{offset % 3}") for offset in range(90)]
    steps = list(intake.steps([records]))
    assert [offset for step in steps for part in step for offset in (each.offset for each in part)] == list(range(90))
    for step in steps:
        batch = intake.prepare(step)
        assert len(batch.events) <= intake.at_most(step) <= STEP
        seen: set[int] = set()
        for part in batch.histories:
            offsets = {entry[1] for entries in part.entries.values() for entry in entries}
            assert not offsets & seen, "a script that ends in the middle of a record loses the rest of it"
            seen |= offsets
    assert MAX_LINES <= ENTRIES_TOGETHER, "what is written of one record is one script"


def test_a_mapping_is_a_preset_with_changes_and_reads_what_completes_facts(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text('preset = "ga4"\n[constants]\nsession_id = "s"\n[types]\nshare = "favourite"\n')
    (tmp_path / "key").write_text("k" * 32)
    change = {
        "topic": "ga",
        "preset": str(tmp_path / "own.toml"),
        "fields": {"price": "none"},
        "transforms": {"user_id": ["lower", "hash"]},
        "hash_key_file": str(tmp_path / "key"),
    }
    settings = load_settings(None, {"SLUICEGATE_MAPPING": json.dumps([change, {"name": "web", "preset": "segment"}])})
    mapping = settings.mappings()["ga"]
    assert (set(mapping.completes), mapping.unread) == ({"title", "brand", "category"}, ())
    assert "price" not in mapping.paths
    record = {
        "event_name": "share",
        "user_pseudo_id": "Ann@Example.org",
        "event_timestamp": NOW * 1000,
        "items": [{"item_id": "tea", "price": 3}, {"item_id": "pot"}],
    }
    found = mapping.events(json.dumps(record).encode(), None, NOW)
    assert [(each.kind, each.item_id, each.price, each.session_id) for each in found if isinstance(each, Event)] == [
        (1, "tea", None, "s"),
        (1, "pot", None, "s"),
    ]
    assert isinstance(found[0], Event)
    assert found[0].user_id not in {"Ann@Example.org", "ann@example.org"}
    assert settings.mapped_topics == ["ga"]
    assert settings.mapping_names[:3] == ["ga", "web", "cloudevents"]
    assert settings.mapping_called("web").lists
    assert settings.mapping_called("shopify").lists


def test_check_mapping_refuses_a_row_in_another_encoding_and_reads_the_rest(tmp_path: Path) -> None:
    sample = tmp_path / "sample.csv"
    rows = "user_id,item_id,event_type,timestamp\nann,tea,click,1767225600\nann,caf\u00e9,click,1767225600\n"
    sample.write_bytes(rows.encode("latin-1"))
    done = CliRunner().invoke(app, ["check-mapping", str(sample), "--preset", _own(tmp_path)])
    assert done.exit_code == 3, done.output
    assert "  refused: 1 rows, the line is not UTF-8" in done.stdout
    assert "! the file is not UTF-8: add --encoding cp1252" in done.stdout
    assert "refused  line 3: the line is not UTF-8" in done.stdout
    assert "1 events, 0 ignored, 1 refused" in done.stdout
    done = CliRunner().invoke(app, ["check-mapping", str(sample), "--preset", _own(tmp_path), "--encoding", "latin-1"])
    assert "2 events, 0 ignored, 0 refused" in done.stdout


def _own(folder: Path) -> str:
    """A mapping of fields that have our names."""
    (folder / "own.toml").write_text(
        "[fields]\n" + "".join(f'{name} = "{name}"\n' for name in ("user_id", "item_id", "event_type", "timestamp"))
    )
    return str(folder / "own.toml")


def test_check_mapping_leaves_out_lines_of_products_that_were_deleted(tmp_path: Path) -> None:
    sample = tmp_path / "sample.json"
    lines = [{"product_id": 5, "price": 3, "quantity": 1}, {"product_id": 0, "price": 900, "quantity": 1}]
    placed = {"id": 2, "status": "completed", "date_created_gmt": "2026-11-01T10:00:00", "line_items": lines}
    sample.write_text(json.dumps(placed | {"billing": {"email": "ann@example.org"}}))
    done = CliRunner().invoke(app, ["check-mapping", str(sample), "--preset", "woocommerce"])
    assert done.exit_code == 0, done.output
    assert "passed over: 1 lines because line_items[*].product_id is 0" in done.stdout
    assert "1 events, 1 ignored, 0 refused" in done.stdout


def test_check_mapping_tries_a_preset_and_a_file_of_mappings(tmp_path: Path) -> None:
    sample = tmp_path / "sample.ndjson"
    lines = [{"product_id": 11, "price": "3.50", "title": "Cup"}, {"price": "1"}]
    placed = {"id": 9, "created_at": "2026-01-01T00:00:00Z", "customer": {"id": 5}, "line_items": lines}
    sample.write_text(json.dumps(placed | {"financial_status": "paid"}))
    done = CliRunner().invoke(app, ["check-mapping", str(sample), "--preset", "shopify"])
    assert done.exit_code == 3, done.output
    assert 'event    line 1, event 1 of 2: {"event_type": "purchase", "user_id": "5", "item_id": "11"' in done.stdout
    assert "refused  line 1, event 2 of 2: missing_field at $.line_items[1].product_id or" in done.stdout
    assert '; of its item: {"price": 3.5, "title": "Cup"}' in done.stdout
    assert "facts of 1 items: price 1, title 1" in done.stdout
    assert "nothing is read as event_type" not in done.stdout  # the mapping has one for all
    sample.write_text(json.dumps(placed | {"financial_status": "refunded"}))
    done = CliRunner().invoke(app, ["check-mapping", str(sample), "--preset", "shopify"])
    assert done.exit_code == 0, done.output
    assert "ignored  line 1, event 2 of 2: financial_status is refunded" in done.stdout
    assert "passed over: 2 lines because financial_status is refunded" in done.stdout
    wrong = CliRunner().invoke(app, ["check-mapping", str(sample), "--preset", "shopfy"])
    assert wrong.exit_code == 2
    assert "no preset 'shopfy': there are cloudevents, ga4" in " ".join(wrong.output.replace("│", " ").split())
    own, key = tmp_path / "own.toml", tmp_path / "key"
    own.write_text('preset = "shopify"\n[transforms]\nuser_id = ["hash"]\n')
    key.write_text("k" * 32)
    hashed = CliRunner().invoke(app, ["check-mapping", str(sample), "--preset", str(own), "--hash-ids", str(key)])
    assert hashed.exit_code == 0, hashed.output
    unnamed = CliRunner().invoke(app, ["check-mapping", str(sample)])
    assert "--preset NAME needs none" in " ".join(unnamed.output.replace("│", " ").split())


OWN = """\
unknown_type = "none"
[fields]
user_id = "who"
item_id = "p.sku"
event_type = "what"
timestamp = "at"
title = "p.titel"
[types]
seen = "click"
[skip]
state = ["storniert"]
staet = ["x"]
"""

COMPARED = {
    "ids with .0": (
        "log.csv",
        f"user_id,item_id,event_type,timestamp\nu1,5003.0,click,{NOW}\nu1,4.00638E+12,click,{NOW}\nu1,tea,click\nu,1,2,3,4,5\n",
        "",
        (
            "values of item_id are written with .0",
            "values of item_id look rounded by a spreadsheet (4.00638E+12)",
            "  refused: 1 rows, 6 fields where the header has 4",
        ),
    ),
    "no zone": (
        "log.csv",
        "user_id,item_id,event_type,timestamp\nann@example.org,tea,click,2026-01-01 10:00:00\n",
        "",
        ("name no zone and are read as UTC here: add --zone UTC", "1 user ids are e-mail addresses", "--hash-ids"),
    ),
    "days of a spreadsheet": (
        "log.csv",
        "user_id,item_id,event_type,timestamp\nu1,tea,click,46023.5\n",
        "",
        ('cannot be read: add --time excel, or time = "excel" to the mapping',),
    ),
    "lists, with a preset": (
        "orders.json",
        json.dumps([
            {"id": 1, "created_at": NOW, "financial_status": "paid", "line_items": [{"product_id": 1}, {"sku": "t"}]},
            {"id": 2, "created_at": NOW, "financial_status": "refunded", "line_items": [{"product_id": 1}]},
        ]),
        "shopify",
        ("2 rows, 3 lines of line_items: 2 events, 1 passed over, 0 refused", "passed over: 1 lines because"),
    ),
    "a mapping of one's own": (
        "log.ndjson",
        "".join(
            json.dumps({"who": "u1", "what": what, "at": NOW, "state": "paid", "order.id": 1, "p": {"sku": "tea"}})
            + "\n"
            for what in ("seen", "seen", "left")
        ),
        OWN,
        (
            "types: 'seen' 2, 'left' 1, read as 2 click",
            "types that are not in [types], left out: 'left' 1. To read one add --map left=TYPE, or",
            "not used: order.id (in a mapping '[\"order.id\"]')",
            "no record has p.titel, from which title is to be read; known: who, what",
            "no record has staet, which [skip] names; known: state",
            "no record has 'storniert' at state, which [skip] names; known: 'paid' 3",
        ),
    ),
}


@pytest.mark.parametrize(("file", "content", "mapping", "says"), COMPARED.values(), ids=COMPARED)
def test_three_commands_begin_with_the_same_report(
    tmp_path: Path, file: str, content: str, mapping: str, says: tuple[str, ...]
) -> None:
    path, preset = tmp_path / file, mapping
    path.write_text(content)
    if mapping not in presets():
        preset = _own(tmp_path)
        Path(preset).write_text(mapping or Path(preset).read_text())
    words = (str(path), "--preset", preset)
    checked = CliRunner().invoke(app, ["check-mapping", *words]).stdout.partition("as a record of a topic")[0]
    assert [part for part in says if part not in checked] == [], checked
    assert CliRunner().invoke(app, ["evaluate", *words, "--dry-run"]).stdout == checked
    assert CliRunner().invoke(app, ["send", *words, "--dry-run"]).stdout.partition("would send")[0] == checked


def test_check_mapping_says_of_each_record_why_it_is_none(tmp_path: Path) -> None:
    sample, own = tmp_path / "sample.ndjson", tmp_path / "own.toml"
    sample.write_text('{"what": "left"}\n{"what": "ping"}\n{}\n')
    fields = 'user_id = "who"\nitem_id = "sku"\nevent_type = "what"\ntimestamp = "@time"\n'
    types = 'ping = "none"\n"@nothing" = "none"\n'
    own.write_text(f'unknown_type = "none"\n[fields]\n{fields}[types]\n{types}')
    out = CliRunner().invoke(app, ["check-mapping", str(sample), "--preset", str(own)]).stdout
    assert "line 1: its type 'left' is not in [types], and unknown_type is none: to read it, add \"left\" = " in out
    assert "line 2: its type 'ping' is mapped to none" in out
    assert "line 3: it names no type, and @nothing is mapped to none" in out
    assert "! timestamp = @time is of a record in Kafka, which a row of a file has not" in out


def test_a_file_and_check_mapping_refuse_two_lists_alike(tmp_path: Path) -> None:
    sample, own = tmp_path / "sample.ndjson", tmp_path / "own.toml"
    sample.write_text('{"who": 1, "sku": 2, "at": 1767225600, "t": ["a"], "c": ["b"]}\n')
    fields = 'user_id = "who"\nitem_id = "sku"\ntimestamp = "at"\ntags = "t[*]"\ncategory = "c[*]"\n'
    own.write_text(f'default_type = "click"\n[fields]\n{fields}')
    for command in (["check-mapping"], ["evaluate", "--dry-run"], ["send", "--dry-run"]):
        done = CliRunner().invoke(app, [*command, str(sample), "--preset", str(own)])
        assert done.exit_code == 2
        assert "fields go through two lists, $.c and $.t: keep one of them" in " ".join(
            done.output.replace("│", " ").split()
        )
