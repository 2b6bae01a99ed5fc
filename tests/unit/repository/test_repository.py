"""The repository keeps its promises: purity, prose against code, requirements, changelog."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from models.ledger.admission import OUTCOMES
from models.recommender.prequential import CONTENDERS
from models.records.events import KINDS, Event
from models.records.items import ItemFacts
from models.records.rejections import REASONS
from streaming.settings.loading import leaves
from tests.acceptance.order import SECONDS
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


class Source(NamedTuple):
    """What the tests below ask of a file: its lines, its docstring, each name that it uses, and its prose, by line."""

    lines: int
    says: str | None
    uses: list[tuple[int, str]]
    prose: list[tuple[int, str]]


@cache
def source(path: Path) -> Source:
    """A file, parsed once for all tests of this module; its tree is not kept."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    return Source(len(text.splitlines()), ast.get_docstring(tree), list(uses(tree)), list(prose(tree, text)))


def prose(tree: ast.Module, text: str) -> Iterator[tuple[int, str]]:
    """Every docstring, text of several words and comment, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.lineno, node.value
    for number, line in enumerate(text.splitlines(), 1):
        if comment := re.search(r"(?:^\s*|  )# (.*)", line):
            yield number, comment[1]


def uses(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every dotted name, import and call of a plain name, with its line."""
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Attribute):
            names = [dotted(node)]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            names = [f"{node.func.id}()"]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        for used in names:
            yield node.lineno, used  # type: ignore[attr-defined]


def found(paths: list[Path], forbidden: re.Pattern[str]) -> list[str]:
    """Every use of a forbidden dotted name, import or call of a forbidden builtin, as FILE:LINE NAME."""
    return [
        f"{name(path)}:{line} {used}" for path in paths for line, used in source(path).uses if forbidden.fullmatch(used)
    ]


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


# One test for all files each: a test for each of them took longer to begin and to report than to run.
def test_models_ask_neither_clock_nor_environment_nor_global_randomness() -> None:
    assert found([path for path in sources("models") if path not in PROGRAMS], IMPURE) == []


def test_nothing_read_from_outside_is_executed() -> None:
    # To parse all files takes seconds, and hardly one has such a word.
    words = re.compile(rb"\b(c?[pP]ickle|dill|cloudpickle|joblib|marshal|shelve|eval|exec)\b")
    files = sources(*PACKAGES, "tests", "benchmarks", "deploy", "clients")
    suspects = [path for path in files if words.search(path.read_bytes())]
    assert suspects
    assert found(suspects, EXECUTES) == []


def test_a_file_is_one_idea_and_says_what_goes_in_and_out() -> None:
    files = sources(*PACKAGES, "clients")
    assert [name(path) for path in files if source(path).lines > LONGEST] == []
    assert [name(path) for path in files if source(path).lines and not source(path).says] == []


def test_the_walk_itself_finds_what_it_forbids(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text(
        "import time\nimport numpy as np\nfrom datetime import datetime\nimport pickle\n"
        "np.random.rand(3)\ntime.time()\ndatetime.now()\neval('1')\nnp.random.default_rng(1)\n"
    )
    used = [used for _, used in source(bad).uses]
    assert sorted(filter(IMPURE.fullmatch, used)) == ["datetime.now", "np.random.rand", "time", "time.time"]
    assert sorted(filter(EXECUTES.fullmatch, used)) == ["eval()", "pickle"]


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def test_the_readme_names_the_two_commands() -> None:
    assert "make demo" in read("README.md")
    assert "make test" in read("README.md")


def test_the_readme_can_be_read_outside_of_the_repository() -> None:
    inside = [link for link in links(read("README.md")) if "://" not in link]
    assert inside == [], f"write {ADDRESS}/blob/main/... in the README: package indexes show it without our files"


def test_the_package_says_where_it_lives() -> None:
    project = tomllib.loads(read("pyproject.toml"))["project"]
    assert {"Homepage", "Documentation", "Changelog", "Issues"} <= set(project["urls"])
    for address in project["urls"].values():
        assert address.startswith(ADDRESS)
        target = target_of(ROOT, address) if OURS.fullmatch(address) else None
        assert target is None or target.exists(), address


def test_a_source_distribution_holds_the_documents_the_tests_and_what_make_needs(tmp_path: Path) -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    if not listed:
        pytest.skip("this is no clone, so what belongs to the project is not known")
    source = tmp_path / "source"
    for file in listed:
        if (ROOT / file).is_file():
            (source / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / file, source / file)
    build = "import sys, setuptools.build_meta as build; print(build.build_sdist(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", build, str(tmp_path)], cwd=source, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    with tarfile.open(tmp_path / done.stdout.split()[-1]) as archive:
        held = {member.partition("/")[2] for member in archive.getnames()}
    assert [file for file in listed if file not in held and (ROOT / file).is_file()] == [".gitignore"]


