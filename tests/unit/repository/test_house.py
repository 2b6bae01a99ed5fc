"""The rooms of the house: their size, their doors, and the words that stand over them."""

from __future__ import annotations

import ast
import importlib
from collections import defaultdict
from pathlib import Path

import pytest

from tests.support.documents.house import (
    LISTED,
    LONGEST,
    MOST_FILES,
    MOST_LISTED,
    PACKAGES,
    RACKS,
    ROOT,
    exports,
    name,
    package,
    rooms,
)

ROOMS_OF = {which: rooms(which) for which in PACKAGES}
ROOMS = [room for found in ROOMS_OF.values() for room in found]
LIBRARIES = [room for room in ROOMS if name(room) not in RACKS]
DOORS = {room: name(room).replace("/", ".") for room in LIBRARIES}

SHARED = {
    "attributes": "what a shop says freely: the values, and those of users in Redis",
    "arrangement": "putting items on a page: the rule, and the service's use of it",
    "attribution": "which slate an event belongs to: the statistics, and the learner's use of them",
    "base": "what the other files of its room are built on",
    "candidates": "the first stage of a ranking, for touched and for untouched items",
    "catalogue": "the items that exist: as rows, as known to the intake, as served",
    "completions": "facts that events say of their items: what they are, and sending those of requests",
    "demo": "the demo: its parts and its command",
    "erasures": "users who were erased: the rule, the live store, the service, the route",
    "errors": "the errors of its room",
    "events": "events: the record, its settings, its files, its route",
    "evidence": "what the gate decides by: the records, the learner's report, the service's reader",
    "experiments": "experiments on users: settings, counting, assignment, the route",
    "explanation": "why an item is on a page: of a score, of a page",
    "factorization": "the factorization machine: inside the recommender, as a regressor, in River's verbs",
    "features": "features of candidates: their names, touched items, untouched items",
    "frozen": "a version that does not learn: one model, and the versions the learner keeps",
    "gate": "the gate: its state in Redis, its route, its command",
    "histories": "histories of users: as written, as read",
    "identities": "which ids are one user: the learner's table, the live store's",
    "items": "items: the record, what is sent of them, the route, the command",
    "keys": "what leads to a thing: the user of a key of the API, the row of an id",
    "kafka": "Kafka: its settings and its examination",
    "learner": "the learner and its settings",
    "linear": "the linear regressor: kernel and River's verbs",
    "listwise": "the softmax over a list: inside the recommender, as a kernel, in River's verbs",
    "loading": "reading something whole: settings, a version",
    "logs": "the log of a process: how its lines look, and how the service says a thing",
    "mapping": "the mapping of foreign records: the rule and its settings",
    "marks": "marks of changed rows: kernel and table",
    "model": "the model: as it learns, the route that describes the served one",
    "prequential": "test, then learn: kernel, recommender, evaluation of a log",
    "quarantine": "a stretch of the stream that is not learned: the rule, the order, the route, the command",
    "ranker": "what orders candidates: a kernel for untouched items, the part of the recommender that reads",
    "rebuild": "a rebuild: the job and its command",
    "recommend": "recommendations: the route, the command",
    "redis": "Redis: its settings and its examination",
    "replay": "the replay of a past stream under gate policies: the rule, the job, the command",
    "report": "the result of its room as a table",
    "schema_registry": "the schema registry: its settings and its examination",
    "send": "sending a file: the job and its command",
    "telemetry": "Prometheus metrics of a process",
    "tracing": "traces: what makes their spans, and their settings",
    "users": "users who are known: their list in Redis, their route",
    "versions": "versions: in Redis, in a replay",
    "vocabulary": "the words of its room that users read",
    "witness": "a River model in the race: the model, and the learner's use of it",
    "writer": "what writes to Redis: versions, live data",
}
"""Module names that stand in more than one room, with the one thing that each of them means."""


@pytest.mark.parametrize("folder", sorted(LISTED))
def test_an_index_of_commands_or_routes_has_an_end(folder: str) -> None:
    assert len([*(ROOT / folder).glob("*.py")]) - 1 <= MOST_LISTED


@pytest.mark.parametrize("which", PACKAGES)
def test_a_folder_can_be_read_at_a_glance(which: str) -> None:
    found = package(which)
    assert found.most_files <= MOST_FILES, f"{found.fullest}: {found.most_files} files; divide it into rooms"
    assert found.longest <= LONGEST, f"{found.longest_file}: {found.longest} lines; it has become two ideas"


