"""The repository keeps its promises: purity, prose against code, requirements, changelog."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.recommender.prequential import CONTENDERS
from models.records.events import KINDS, Event
from models.records.items import ItemFacts
from models.records.rejections import REASONS
from streaming.settings.loading import leaves
from tests.support.documents import pages

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = ("models", "streaming", "service")
LONGEST = 500  # lines of a file; above that it has become two ideas


def sources(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def dotted(node: ast.expr) -> str:
    """`np.random.rand` of the expression np.random.rand; empty for anything that is not a plain dotted name."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def found(path: Path, forbidden: re.Pattern[str]) -> Iterator[str]:
    """Every use of a forbidden dotted name, import or call of a forbidden builtin, as FILE:LINE NAME."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Attribute):
            names = [dotted(node)]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            names = [f"{node.func.id}()"]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        yield from (f"{name(path)}:{node.lineno} {used}" for used in names if forbidden.fullmatch(used))


# Generators that are made from a seed may be named; drawing from the module's own hidden state may not.
IMPURE = re.compile(
    r"os|os\.(environ|getenv).*|time|time\.(time|time_ns|monotonic|perf_counter|localtime|gmtime).*"
    r"|(datetime\.)?(datetime|date)\.(now|utcnow|today)|random|random\..+|secrets.*|uuid.*|logging.*"
    r"|(np|numpy)\.random\.(?!Generator|PCG64|SeedSequence|Philox|default_rng)\w+"
)
EXECUTES = re.compile(
    r"(pickle|cPickle|dill|cloudpickle|joblib|marshal|shelve)(\..+)?|eval\(\)|exec\(\)|(builtins\.)?(eval|exec)"
)


PROGRAMS = {ROOT / "models/warmup.py"}  # run by hand, imported by nothing that learns: may say how long it took


@pytest.mark.parametrize("path", [path for path in sources("models") if path not in PROGRAMS], ids=name)
def test_models_ask_neither_clock_nor_environment_nor_global_randomness(path: Path) -> None:
    assert list(found(path, IMPURE)) == []


@pytest.mark.parametrize("path", sources(*PACKAGES, "tests", "benchmarks", "deploy"), ids=name)
def test_nothing_read_from_outside_is_executed(path: Path) -> None:
    assert list(found(path, EXECUTES)) == []


@pytest.mark.parametrize("path", sources(*PACKAGES), ids=name)
def test_a_file_is_one_idea_and_says_what_goes_in_and_out(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST
    assert not text.strip() or ast.get_docstring(ast.parse(text)), f"{name(path)} has no first line"


def test_the_walk_itself_finds_what_it_forbids(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text(
        "import time\nimport numpy as np\nfrom datetime import datetime\nimport pickle\n"
        "np.random.rand(3)\ntime.time()\ndatetime.now()\neval('1')\nnp.random.default_rng(1)\n"
    )
    tree = ast.parse(bad.read_text())
    used = [dotted(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    assert sorted(entry for entry in used if IMPURE.fullmatch(entry)) == ["datetime.now", "np.random.rand", "time.time"]
    assert EXECUTES.fullmatch("eval()")
    assert EXECUTES.fullmatch("pickle")


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def test_the_readme_names_the_two_commands() -> None:
    assert "make demo" in read("README.md")
    assert "make test" in read("README.md")


def test_the_changelog_starts_with_the_version_of_the_package() -> None:
    version = tomllib.loads(read("pyproject.toml"))["project"]["version"]
    top = re.search(r"^## (\d\S*)", read("CHANGELOG.md"), re.MULTILINE)
    assert top is not None
    assert top[1] == version


def test_every_target_of_the_makefile_has_its_line_of_help() -> None:
    makefile = read("Makefile")
    for target in ("help", "setup", "demo", "test", "lint", "acceptance", "bench", "ci"):
        assert re.search(rf"^{target}:.*## \S", makefile, re.MULTILINE), target


@pytest.mark.parametrize("path", sorted((ROOT / "requirements").glob("*.txt")), ids=name)
def test_requirements_are_pinned_and_hashed_and_name_no_index(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "://" not in text
    assert "index" not in "".join(line for line in text.splitlines() if line.startswith("-"))
    entries = re.split(r"\n(?=\S)", text.strip())
    assert entries
    for entry in entries:
        assert re.match(r"[\w.\[\]-]+==\S+", entry), entry.splitlines()[0]
        assert "--hash=sha256:" in entry, entry.splitlines()[0]


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads(read("pyproject.toml"))
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    for extra in project["project"]["optional-dependencies"].values():
        wanted += extra
    reasons = read("docs/decisions.md").lower()
    assert [entry for entry in wanted if f"`{re.split('[<>=;[]', entry)[0].lower()}`" not in reasons] == []


@pytest.mark.parametrize("page", pages.PAGES)
def test_a_written_page_is_what_the_code_says(page: str) -> None:
    assert read(f"docs/{page}") == pages.PAGES[page](), "run: python -m tests.support.documents.pages"


def test_every_setting_is_on_its_page_and_every_reason_belongs_to_one() -> None:
    keys = set(leaves())
    assert [key for key in keys if f"`{key}`" not in read("docs/configuration.md")] == []
    assert set(pages.REASONS) <= keys


def test_every_field_type_and_reason_of_an_event_is_on_its_page() -> None:
    text = read("docs/events.md")
    fields = {"event_type", *Event.__struct_fields__} - {"kind"}
    wanted = [*fields, *KINDS, *REASONS, *ItemFacts.__struct_fields__]
    assert [word for word in wanted if f"`{word}`" not in text] == []


def tracked_markdown() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=False)
    found = [ROOT / line for line in listed.stdout.splitlines()]
    return [path for path in found or sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").glob("*.md")) if path.exists()]


def anchors(text: str) -> set[str]:
    """The fragments a page offers: its headings as GitHub makes them, and explicit `<a id="…">`."""
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    made = {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}
    return made | set(re.findall(r'<a id="([^"]+)"', text))


@pytest.mark.parametrize("path", tracked_markdown(), ids=name)
def test_links_between_pages_lead_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+://", link):
            continue
        file, _, fragment = link.partition("#")
        target = path if not file else (path.parent / file).resolve()
        assert target.exists(), f"{name(path)} links to {link}"
        if fragment:
            assert fragment in anchors(target.read_text(encoding="utf-8")), f"{name(path)} links to {link}"


@pytest.mark.parametrize("path", tracked_markdown(), ids=name)
def test_files_named_in_prose_exist(path: Path) -> None:
    roots = "models|streaming|service|tests|docs|deploy|benchmarks|requirements"
    named = re.findall(rf"`((?:{roots})/[\w./-]+\.[a-z]+)`", path.read_text(encoding="utf-8"))
    assert [file for file in named if not (ROOT / file).exists()] == []


@pytest.mark.parametrize("path", tracked_markdown(), ids=name)
def test_no_command_sends_an_event_that_is_too_old_to_be_learnt(path: Path) -> None:
    for command in re.findall(r"^curl .*/events.*(?:\n .*)*", path.read_text(encoding="utf-8"), re.MULTILINE):
        assert '"timestamp"' not in command or "$(date +%s)" in command


def test_decisions_have_each_heading_once_with_something_under_it() -> None:
    _, *parts = re.split(r"^## (.+)$", read("docs/decisions.md"), flags=re.MULTILINE)
    assert len(set(parts[::2])) == len(parts[::2])
    assert all(body.strip() for body in parts[1::2])


def test_every_route_is_on_its_page_and_every_one_there_exists() -> None:
    text = read("docs/api.md")
    described = set(re.findall(r"^\| `([A-Z]+ /\S*)` \|", text, re.MULTILINE))
    assert described == routes()


def routes() -> set[str]:
    """METHOD /path of every operation that the service's own description holds, read from the route modules."""
    found = set()
    for path in sources("service/routes"):
        for method, route in re.findall(r"@router\.(get|put|post|delete)\(\s*\"([^\"]+)\"", path.read_text()):
            if path.stem != "pages":
                found.add(f"{method.upper()} {route}")
    return found