def test_the_changelog_starts_with_the_version_of_the_package() -> None:
    version = tomllib.loads(read("pyproject.toml"))["project"]["version"]
    top = re.search(r"^## (\d\S*)", read("CHANGELOG.md"), re.MULTILINE)
    assert top is not None
    assert top[1] == version


def test_every_target_of_the_makefile_has_its_line_of_help() -> None:
    makefile = read("Makefile")
    for target in ("help", "setup", "demo", "test", "lint", "acceptance", "openapi", "bench", "ci"):
        assert re.search(rf"^{target}:.*## \S", makefile, re.MULTILINE), target


def test_the_order_of_the_acceptance_tests_names_files_that_exist() -> None:
    assert [file for file in SECONDS if not (ROOT / "tests/acceptance" / file).is_file()] == []


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
    wanted = list(project["project"]["dependencies"])
    for group in project["dependency-groups"].values():
        wanted += group
    for extra in project["project"]["optional-dependencies"].values():
        wanted += extra
    reasons = read("docs/decisions.md").lower()
    assert [entry for entry in wanted if f"`{re.split('[<>=;[]', entry)[0].lower()}`" not in reasons] == []


@pytest.mark.parametrize("page", pages.PAGES)
def test_a_written_page_is_what_the_code_says(page: str) -> None:
    assert read(page) == pages.PAGES[page](), "run: python -m tests.support.documents.pages"


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


ADDRESS = "https://github.com/sluicegate/sluicegate"
OURS = re.compile(
    rf"(?:{ADDRESS}/(?:blob|tree|raw)|{ADDRESS.replace('github.com', 'raw.githubusercontent.com')})/main/(.+)"
)
"""An absolute address of a file here; pages that are read outside of the repository link by it."""


def target_of(page: Path, link: str) -> Path | None:
    """The file a link of a page leads to, None for a link that leads out of the repository."""
    ours = OURS.fullmatch(link)
    if ours is not None:
        return (ROOT / ours[1].partition("#")[0]).resolve()
    if re.match(r"[a-z]+://", link):
        return None
    file = link.partition("#")[0]
    return page if not file else (page.parent / file).resolve()


def links(text: str) -> list[str]:
    """The targets of every link and image of a page."""
    return re.findall(r"\]\(([^)\s]+)\)", text)


@pytest.mark.parametrize("path", tracked_markdown(), ids=name)
def test_links_between_pages_lead_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for link in links(text):
        target = target_of(path, link)
        if target is None:
            assert not link.startswith(ADDRESS), f"{name(path)} links to {link}"
            continue
        _, _, fragment = link.partition("#")
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
    rows = re.findall(r"^\| (\d+) \|.* (?:all|`learn`) \|", read("docs/operations.md"), re.MULTILINE)
    assert rows == declared[1].split(", ")


def rooms() -> set[str]:
    """Every folder below the three packages that holds a package of its own, with a slash at its end."""
    found = {path.parent for folder in PACKAGES for path in (ROOT / folder).rglob("__init__.py")}
    return {f"{name(path)}/" for path in found if path.parent != ROOT}


def test_the_architecture_begins_with_a_picture_of_five_boxes_that_name_rooms() -> None:
    opening, _, _ = read("docs/architecture.md").partition("\n## ")
    (picture,) = re.findall(r"^```text\n(.*?)^```", opening, re.MULTILINE | re.DOTALL)
    assert re.findall(r"\| (\d)  \w", picture) == ["1", "5", "2", "4", "3"]
    named = set(re.findall(r"(?:models|streaming|service)/\w+/", picture))
    assert len(named) >= 5
    assert named <= rooms()
    assert re.findall(r"^(\d)\. \*\*", opening, re.MULTILINE) == ["1", "2", "3", "4", "5"]


def test_the_architecture_names_every_room_and_no_other() -> None:
    _, _, section = read("docs/architecture.md").partition("## The rooms\n")
    listed = re.findall(r"^\| `([\w/]+/)` \| .+ \|$", section.partition("\n## ")[0], re.MULTILINE)
    assert sorted(listed) == sorted(rooms())


def test_the_path_of_one_event_has_ten_steps_each_with_a_file_of_the_room_it_is_in() -> None:
    text = read("docs/architecture.md")
    _, _, section = text.partition("## The path of one event\n")
    steps = re.findall(r"^\| (\d+) \| (.+) \| (.+) \|$", section.partition("\n## ")[0], re.MULTILINE)
    assert [number for number, _, _ in steps] == [str(number) for number in range(1, 11)]
    files = [re.findall(r"`((?:models|streaming|service)/[\w/]+\.py)`", where) for _, _, where in steps]
    assert all(files)
    assert {file.split("/")[0] for step in files for file in step} == set(PACKAGES)
    named = set(re.findall(r"(?<![\w/])(?:models|streaming|service|tests)/[\w/]+\.py", text))
    assert sorted(file for file in named if not (ROOT / file).exists()) == []


