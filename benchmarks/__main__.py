"""Runs a benchmark by name: a readable table, or one JSON object with `--json`. Without a name, lists all of them."""

from __future__ import annotations

import argparse
import ast
import importlib
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks import machine
from benchmarks.report import table
from service.local import EmbeddedError
from tests.support.processes.processes import Missing

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results"


def summaries() -> dict[str, str]:
    """Return the name and summary of every benchmark, read without importing it.

    >>> "pipeline" in summaries()
    True
    """
    found = {}
    for path in sorted(FOLDER.glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "SUMMARY":
                found[path.stem] = str(ast.literal_eval(node.value))
    return found


def parse(name: str, module: ModuleType, words: list[str]) -> argparse.Namespace:
    """Parse the options of one benchmark."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks {name}", description=module.SUMMARY)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--runs", type=int, default=5, help="alternating runs of each contender (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the workload (default: %(default)s)")
    parser.add_argument("--save", action="store_true", help=f"also write benchmarks/results/{name}.json")
    parser.add_argument("--bootstrap", help="an Apache Kafka that runs already (default: one is started)")
    parser.add_argument("--redis", help="URL of a Redis to use, its database is emptied (default: one is started)")
    if hasattr(module, "arguments"):
        module.arguments(parser)
    return parser.parse_args(words)


def measure(name: str, words: list[str]) -> None:
    """Run one benchmark and print its result. Raises Missing, EmbeddedError."""
    module = importlib.import_module(f"benchmarks.{name}")
    options = parse(name, module, words)
    result: dict[str, Any] = {"benchmark": name, **module.run(options)}
    result |= {"machine": machine.machine(), "versions": machine.versions()}
    result |= {"seed": options.seed, "runs": options.runs, "measured_at": machine.now()}
    if options.save:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if options.json:
        print(json.dumps(result))
    else:
        print(getattr(module, "table", table)(result))


def main(words: list[str]) -> int:
    """Run the benchmarks named. Exit code: 0 measured, 1 could not, 2 no such benchmark."""
    known = summaries()
    if not words or words[0] in {"-h", "--help"}:
        print("python -m benchmarks NAME [--json] [--runs N] [--save]; NAME is one of these, or all:\n")
        print("\n".join(f"  {name:12} {line}" for name, line in known.items()))
        return 0
    if words[0] != "all" and words[0] not in known:
        print(f"no benchmark {words[0]!r}: there are {', '.join(known)} and all", file=sys.stderr)
        return 2
    try:
        for name in known if words[0] == "all" else words[:1]:
            measure(name, words[1:])
    except (Missing, EmbeddedError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
