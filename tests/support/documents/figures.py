"""Fills the blocks of figures on the pages of docs/ and in README.md from `benchmarks/results`.

A block begins with a comment that names it and ends with another one; what stands between is written here. No measured
number stands elsewhere on these pages, so that none disagrees with another.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from tests.support.documents import bounds, gate_tables, shard_tables, tables

ROOT = Path(__file__).resolve().parents[3]

BLOCKS: Final[Mapping[str, Callable[[], str]]] = {
    "sizing": bounds.sizing,
    "overview": bounds.overview,
    "runs": bounds.runs,
    "pipeline": tables.pipeline,
    "recommend": tables.recommend,
    "freshness": tables.freshness,
    "recovery": tables.recovery,
    "versions": tables.versions,
    "soak": tables.soak,
    "learning": tables.learning,
    "reading": tables.reading,
    "step": tables.step,
    "ranking": tables.ranking,
    "given": tables.given,
    "bulk": tables.bulk,
    "arms": tables.arms,
    "tracing": tables.tracing,
    "memory": tables.memory,
    "chunks": tables.chunks,
    "starts": gate_tables.starts,
    "comparing": gate_tables.comparing,
    "gate": gate_tables.gate,
    "quality": tables.quality,
    "carried": tables.carried,
    "basket": tables.basket,
    "cold": tables.cold,
    "shards": shard_tables.quality,
    "shard_rates": shard_tables.rates,
    "replica": shard_tables.replica,
}
"""What writes the block of each name."""

BEGINS = "<!-- figures "
WRITTEN = ": written by `python -m tests.support.documents.pages` from benchmarks/results/ -->"
CLOSING = "<!-- end of figures -->"
MARKED = re.compile(rf"{BEGINS}(\w+){re.escape(WRITTEN)}(.*?){CLOSING}", re.DOTALL)


def filled(text: str) -> str:
    """A page with each of its blocks written from the results. ValueError for a block without a name or an end."""

    def write(found: re.Match[str]) -> str:
        if found[1] not in BLOCKS:
            raise ValueError(f"no figures are called {found[1]!r}; there are {', '.join(BLOCKS)}")
        return f"{BEGINS}{found[1]}{WRITTEN}\n\n{BLOCKS[found[1]]()}\n\n{CLOSING}"

    if not len(MARKED.findall(text)) == text.count(BEGINS) == text.count(CLOSING):
        raise ValueError(f"a block of figures is not closed, or does not begin with {BEGINS}NAME{WRITTEN}")
    return MARKED.sub(write, text)


def without(text: str) -> str:
    """A page without its blocks of figures."""
    return MARKED.sub("", text)


def holders() -> list[Path]:
    """README.md and the pages of docs/ that hold a block of figures."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return [page for page in pages if BEGINS in page.read_text(encoding="utf-8")]