def test_the_architecture_tells_in_order_what_follows_a_kill_and_where_an_event_is_refused() -> None:
    text = read("docs/architecture.md")
    _, _, story = text.partition("## From `kill -9` to the next version\n")
    steps = re.findall(r"^(\d+)\. \*\*", story.partition("\n## ")[0], re.MULTILINE)
    assert steps == [str(number) for number in range(1, len(steps) + 1)]
    assert len(steps) >= 8
    _, _, table = text.partition("## Where an event is refused\n")
    ways = re.findall(r"^\| (HTTP|a file|the learner|an operator) \|", table.partition("\n## ")[0], re.MULTILINE)
    assert set(ways) == {"HTTP", "a file", "the learner", "an operator"}
    assert [word for word in OUTCOMES if word not in table] == []


CONCEPTS = (
    *("event", "history", "joined ids", "source", "candidate", "ranking", "version", "gate"),
    *("challenger", "champion", "reference", "anchor", "baseline", "slate", "witness"),
)


def test_the_concepts_are_defined_once_in_two_sentences_each_below_a_picture() -> None:
    text = read("docs/concepts.md")
    (picture,) = re.findall(r"^```text\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert [word for word in CONCEPTS if word not in picture and word not in {"event", "joined ids"}] == []
    defined = re.findall(r"^\*\*([\w ]+)\.\*\* (.+?)\n\n", text, re.MULTILINE | re.DOTALL)
    assert [word.lower() for word, _ in defined] == list(CONCEPTS)
    assert len(CONCEPTS) == 15
    assert text.startswith("# Concepts\n\nFifteen words ")
    assert "the fifteen words" in read("README.md")
    sentences = {word: len(re.findall(r"[.:)](?= [A-Z]|$)", meaning)) for word, meaning in defined}
    assert {word: count for word, count in sentences.items() if count != 2} == {}


RETIRED = re.compile(
    r"\b(learnt|anew|of late|for certain|for ever|last known good|roll-backs?|told of)\b|(?<![\w.])\.\d"
)
"""Words that say a thing of docs/concepts.md in a second way, or have to be read twice; decimals without a zero."""
WRITTEN = {"configuration.md", "metrics.md"}
"""Pages that are written from texts in the code."""


@pytest.mark.parametrize("path", [path for path in tracked_markdown() if path.name not in WRITTEN], ids=name)
def test_a_page_says_things_in_the_words_of_the_concepts(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"<!-- (\w+)[\w ]*: written by.*?<!-- end of \1 -->", "", text, flags=re.DOTALL)
    text = re.sub(r"^```.*?^```|`[^`\n]*`|<[^>\n]*>", "", text, flags=re.MULTILINE | re.DOTALL)
    if path.name == "concepts.md":  # it lists the older names
        text = text.partition("## Where these words appear")[0]
    assert [found[0] for found in RETIRED.finditer(text)] == []


RIDDLES = re.compile(
    r"(?<!['\".])\b(learnt(?!['\":=])|anew|of late|for certain|for ever|roll-backs?|told of|mend(s|ed|ing)?|hence)\b"
    r"|what is served|(?<![\w.%])\.[1-9]"
)
"""The same in code, where labels and fields keep their names, such as the label learnt of a metric."""


def test_code_and_its_texts_say_things_in_these_words_too() -> None:
    assert [
        f"{name(path)}:{line} {found[0]}"
        for path in sources(*PACKAGES, "clients")
        for line, text in source(path).prose
        for found in RIDDLES.finditer(re.sub(r"`[^`]*`", "", text))
    ] == []


def test_what_is_out_of_scope_says_why_and_what_to_use_instead() -> None:
    _, _, section = read("docs/decisions.md").partition("## Out of scope\n")
    rows = [row.split("|")[1:-1] for row in section.splitlines() if row.startswith("| ")][1:]
    assert all(len(row) == 3 and all(cell.strip() for cell in row) for row in rows)
    asked = ("recurrent networks", "transformers", "churn prediction", "dynamic pricing")
    assert [word for word in asked if word not in " ".join(row[0] for row in rows)] == []
    here = {line.split("==")[0] for line in read("requirements/runtime.txt").splitlines() if "==" in line}
    assert here.isdisjoint({"torch", "tensorflow", "lightgbm", "xgboost", "lifelines"})