def test_every_test_that_the_failures_page_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", read("docs/failures.md")))
    assert named
    written = {match for path in sources("tests") for match in re.findall(r"def (test_\w+)", path.read_text())}
    assert named <= written


def test_every_contender_is_on_its_page() -> None:
    assert [name for name in CONTENDERS if f"`{name}`" not in read("docs/models.md")] == []


def test_every_exit_code_of_the_learner_has_its_row() -> None:
    declared = re.search(r"^STOPPED, .* = ([\d, ]+)$", read("streaming/learner/learner.py"), re.MULTILINE)
    assert declared is not None
    rows = re.findall(r"^\| (\d+) \|", read("docs/operations.md"), re.MULTILINE)
    assert rows == declared[1].split(", ")


def test_the_picture_of_the_architecture_names_files_that_exist_on_the_path_it_describes() -> None:
    text = read("docs/architecture.md")
    (picture,) = re.findall(r"^```text\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    named = set(re.findall(r"\b(?:models|streaming|service)/[\w/]+\.py", text))
    assert sorted(file for file in named if not (ROOT / file).exists()) == []
    assert {f"{package}/" for package in PACKAGES} <= {file.split("/")[0] + "/" for file in named if file in picture}
    assert len([file for file in named if file in picture]) > 15


def test_what_is_out_of_scope_says_why_and_what_to_use_instead() -> None:
    _, _, section = read("docs/decisions.md").partition("## Out of scope\n")
    rows = [row.split("|")[1:-1] for row in section.splitlines() if row.startswith("| ")][1:]
    assert all(len(row) == 3 and all(cell.strip() for cell in row) for row in rows)
    asked = ("recurrent networks", "transformers", "churn prediction", "dynamic pricing")
    assert [word for word in asked if word not in " ".join(row[0] for row in rows)] == []
    here = {line.split("==")[0] for line in read("requirements/runtime.txt").splitlines() if "==" in line}
    assert here.isdisjoint({"torch", "tensorflow", "lightgbm", "xgboost", "lifelines"})
