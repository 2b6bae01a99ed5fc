"""Declared mutants still fit the code they change, and the runner tells one that was killed from one that was not."""

from __future__ import annotations

import ast
import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.mutants.__main__ import RESULT, saved, unready
from tests.mutants.declarations import Mutant, chosen, declared
from tests.mutants.scratch import Scratch, Verdict

ROOT = Path(__file__).resolve().parents[3]
MUTANTS = declared()

NAMED = {
    "a version does not wait for its dead letters",
    "a version does not wait for its histories",
    "alpha is not halved between the two measures",
    "a gap in the dedupe window is not seen",
    "a request does not look a second time after it counted itself",
    "idle tables are written while they are read",
    "the bare mean takes the place of the bound of non-inferiority",
}
"""Mutants that every test once passed."""

SECONDS = 60.0


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_changes_text_that_stands_in_its_file_exactly_once(mutant: Mutant) -> None:
    text = (ROOT / mutant.file).read_text(encoding="utf-8")
    mutated = mutant.applied(text)
    assert mutated != text
    if mutant.file.endswith(".py"):
        assert ast.dump(ast.parse(mutated)) != ast.dump(ast.parse(text)), "only the layout or a comment is another"


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_tests_of_a_mutant_exist(mutant: Mutant) -> None:
    assert mutant.tests
    for test in mutant.tests:
        file, *names = test.split("::")
        text = (ROOT / file).read_text(encoding="utf-8")
        assert all(f"def {name.partition('[')[0]}(" in text for name in names), test


def test_the_committed_result_is_of_these_mutants_and_each_was_killed() -> None:
    result = json.loads(RESULT.read_text(encoding="utf-8"))
    assert result["alive"] == []
    assert result["mutants"] == len(MUTANTS)
    assert list(result["killed_by"]) == [mutant.name for mutant in MUTANTS], "run `make mutants`"
    for mutant in MUTANTS:
        killer = result["killed_by"][mutant.name]
        assert killer.startswith(tuple(mutant.tests)), (
            f"{mutant.name}: {killer} is none of its tests; run `make mutants`"
        )


def test_each_mutant_has_a_name_of_its_own_and_the_areas_are_covered() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 37
    assert {mutant.name for mutant in MUTANTS} >= NAMED
    assert {mutant.area for mutant in MUTANTS} == {"commit", "offsets", "lease", "dedupe", "gate", "swap"}


def test_mutants_are_chosen_by_area_or_name() -> None:
    assert chosen(MUTANTS, []) == MUTANTS
    named = "the bare mean takes the place of the bound of non-inferiority"
    assert [mutant.name for mutant in chosen(MUTANTS, ["bare mean"])] == [named]
    assert {mutant.area for mutant in chosen(MUTANTS, ["swap", "bare mean"])} >= {"swap", "gate"}


@pytest.fixture
def scratch(tmp_path: Path) -> Scratch:
    """A copy of a repository of one function, its test, and a test of something else."""
    root = tmp_path / "root"
    (root / ".git").mkdir(parents=True)
    (root / "clamp.py").write_text("def clamp(value):\n    return max(0, value)\n", encoding="utf-8")
    (root / "test_clamp.py").write_text(
        "from clamp import clamp\n\n\ndef test_below():\n    assert clamp(-1) == 0\n\n\n"
        "def test_above():\n    assert clamp(2) == 2\n",
        encoding="utf-8",
    )
    return Scratch(root, tmp_path / "copy")


def mutant(mutated: str, *tests: str, source: str = "max(0, value)") -> Mutant:
    return Mutant("clamp", "a mutant", "clamp.py", source, mutated, tests or ("test_clamp.py",))


def test_a_mutant_is_killed_by_the_test_that_fails_and_gone_afterwards(scratch: Scratch, tmp_path: Path) -> None:
    assert scratch.test(["test_clamp.py"], SECONDS).state == "lived"
    verdict = scratch.judge(mutant("value"), SECONDS)
    assert (verdict.state, verdict.test) == ("killed", "test_clamp.py::test_below")
    assert scratch.test(["test_clamp.py"], SECONDS).state == "lived"
    original, copy = tmp_path / "root" / "clamp.py", scratch.folder / "clamp.py"
    assert copy.read_bytes() == original.read_bytes()
    assert copy.stat().st_mtime_ns == original.stat().st_mtime_ns
    assert not (scratch.folder / ".git").exists()


def test_a_mutant_that_no_test_notices_lives(scratch: Scratch) -> None:
    assert scratch.judge(mutant("value", "test_clamp.py::test_above"), SECONDS).state == "lived"


def test_a_mutant_that_cannot_be_tested_is_not_killed(scratch: Scratch) -> None:
    unparsable = scratch.judge(mutant("max(0, value"), SECONDS)
    assert unparsable.state == "broken"
    assert "was never closed" in unparsable.output
    assert scratch.judge(mutant("value", "test_nothing.py"), SECONDS).state == "broken"
    assert scratch.judge(mutant("value"), 0.01).state == "late"
    with pytest.raises(ValueError, match=r"stands 0 times in clamp\.py"):
        scratch.judge(mutant("value", source="min(0, value)"), SECONDS)


def test_nothing_is_judged_where_python_would_import_something_else(scratch: Scratch) -> None:
    """The copy has no packages of ours: those that Python finds are the ones of the working tree."""
    assert unready(scratch, [], SECONDS).startswith("Python does not import the copy")


def test_a_run_of_some_mutants_leaves_the_results_of_the_others() -> None:
    three = [replace(mutant("value"), name=name) for name in ("first", "second", "third")]
    before = json.dumps({"mutants": 3, "alive": ["third"], "killed_by": {"gone": "a", "first": "a", "second": "b"}})
    found = {"second": Verdict("lived"), "third": Verdict("killed", "c")}
    after = json.loads(saved(three, found, before))
    assert after == {"mutants": 3, "alive": ["second"], "killed_by": {"first": "a", "third": "c"}}
    assert list(after["killed_by"]) == ["first", "third"]
