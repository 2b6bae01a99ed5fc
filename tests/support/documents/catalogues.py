"""The tables of catalogues in docs/integrations.md: files about items, and what is read of each."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from streaming.files import item_presets
from tests.support.streams.catalogues import Catalogue, catalogues, read, systems

OPEN = (
    "<!-- catalogues: written by `python -m tests.support.documents.pages` from tests/support/streams/catalogues.py -->"
)
CLOSE = "<!-- end of catalogues -->"


def filled(page: str) -> str:
    """The text of the page with its tables of catalogues."""
    before, opening, rest = page.partition(OPEN)
    _, closing, after = rest.partition(CLOSE)
    return f"{before}{opening}\n\n{_tables()}\n\n{closing}{after}"


def _tables() -> str:
    known = sorted(systems(), key=lambda each: each.name)
    return "\n".join([
        *("| preset | the file | read of the first item |", "|---|---|---|"),
        *(f"| `{each.preset}` | {item_presets()[each.preset].about} | {_outcome(each)} |" for each in known),
        *("", "| a file with | flags | read of the first item |", "|---|---|---|"),
        *_rows(catalogues()),
    ])


def _rows(each_of: Sequence[Catalogue]) -> list[str]:
    return [f"| {each.name} | {f'`{each.flags}`' if each.flags else ''} | {_outcome(each)} |" for each in each_of]


def _outcome(catalogue: Catalogue) -> str:
    with tempfile.TemporaryDirectory() as folder:
        survey, _, items, _ = read(catalogue, Path(folder))
    item, facts = next(iter(items.items()))
    parts = [f"{item}: {_facts(facts)}"]
    if survey.skipped:
        parts.append(f"{survey.passed} passed over ({', '.join(survey.skipped)})")
    if survey.left_out:
        parts.append(f"left out: {', '.join(survey.left_out)}")
    parts += [f"refused: `{reason}`" for _, reason in survey.refusals]
    return "; ".join(parts).replace("|", "\\|")


def _facts(facts: dict[str, Any]) -> str:
    own = facts.get("attributes", {})
    said = [f"{name} {_value(value)}" for name, value in facts.items() if name != "attributes"]
    attributes = [f"{name} {_value(value)}" for name, value in own.items()]
    parts = [", ".join(said)] if said else []
    parts += [f"attributes: {', '.join(attributes)}"] if attributes else []
    return "; ".join(parts) or "nothing"


def _value(value: Any) -> str:
    return f"`{value}`" if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


__all__ = ["filled"]
