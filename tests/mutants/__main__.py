"""`python -m tests.mutants [WORD ...]`: put in the declared mutants, one after the other; fail when one lives."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from tests.mutants.declarations import FOLDER, Mutant, chosen, declared
from tests.mutants.scratch import Scratch, Verdict

ROOT = Path(__file__).resolve().parents[2]
RESULT = FOLDER / "result.json"

COPY = Path(sys.prefix) / "mutants"
"""The same place each time: the cache of compiled kernels knows files by their path."""

COMPILING = 900.0
"""Seconds to compile the kernels of the copy, the first time; afterwards they are loaded in a few."""

SECONDS = 300.0
"""Seconds for the tests of one mutant; they take about ten."""


def main() -> int:
    """Exit code 0 when every chosen mutant was killed."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("words", nargs="*", help="only mutants whose area or name contains one of these")
    parser.add_argument(
        "--save", action="store_true", help=f"write {RESULT.relative_to(ROOT)}, or the lines of those that ran"
    )
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for the tests of one mutant (%(default)s)")
    asked = parser.parse_args()
    mutants = chosen(declared(), asked.words)
    if not mutants:
        parser.error(f"no mutant has one of {asked.words} in its area or name")
    scratch = Scratch(ROOT, COPY)
    complaint = unready(scratch, mutants, asked.seconds)
    if complaint:
        print(complaint)
        return 1
    verdicts = {mutant.name: judged(scratch, mutant, asked.seconds) for mutant in mutants}
    alive = [name for name, verdict in verdicts.items() if verdict.state != "killed"]
    print(f"{len(verdicts) - len(alive)} of {len(verdicts)} mutants were killed")
    if asked.save:
        RESULT.write_text(saved(declared(), verdicts, RESULT.read_text(encoding="utf-8")), encoding="utf-8")
    return 1 if alive else 0


def unready(scratch: Scratch, mutants: list[Mutant], seconds: float) -> str:
    """Why nothing can be judged: the copy is not what Python imports, or a test fails without any mutant."""
    where = "import models, service, streaming; print(models.__file__, service.__file__, streaming.__file__)"
    code, output = scratch.run([sys.executable, "-c", where], seconds)
    if code or not all(path.startswith(str(scratch.folder)) for path in output.split()):
        return f"Python does not import the copy in {scratch.folder}:\n{output}"
    print("compiling the kernels of the copy (once; a minute or two)", flush=True)
    code, output = scratch.run([sys.executable, "-m", "models.warmup"], COMPILING)
    if code != 0:
        return f"the kernels of the copy were not compiled:\n{output}"
    tests = sorted({test for mutant in mutants for test in mutant.tests})
    print(f"{len(tests)} tests without a mutant", flush=True)
    found = scratch.test(tests, seconds * len(tests))
    return "" if found.state == "lived" else f"the tests do not pass without a mutant: {found.state}\n{found.output}"


def judged(scratch: Scratch, mutant: Mutant, seconds: float) -> Verdict:
    """The verdict on one mutant, printed."""
    begun = time.monotonic()
    verdict = scratch.judge(mutant, seconds)
    print(f"{verdict.state:6} {time.monotonic() - begun:5.1f} s  {mutant.area}: {mutant.name}", flush=True)
    print(f"{'':16}{verdict.test}" if verdict.state == "killed" else verdict.output, flush=True)
    return verdict


def saved(mutants: list[Mutant], verdicts: Mapping[str, Verdict], before: str) -> str:
    """The result file: which test killed which mutant. What did not run now stands as it did before.

    Args:
        mutants: All that are declared.
        verdicts: Of those that ran, by name.
        before: The file as it is.
    """
    known, names = json.loads(before), [mutant.name for mutant in mutants]
    killed = {name: test for name, test in known["killed_by"].items() if name not in verdicts}
    killed |= {name: verdict.test for name, verdict in verdicts.items() if verdict.state == "killed"}
    lived = {name for name in known["alive"] if name not in verdicts} | (verdicts.keys() - killed.keys())
    alive = [name for name in names if name in lived]
    ordered = {name: killed[name] for name in names if name in killed}
    result = {"mutants": len(ordered) + len(alive), "alive": alive, "killed_by": ordered}
    return json.dumps(result, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main())
