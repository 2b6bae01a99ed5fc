"""Figures of the documents: written from the results of benchmarks, found where they are not, dated where they stay."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from models.snapshot.chunks import CHUNK_BYTES
from service.serving.histories import BUDGET
from streaming.settings.loading import Settings
from streaming.versions.delta_cache import KEPT_BYTES
from tests.support.documents import bounds, figures
from tests.support.documents.measured import ALLOWED, measured
from tests.support.documents.results import names, result

ROOT = figures.ROOT
DOCS = ROOT / "docs"
RECORD = DOCS / "experiments.md"
"""Keeps the figures of their day; the changelog does too, and neither is a page of how things are now."""

MOST_WORDS = 180
"""Words of a decision, more than three times the usual: it is time to say less, or to move figures away."""

HOW_TO = [
    *(ROOT / page for page in ("README.md", "CONTRIBUTING.md")),
    *(page for page in sorted(DOCS.glob("*.md")) if page != RECORD),
    *sorted((ROOT / "examples").rglob("*.md")),
]


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", HOW_TO, ids=name)
def test_no_page_holds_a_measured_figure_that_no_result_writes(page: Path) -> None:
    assert measured(text(page)) == [], "link to docs/benchmarks.md, or to a dated section of docs/experiments.md"


@pytest.mark.parametrize(
    ("prose", "found"),
    [
        ("One core learns some 20,000 events a second.", "20,000 events/s"),
        ("The learner takes 39,700 events/s.", "39,700 events/s"),
        ("Events arrive; a few thousand a second are learned.", "thousand/s"),
        ("p99 at 1,000 requests/s", "1,000 requests/s"),
        ("It takes .24 ms\nof ranking.", "0.24 ms"),
        ("A record takes 46 microseconds of a core.", "46 µs"),
        ("between 81 to 358 ms", "81 to 358 ms"),
        ("waits 3.7 s of processor time", "3.7 s of processor time"),
        ("some 300 times as fast as River's", "300 times as fast"),
        ("7.5 MB/s reach Redis", "7.5 MB/s"),
        ("the hit rate rises from .306 to more", "0.306"),
        ("at a hit rate of .15", "hit rate of 0.15"),
    ],
)
def test_a_figure_in_prose_is_found(prose: str, found: str) -> None:
    assert measured(prose) == [found]


def test_blocks_fenced_code_settings_and_plain_numbers_are_no_figures() -> None:
    block = f"{figures.BEGINS}step{figures.WRITTEN}\n\n39,700 events/s\n\n{figures.CLOSING}"
    assert measured(f"before\n\n{block}\n\nafter") == []
    assert measured("```text\n39,700 events/s\n```") == []
    assert measured("A history has 50 ms to come; 100,000 items, within 20 s, 85 %, version 3.11.7, 0.26.1.") == []


def test_every_number_that_is_allowed_stands_on_a_page() -> None:
    pages = [page.replace(" a second", "/s").replace("0.", ".") for page in map(text, HOW_TO)]
    unused = [each for each in ALLOWED if not any(each.replace("0.", ".") in " ".join(page.split()) for page in pages)]
    assert unused == []


def test_limits_that_pages_name_are_those_of_the_code() -> None:
    settings = Settings()
    limits = {
        "50 ms": f"{BUDGET * 1000:g} ms",
        "64 KiB": f"{settings.events.max_bytes / 1024:g} KiB",
        "0.005": f"{settings.gate.margin:g}",
        "1 MiB": f"{CHUNK_BYTES / 2**20:g} MiB",
        "64 MiB": f"{KEPT_BYTES / 2**20:g} MiB",
    }
    assert set(limits) <= set(ALLOWED)
    assert limits == {named: named for named in limits}


def test_every_figure_with_a_bound_is_in_the_overview() -> None:
    bounded = {(each, figure["name"]) for each in names() for figure in result(each).get("figures", [])}
    shown = {(row.benchmark, row.name) for row in bounds.FIGURES if row.benchmark in names()}
    assert {row for row in bounded if row[0] not in {"quality", "carried", "basket", "cold", "shards"}} == shown


def test_every_benchmark_has_its_section_and_every_result_its_block() -> None:
    benchmarks = {
        path.stem for path in (ROOT / "benchmarks").glob("*.py") if re.search(r"^SUMMARY = ", text(path), re.MULTILINE)
    }
    page = text(DOCS / "benchmarks.md")
    assert set(re.findall(r"^## ([a-z]+)$", page, re.MULTILINE)) == benchmarks
    written = {found[0] for found in figures.MARKED.findall(page)}
    assert set(names()) <= written


@pytest.mark.parametrize(
    "damage",
    [
        lambda page: page.replace("figures step", "figures steps"),
        lambda page: page.replace(figures.CLOSING, "", 1),
        lambda page: page.replace("benchmarks/results/ -->", "-->", 1),
    ],
    ids=["unknown", "not closed", "other words"],
)
def test_a_damaged_block_is_an_error(damage: object) -> None:
    assert callable(damage)
    with pytest.raises(ValueError, match="figures"):
        figures.filled(damage(text(DOCS / "benchmarks.md")))


def questions() -> list[tuple[str, str]]:
    """(anchor, text) of every section of experiments.md that answers a question."""
    _, *parts = re.split(r"^### (.+)$", text(RECORD), flags=re.MULTILINE)
    anchors = [re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in parts[::2]]
    return list(zip(anchors, parts[1::2], strict=True))


@pytest.mark.parametrize(("anchor", "body"), questions(), ids=[anchor for anchor, _ in questions()])
def test_an_experiment_has_a_date_a_table_and_a_page_that_links_here_and_back(anchor: str, body: str) -> None:
    assert re.match(r"\n\n\d{4}-\d\d-\d\d\b", body)
    assert re.search(r"^\|---", body, re.MULTILINE)
    leads_to = set(re.findall(r"\]\((\w+\.md)#", body))
    links = {page.name for page in sorted(DOCS.glob("*.md")) if f"experiments.md#{anchor})" in text(page)}
    assert leads_to & links, f"{anchor} leads to {leads_to}, and {links} link to it"


def test_experiments_come_in_the_order_of_the_decisions() -> None:
    linked = list(dict.fromkeys(re.findall(r"experiments\.md#([\w-]+)\)", text(DOCS / "decisions.md"))))
    assert [anchor for anchor, _ in questions() if anchor in linked] == linked


def test_a_decision_is_a_claim_and_a_few_sentences() -> None:
    """Two or three sentences as a rule; the measurement behind them has its place in experiments.md."""
    decisions = text(DOCS / "decisions.md").partition("\n## Out of scope")[0]
    plain = [re.sub(r"\]\([^)]*\)", "]", " ".join(each.split())) for each in re.split(r"\n\n+", decisions)]
    claims = [each for each in plain if each.startswith("**")]
    long = [each[:60] for each in claims if len(each.split()) > MOST_WORDS]
    assert len(claims) > 200
    assert long == [], "say the claim and its reason; the rest belongs into experiments.md"


def test_decisions_are_headed_by_the_rooms_of_each_package() -> None:
    _, *parts = re.split(r"^## (\w+)$", text(DOCS / "decisions.md"), flags=re.MULTILINE)
    for package, body in zip(parts[::2], parts[1::2], strict=True):
        if package in {"models", "streaming", "service"}:
            rooms = re.findall(r"^### (\w+)", body, re.MULTILINE)
            assert rooms
            assert [room for room in rooms if not (ROOT / package / room).is_dir()] == []
