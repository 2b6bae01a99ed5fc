"""The rules that the acceptance tier waits for are those that ship, only faster."""

from __future__ import annotations

import re

import pytest

from tests.support.documents.faster_rules import SECONDS, faster_query, faster_rules, faster_settings
from tests.support.documents.yaml_files import read_yaml
from tests.support.processes.prometheus_server import RULES, SETTINGS

DURATION = re.compile(r"\b(\d+)(ms|[smhd])\b")


def milliseconds(text: str) -> list[int]:
    found = [(int(number), unit) for number, unit in DURATION.findall(text)]
    return [number if unit == "ms" else number * SECONDS[unit] * 1000 for number, unit in found]


def test_every_duration_of_the_shipped_rules_is_divided_and_nothing_else_is_changed() -> None:
    shipped, faster = read_yaml(RULES), faster_rules(RULES.read_text(), 60)
    for group, quick in zip(shipped["groups"], faster["groups"], strict=True):
        for rule, made in zip(group["rules"], quick["rules"], strict=True):
            before, after = f"{rule['expr']} {rule.get('for', '')}", f"{made['expr']} {made.get('for', '')}"
            assert milliseconds(after) == [value // 60 for value in milliseconds(before)]
            kept = {name: value for name, value in rule.items() if name not in {"expr", "for"}}
            assert kept == {name: value for name, value in made.items() if name not in {"expr", "for"}}


def test_ages_are_divided_and_thresholds_are_not() -> None:
    ages = [rule["expr"] for group in faster_rules(RULES.read_text(), 60)["groups"] for rule in group["rules"]]
    (stuck,) = [each for each in ages if "serving_version_created" in each]
    assert "> 60 " in stuck
    (slow,) = [each for each in ages if "event_to_history" in each]
    assert slow.endswith("> 5")


def test_an_age_in_other_words_is_refused_rather_than_left_as_it_is() -> None:
    with pytest.raises(ValueError, match="time"):
        faster_query("(time() - avg(a)) > 60", 60)


def test_prometheus_scrapes_the_shipped_jobs_faster() -> None:
    targets = {"learner": ["127.0.0.1:1"], "service": ["127.0.0.1:2"]}
    made = faster_settings(SETTINGS.read_text(), 10, targets, "rules.yml")
    assert made["global"] == {"scrape_interval": "500ms", "evaluation_interval": "1500ms"}
    shipped = read_yaml(SETTINGS)
    assert [job["job_name"] for job in made["scrape_configs"]] == [job["job_name"] for job in shipped["scrape_configs"]]
    with pytest.raises(KeyError):
        faster_settings(SETTINGS.read_text(), 10, {"other": []}, "rules.yml")
