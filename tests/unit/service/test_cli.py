"""Every command's help: an example that names the command, and what its exit codes mean."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from service import __main__ as serving
from service.cli import exit_codes
from service.cli.exit_codes import MEANINGS, OWN, USUAL
from service.cli.main import app, main
from service.cli.settings_example import example
from service.commands import keys, recommend
from service.http.auth import ROLES, ApiKeys
from streaming.learner import learner
from streaming.settings.loading import Settings, leaves, load_settings

ROOT = Path(__file__).resolve().parents[3]


def commands(group: typer.Typer, above: str) -> Iterator[tuple[str, str]]:
    """(words that run it, the end of its help) of every command."""
    for command in group.registered_commands:
        assert command.callback is not None
        yield f"{above} {command.name or command.callback.__name__}", str(command.epilog)
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        yield from commands(inner.typer_instance, f"{above} {inner.name or inner.typer_instance.info.name}")


EVERY = dict(commands(app, "sluicegate"))


@pytest.mark.parametrize("words", EVERY)
def test_the_help_of_a_command_has_its_exit_codes_once_and_an_example(words: str) -> None:
    epilog = EVERY[words]
    assert epilog.count("Exit codes: ") == 1
    assert words in epilog, "no example"


def test_exit_codes_belong_to_commands_that_exist() -> None:
    assert set(OWN) <= {words.split()[-1] for words in EVERY}


def test_the_codes_of_learner_and_service_are_those_they_end_with() -> None:
    codes = {learner.STOPPED, learner.FAILED, learner.USAGE, *(code for _, code in learner.CODES)}
    assert codes == set(OWN["learn"])
    assert {serving.OK, serving.DEFECT, serving.UNUSABLE, serving.NO_ADDRESS} == set(OWN["serve"])


def test_an_exit_code_means_one_thing_and_the_documents_say_what() -> None:
    assert {code for codes in (*OWN.values(), USUAL) for code in codes} == set(MEANINGS)
    section = re.search(
        r"^## Exit codes\n(.*?)^## ", (ROOT / "docs/operations.md").read_text(), re.DOTALL | re.MULTILINE
    )
    assert section is not None
    rows = re.findall(r"^\| (\d+) \| (.+?) \| (.+?) \| .*\|$", section[1], re.MULTILINE)
    assert {int(code): meaning for code, meaning, _ in rows} == MEANINGS
    ends = {code: [name for name, codes in OWN.items() if code in codes] for code in MEANINGS if code not in USUAL}
    for code, names in ends.items():
        (said,) = [by for number, _, by in rows if int(number) == code]
        assert re.findall(r"`(?:[\w-]+ )*([\w-]+)`", said) == names


def test_no_command_ends_with_a_number_of_its_own() -> None:
    numbers = [
        f"{path.name}:{node.lineno}"
        for path in (ROOT / "service/commands").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"typer.Exit", "sys.exit", "SystemExit"}
        if any(
            isinstance(each, ast.Constant) and isinstance(each.value, int)
            for argument in node.args
            for each in ast.walk(argument)
        )
    ]
    assert numbers == [], f"name it in {exit_codes.__name__}"


def test_h_is_help_too() -> None:
    runner = CliRunner()
    for words in ["", "sluicegate gate", "sluicegate keys", "sluicegate keys new", "sluicegate up", "sluicegate send"]:
        asked = runner.invoke(app, [*words.split()[1:], "-h"], env={"COLUMNS": "400"})
        assert asked.exit_code == 0
        assert "Usage: " in asked.output


def test_a_flag_is_shown_without_a_type() -> None:
    assert [words for words, text in helps() if "<bool>" in text] == []


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("sluicegate deadl", ["deadletter"]),
        ("sluicegate keys new --role ", ["read", "events", "beacon", "admin"]),
        ("sluicegate up --metr", ["--metrics-port"]),
    ],
)
def test_a_shell_completes_commands_options_and_values(typed: str, offered: list[str]) -> None:
    words = {"COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" ")), "_SLUICEGATE_COMPLETE": "complete_bash"}
    done = CliRunner().invoke(app, [], env=words, prog_name="sluicegate")
    assert done.exit_code == 0
    assert done.output.split() == offered


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (["up", "--port", "many"], "sluicegate up: Invalid value for '--port'"),
        (["keys", "new", "--role", "boss"], "sluicegate keys new: Invalid value for '--role': 'boss' is not one of"),
        (["promote"], "sluicegate: No such command 'promote'"),
        (["send"], "sluicegate send: Missing argument 'file'"),
        (["config", "--config", "nowhere.toml"], "sluicegate: cannot read the configuration file nowhere.toml"),
    ],
)
@pytest.mark.usefixtures("own_log")
def test_an_error_begins_with_what_is_wrong(
    words: list[str], wrong: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["sluicegate", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == exit_codes.USAGE
    assert capsys.readouterr().err.startswith(wrong)


def test_a_new_key_is_one_that_the_service_lets_in(tmp_path: Path) -> None:
    assert keys.Role.__args__ == ROLES
    file = tmp_path / "keys"
    file.write_text("# by hand\n" + f"read:{'0' * 64}")  # no line break at its end
    made = CliRunner().invoke(app, ["keys", "new", "--role", "events", "--file", str(file), "--json"])
    key = json.loads(made.output)["key"]
    accepted = ApiKeys(file=file, trusted=False)
    assert len(accepted) == 2
    assert accepted.admit({"x-api-key": key}, "events").role == "events"
    assert key not in file.read_text()
    again = CliRunner().invoke(app, ["keys", "new", "--file", str(tmp_path / "new")])
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "new").read_text().strip() in again.output


def test_the_example_of_a_settings_file_has_every_setting_with_its_default(tmp_path: Path) -> None:
    text = CliRunner().invoke(app, ["config", "--example"]).output
    assert text == example()
    file = tmp_path / "shop.toml"
    file.write_text(text)
    assert load_settings(file, {}).model_dump() == Settings().model_dump()
    file.write_text(re.sub(r"^#(\w+ = .+)$", r"\1", text, flags=re.MULTILINE))
    everything = load_settings(file, {})
    assert everything.model_dump() == Settings().model_dump()
    assert everything.origin("kafka.bootstrap") == str(file)
    named = re.findall(r"^#(\w+) =", text, re.MULTILINE)
    assert named == [path.rpartition(".")[2] for path in leaves()]


def test_recommendations_are_a_table_with_the_reason_of_each() -> None:
    first = {"item_id": "tea-1", "score": 0.51234, "rank": 1, "source": "ranker", "title": "Green tea", "price": 4.5}
    second = {"item_id": "pot-1", "score": 0.4, "rank": 2, "source": "popular", "reason": "bought with tea-1"}
    slate = {
        "request_id": "r1", "model_version": "7-1-ab", "model_age_seconds": 2.04, "served_by": "model",
        "degraded": ["histories"], "items": [first, second],
    }  # fmt: skip
    assert recommend.table(slate) == [
        "rank  item   score   because of         title      category  price",
        "1     tea-1  0.5123  ranker             Green tea            4.5",
        "2     pot-1  0.4000  bought with tea-1",
        "by model; version 7-1-ab, 2.0 s old; request r1",
        "degraded: histories",
    ]
    nothing = {**slate, "items": [], "degraded": [], "model_age_seconds": None}
    assert recommend.table(nothing) == ["no item to show", "by model; no version yet; request r1"]


TESTED = {
    "SLUICEGATE_CONFIG": "shop.toml",
    "SLUICEGATE_KEY": "s3cret",
    "SLUICEGATE_KAFKA__BOOTSTRAP": "kafka:9092",
    "SLUICEGATE_REDIS__URL": "redis://redis:6379/0",
}
"""Variables that a help text names, and a value of each. What the first two do is tested with real commands:
`test_the_file_may_be_named_in_the_environment`, `test_the_key_of_an_operator_may_stand_in_the_environment`."""


@cache
def helps() -> list[tuple[str, str]]:
    """(words, help) of every command, and of the modules that are run by name."""
    runner = CliRunner()
    found = [
        (words, runner.invoke(app, [*words.split()[1:], "--help"], env={"COLUMNS": "400"}).output) for words in EVERY
    ]
    for module in ("streaming", "service", "streaming.jobs.rebuild_process"):
        command = [sys.executable, "-m", module, "--help"]
        found.append((module, subprocess.run(command, capture_output=True, check=True, text=True).stdout))
    return found


def test_every_environment_variable_that_a_help_text_names_can_be_set(tmp_path: Path) -> None:
    named = {name for _, text in helps() for name in re.findall(r"SLUICEGATE_[A-Z_]+", text)}
    assert named == set(TESTED)
    file = tmp_path / "shop.toml"
    file.write_text('namespace = "shop"\n')
    settings = load_settings(None, TESTED | {"SLUICEGATE_CONFIG": str(file)})
    assert settings.namespace == "shop"
    assert settings.kafka.bootstrap == TESTED["SLUICEGATE_KAFKA__BOOTSTRAP"]
    assert settings.redis.url == TESTED["SLUICEGATE_REDIS__URL"]
