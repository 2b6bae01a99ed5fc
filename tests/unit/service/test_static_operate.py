"""The page offers "Promote it anyway" for every reason that an operator's promotion passes over only with force."""

from __future__ import annotations

import re
from pathlib import Path

from models.gate.guards import GUARDS

PAGE = Path(__file__).resolve().parents[3] / "service" / "static" / "page" / "operate.js"
JUDGED = {"harm", "crash", "behind_anchor", "recovering"}
"""Reasons of the comparisons; the guards about answers come beside them."""


def test_the_page_knows_every_reason_that_force_passes_over() -> None:
    (named,) = re.findall(r"const AGAINST = new Set\(\[(.*?)\]\)", PAGE.read_text(encoding="utf-8"))
    assert set(re.findall(r'"(\w+)"', named)) == JUDGED | {guard.reason for guard in GUARDS if guard.about == "answers"}
