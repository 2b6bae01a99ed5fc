"""The tables of docs/integrations.md: files as shops have them, and what is read of each, as reading them gives it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from streaming.files import presets
from tests.support.streams.exports import Export, dialects, read, summary, values
from tests.support.streams.odd_exports import odd
from tests.support.streams.system_exports import systems

OPEN = "<!-- exports: written by `python -m tests.support.documents.pages` from tests/support/streams/exports.py -->"
CLOSE = "<!-- end of exports -->"

_LONGEST = 200
"""Characters of a message that the tables show."""


def integrations(page: Path) -> str:
    """The page docs/integrations.md as it stands, with its tables."""
    before, opening, rest = page.read_text(encoding="utf-8").partition(OPEN)
    _, closing, after = rest.partition(CLOSE)
    return f"{before}{opening}\n\n{_tables()}\n\n{closing}{after}"


def _tables() -> str:
    known = sorted((replace(export, preset=export.name) for export in systems()), key=lambda export: export.name)
    systems_rows = [f"| `{each.name}` | {presets()[each.name].about} | {_outcome(each)} |" for each in known]
    parts = [
        *("| preset | the file | read of the sample |", "|---|---|---|", *systems_rows, ""),
        *(
            "How a file is written:",
            "",
            "| a file with | flags | read of the sample |",
            "|---|---|---|",
            *_rows(dialects()),
            "",
        ),
        *(
            "What is in its cells:",
            "",
            "| a row with | flags | read of the sample |",
            "|---|---|---|",
            *_rows(values()),
            "",
        ),
        *(
            "What is damaged, put together, or written by few programs:",
            "",
            "| a file with | flags | read of the sample |",
            "|---|---|---|",
            *_rows(odd()),
        ),
    ]
    return "\n".join(parts)


def _rows(exports: Sequence[Export]) -> list[str]:
    return [f"| {export.name} | {_code(export.flags)} | {_outcome(export)} |" for export in exports]


def _code(text: str) -> str:
    return f"`{text}`".replace("|", "\\|") if text else ""


def _outcome(export: Export) -> str:
    """Events, what was left out, what was refused, and the advice of the report."""
    with tempfile.TemporaryDirectory() as folder:
        survey, _, outcomes = read(export, Path(folder))
    events = [
        f"{user} {kind} {item}" + (f" at {price:g}" if price is not None else "")
        for user, item, kind, price in summary(outcomes)
    ]
    parts = [", ".join(events) or "nothing"]
    if survey.passed:
        why = f" ({', '.join(survey.skipped)})" if survey.skipped else ""
        parts.append(f"{survey.passed} passed over{why}")
    if survey.left_out:
        found = (f"{field} (`{survey.examples[field].found[:_LONGEST]}`)" for field in survey.left_out)
        parts.append(f"left out: {', '.join(found)}")
    parts += [f"refused: {_cut(reason)}" for _, reason in survey.refusals]
    parts += [f"says {' and '.join(f'`{part}`' for part in export.says)}" if export.says else ""]
    return "; ".join(part for part in parts if part).replace("|", "\\|")


def _cut(reason: str) -> str:
    where, _, why = reason.partition(": expected ")
    expected, _, found = why.rpartition(", found ")
    text = f"{where}: found {found}, expected {expected}" if found else reason
    return f"`{text[:_LONGEST].rstrip()}{'...' if len(text) > _LONGEST else ''}`"
