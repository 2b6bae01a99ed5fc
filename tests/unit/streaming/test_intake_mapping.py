"""Records of another shape in the intake: mapped to events, with watermarks of their own, or refused."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from models.ledger.admission import Admission, AdmissionRules
from models.records.rejections import Rejection
from service.commands.check_mapping import examine
from streaming.consumer.sampling import of_file
from streaming.intake.intake import Intake
from streaming.intake.text_vectors import contents_by
from streaming.kafka.records import Record
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
    report = examine(settings, "shop.activity", of_file(EXAMPLE / "activity.ndjson", NOW / 1000))
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
        (
            {"fields": {"user_id": "u", "timestamp": "@time", "item_id": "l[*].id"}, "default_type": "click"},
            "mapping[0] (topic 'shop.activity'): a record of a topic is one event",
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
    assert done.returncode == 1, done.stderr
    *report, first, second, last = done.stdout.splitlines()
    assert report[0] == "shop.activity: records of a topic; 2 rows: 1 events, 0 passed over, 1 refused"
    assert "user_id from $.customer.id" in report[1]
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
    report = examine(settings, "shop", of_file(tmp_path / name, NOW / 1000))
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
