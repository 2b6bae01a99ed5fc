"""A catalogue goes through the topic: every row is sent or refused, and the report says how it was read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from models.records.items import ItemFacts, decode_item
from service.commands import items
from streaming.jobs import send_items
from streaming.settings.loading import Settings
from tests.integration.commands.test_send import arrived


@pytest.fixture
def run(kafka_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("SLUICEGATE_KAFKA__BOOTSTRAP", kafka_settings.kafka.bootstrap)
    monkeypatch.setenv("SLUICEGATE_NAMESPACE", kafka_settings.namespace)
    app = typer.Typer()
    items.register(app)
    app.command("other")(lambda: None)
    return lambda *words: CliRunner().invoke(app, ["items", *map(str, words)])


def catalogue(path: Path, count: int) -> Path:
    rows = [f"i{n},c{n % 3},{n}.5,https://s/{n},{n % 7}" for n in range(count)]
    path.write_text("\n".join(["item_id,category,price,url,stock", *rows]) + "\n")
    return path


def test_every_row_becomes_a_record_with_facts_and_attributes(
    run: Any, kafka_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(send_items, "IN_FLIGHT", 50)
    result = run(catalogue(tmp_path / "a.csv", 300), "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert (report["sent"], report["refused"]) == (300, 0)
    assert report["file_report"]["attributes"] == {"url": 300, "stock": 300}
    found = {record.key: decode_item(record.key, record.value) for record in arrived(kafka_settings, "items", 300)}
    assert len(found) == 300
    facts = found[b"i7"]
    assert isinstance(facts, ItemFacts)
    assert (facts.category, facts.price) == ("c1", 7.5)
    assert facts.attribute_values() == {"url": "https://s/7", "stock": 0}


def test_a_dry_run_begins_with_the_report_and_sends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICEGATE_KAFKA__BOOTSTRAP", "127.0.0.1:1")
    app = typer.Typer()
    items.register(app)
    app.command("other")(lambda: None)
    path = catalogue(tmp_path / "a.csv", 3)
    path.write_text(path.read_text() + ",c,1,,\n")
    result = CliRunner().invoke(app, ["items", str(path), "--dry-run", "--column", "stock=none"])
    assert result.exit_code == 3, result.output
    assert "CSV with commas; 4 rows: 3 items, 1 rows refused" in result.output
    assert "line 2 is read as i0" in result.output
    assert "attributes: url 3\n" in result.output
    assert "would send 3 items" in result.output


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--column", "price"], "NAME=VALUE"),
        (["--column", "price=pric"], "is not a field of ours"),
        (["--column", "never=price"], "has no column 'never'"),
        (["--column", "url=attributes."], "name the attribute"),
        (["--preset", "nobody"], "there are google, gorse, movielens"),
        (["--decimal", "x"], "the separator is"),
        (["--column", "item_id=none"], "name the column"),
    ],
)
def test_a_wrong_option_says_what_to_write(run: Any, tmp_path: Path, words: list[str], told: str) -> None:
    result = run(catalogue(tmp_path / "a.csv", 3), *words)
    assert result.exit_code == 2
    assert told in " ".join(result.output.replace("│", " ").split())