def test_a_module_name_means_one_thing() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for room in ROOMS:
        for path in room.glob("*.py"):
            if not path.stem.startswith("__"):
                places[path.stem].append(name(path))
    twice = {stem: paths for stem, paths in places.items() if len(paths) > 1}
    assert twice.keys() == SHARED.keys(), {stem: twice.get(stem) for stem in twice.keys() ^ SHARED.keys()}


SUBJECTS = {"static": "files of the page, which are no Python", "uncompiled": "all kernels, run as plain Python"}
"""First words of unit tests that are about no module, with what they are about."""


def test_the_unit_test_of_a_file_is_found_from_its_path() -> None:
    """`models/gate/rules.py` has its tests in `models/test_gate_rules.py`, or in `test_gate.py` with the whole room."""
    known = {which: {"_".join(room.relative_to(ROOT / which).parts) for room in ROOMS_OF[which]} for which in PACKAGES}
    for which in PACKAGES:
        for path in (ROOT / which).rglob("*.py"):
            known[which].add("_".join(path.relative_to(ROOT / which).with_suffix("").parts))
    known["kernels"] = {each.removeprefix("kernels_") for each in known["models"] if each.startswith("kernels_")}
    lost = []
    for which, names in known.items():
        for test in sorted((ROOT / "tests" / "unit" / which).glob("test_*.py")):
            words = test.stem.removeprefix("test_").split("_")
            starts = {"_".join(words[:count]) for count in range(1, len(words) + 1)}
            if not starts & names and words[0] not in SUBJECTS:
                lost.append(name(test))
    assert lost == []


@pytest.mark.parametrize("room", ROOMS, ids=name)
def test_a_room_says_what_it_is_in_one_line(room: Path) -> None:
    text = ast.get_docstring(ast.parse((room / "__init__.py").read_text(encoding="utf-8")))
    assert text
    assert "\n\n" not in text


@pytest.mark.parametrize("room", LIBRARIES, ids=name)
def test_a_door_exports_what_it_names(room: Path) -> None:
    names = exports(room)
    assert names, f"{name(room)}/__init__.py exports nothing: give it __all__, or list it as a rack"
    door = importlib.import_module(name(room).replace("/", "."))
    assert [each for each in names if not hasattr(door, each)] == []


@pytest.mark.parametrize("rack", sorted(RACKS))
def test_a_rack_loads_none_of_its_entries(rack: str) -> None:
    tree = ast.parse((ROOT / rack / "__init__.py").read_text(encoding="utf-8"))
    assert [ast.unparse(node) for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))] == []


def past_the_door(path: Path, text: str) -> list[str]:
    """Imports that reach for a name behind the door of a library in another room, where the door offers it."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.ImportFrom) or not node.module:
            continue
        room = next((each for each, door in DOORS.items() if node.module.startswith(f"{door}.")), None)
        if room is not None and room not in path.parents:
            offered = set(exports(room))
            found += [f"{name(path)}:{node.lineno} {alias.name}" for alias in node.names if alias.name in offered]
    return found


def test_a_room_is_entered_by_its_door() -> None:
    files = [path for room in ROOMS for path in sorted(room.glob("*.py")) if path.name != "__init__.py"]
    assert [each for path in files for each in past_the_door(path, path.read_text(encoding="utf-8"))] == []


def unprepared(text: str) -> list[str]:
    """Structs whose class says neither itself nor by its base that it is prepared for threads."""
    return [
        node.name
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ClassDef)
        and any(ast.unparse(base) in {"msgspec.Struct", "Struct"} for base in node.bases)
        and not any(word.arg == "metaclass" and ast.unparse(word.value) == "Prepared" for word in node.keywords)
    ]


def test_every_struct_is_prepared_for_threads() -> None:
    files = [path for room in ROOMS for path in sorted(room.glob("*.py"))]
    texts = {name(path): path.read_text(encoding="utf-8") for path in files}
    found = {path: unprepared(text) for path, text in texts.items() if "Struct" in text}
    assert {path: classes for path, classes in found.items() if classes} == {}
    assert unprepared("class Tea(msgspec.Struct): ...") == ["Tea"]


def test_the_search_for_such_imports_finds_one() -> None:
    reaching, own = ROOT / "models" / "replay" / "new.py", ROOT / "models" / "gate" / "new.py"
    text = "from models.gate.decision import decide\n"
    assert past_the_door(reaching, text) == ["models/replay/new.py:1 decide"]
    assert past_the_door(own, text) == []
