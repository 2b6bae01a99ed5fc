"""The page has words for every outcome, reason, fact and order that the service may name."""

from __future__ import annotations

import re
from pathlib import Path

from models.experiments.definition import ORDERS
from models.records.rejections import REASONS
from service.serving.coverage import FACTS
from streaming.telemetry import OUTCOMES

PAGE = Path(__file__).resolve().parents[3] / "service" / "static" / "page"


def named(file: str, constant: str) -> set[str]:
    """The names in a constant of a module of the page: the keys of an object."""
    text = (PAGE / file).read_text(encoding="utf-8")
    (inside,) = re.findall(rf"const {constant} = \{{(.*?)\n\}};", text, re.DOTALL)
    return set(re.findall(r"\b(\w+): \"", inside))


def test_each_outcome_and_reason_is_told_in_words() -> None:
    assert set(OUTCOMES) <= named("data.js", "OUTCOMES")
    assert set(REASONS) == named("data.js", "REASONS")


def test_the_facts_of_coverage_are_those_that_are_counted() -> None:
    (inside,) = re.findall(r"const FACTS = \[(.*?)\];", (PAGE / "data.js").read_text(encoding="utf-8"))
    assert tuple(re.findall(r"\[\"(\w+)\"", inside)) == FACTS


def test_all_that_can_order_can_be_compared() -> None:
    assert set(ORDERS) == named("compare.js", "ORDERS")
