"""`sluicegate evaluate`: what it prints, its exit codes, and that a mistake is one helpful line."""

import json
import random
import sys
from pathlib import Path

import pytest

from service.cli import main as cli

pytestmark = pytest.mark.usefixtures("own_log")

LATE = 1_600_000_000


def run(monkeypatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["sluicegate", *map(str, words)])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert isinstance(left.value.code, int)
    return left.value.code


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A small shop's log: users keep to one of three shelves."""
    rng, rows = random.Random(4), ["visitorid,itemid,event,timestamp,rating,shelf"]
    for n in range(600):
        user = rng.randrange(12)
        shelf = user % 3
        item = shelf + 3 * rng.randrange(8)
        rows.append(f"v{user},{item},{rng.choice(['view', 'view', 'addtocart', 'play'])},{LATE + n},{n % 5},{shelf}")
    path = tmp_path / "log.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_a_log_is_evaluated_and_the_table_and_the_protocol_are_printed(monkeypatch, log, capsys) -> None:
    words = ("--map", "play=click", "--contenders", "river", "--column", "shelf=category", "--every", 1, "--seed", 1)
    assert run(monkeypatch, "evaluate", log, *words) == 0
    out = capsys.readouterr().out
    assert "600 events" in out
    for name in ("served ", "popularity_middle *", "machine *", "river.FMRegressor", "river.BiasedMF", "pointwise"):
        assert f"\n{name}" in out
    for part in ("protocol:", "every: 1", "ties", "seed: 1", "known_to_user", "by_type: cart", "by_history: 20-99"):
        assert part in out


def test_json_is_one_object_with_the_figures_of_each_contender(monkeypatch, log, capsys) -> None:
    words = ("--map", "play=none", "--min-rating", 2, "--contenders", "builtin", "--k", 5, "--limit", 200, "--json")
    assert run(monkeypatch, "evaluate", log, *words) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["protocol"]["k"] == 5
    assert result["stream"]["events"] == 200
    assert result["stream"]["by_type"].keys() == {"click", "cart"}
    assert result["file"]["passed"] > 0
    assert result["file"]["types"].keys() == {"view", "addtocart", "play"}
    assert set(result["best_single_source"]) == {"hr@5", "mrr@5", "ndcg@5"}
    assert result["contenders"][result["served"]]["hr@5"] > 0.2
    assert "river.FMRegressor" not in result["contenders"]


def test_facts_of_items_come_from_their_own_file_with_its_own_columns(monkeypatch, log, tmp_path, capsys) -> None:
    items = tmp_path / "items.csv"
    items.write_text("itemid,department\n" + "\n".join(f"{n},d{n % 3}" for n in range(40)), encoding="utf-8")
    words = ("--map", "play=click", "--items", items, "--column", "department=category", "--contenders", "builtin")
    assert run(monkeypatch, "evaluate", log, *words, "--json") == 0
    assert json.loads(capsys.readouterr().out)["stream"]["catalogue"] == 40


def test_a_dry_run_says_what_was_read_and_ends_there(monkeypatch, log, tmp_path, capsys) -> None:
    key = tmp_path / "key"
    key.write_text("0123456789abcdef0123456789abcdef\n")
    wrong = ("--map", "plya=none", "--column", "shelve=none")
    words = ("--map", "play=none", "--column", "rating=none", "--hash-ids", key, "--dry-run", *wrong)
    assert run(monkeypatch, "evaluate", log, *words) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"{log}: CSV with commas; 600 rows: ")
    assert (
        "fields: event_type from event, user_id from visitorid, item_id from itemid, timestamp; not used: rating, shelf"
        in out.splitlines()[1]
    )
    assert "! no row has the type 'plya', which --map names; there are 'view'" in out
    assert "! no column is called 'shelve', which --column is to leave out: there are visitorid, itemid" in out
    assert '"user_id":"v' not in out, "ids are hashed"
    assert "served" not in out
    assert run(monkeypatch, "evaluate", log, *words, "--json") == 0
    document = json.loads(capsys.readouterr().out)["file"]
    assert document["fields"]["user_id"] == "visitorid"
    assert document["events"] + document["passed"] == document["rows"] == 600
    assert len(document["sample"]["event"]["user_id"]) == 32


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["LOG", "--preset", "nope"], "no preset 'nope': there are cloudevents, ga4"),
        (["LOG", "--decimal", ";"], "the separator is , or ."),
        (["LOG", "--encoding", "klingon"], "'klingon' is not known"),
        (["LOG", "--zone", "Mars"], "zone 'Mars' is not known here"),
        (["LOG", "--hash-ids", "nosuch.key"], "cannot read nosuch.key"),
        (["nosuch.csv"], "cannot read nosuch.csv: No such file"),
        (["LOG"], "nothing maps the event type 'play'"),
        (["LOG"], "--map play=click"),
        (["LOG", "--map", "play=listen"], "'listen' is not an event type: "),
        (["LOG", "--map", "play"], "'play' is not NAME=VALUE"),
        (["LOG", "--column", "colour=category"], "has no column 'colour'; it has visitorid, itemid"),
        (["LOG", "--column", "visitorid=none"], "visitorid=none leaves out what no event can be without"),
        (["LOG", "--column", "shelf=colour"], "'colour' is not a field of ours"),
        (["LOG", "--contenders", "gorse"], "no contender 'gorse': there are builtin, river"),
        (["LOG", "--k", "31"], "at most 30"),
        (["LOG", "--items", "nosuch.csv"], "cannot read nosuch.csv"),
        (["LOG", "--limit", "0"], "--limit"),
    ],
)
def test_a_mistake_is_exit_code_2_and_a_line_that_says_what_to_write(monkeypatch, log, capsys, words, says) -> None:
    assert run(monkeypatch, "evaluate", *[str(log) if word == "LOG" else word for word in words]) == 2
    said = capsys.readouterr()
    assert says in said.err
    assert said.out == ""
    assert "Traceback" not in said.err


def test_a_log_that_is_too_short_is_exit_code_1_with_the_reason(monkeypatch, tmp_path, capsys) -> None:
    path = tmp_path / "short.csv"
    path.write_text(f"event_type,user_id,item_id,timestamp\nclick,u,a,{LATE}\nclick,u,b,{LATE + 1}\n")
    assert run(monkeypatch, "evaluate", path) == 1
    said = capsys.readouterr()
    assert "nothing could be evaluated: of 2 events" in said.err
    assert "2 rows: 2 events" in said.out, "what was read is said before"
    assert "served" not in said.out


def test_help_says_who_the_contenders_are_and_how_to_install_the_others(monkeypatch, capsys) -> None:
    assert run(monkeypatch, "evaluate", "--help") == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "pip install 'sluicegate[compare]'" in out
    assert "Vowpal Wabbit" in out
    assert "FMRegressor" in out


def test_a_mistake_in_any_other_command_is_no_stack_trace_either(monkeypatch, capsys) -> None:
    assert run(monkeypatch, "send", "nosuch.csv") == 2
    assert run(monkeypatch, "nosuch") == 2
    assert "Traceback" not in capsys.readouterr().err
