"""The script for pages: what the service sends is the source made small, and its types fit it and the API."""

from __future__ import annotations

import json
import re
from pathlib import Path
from shutil import copy

from tests.openapi.conftest import TOOLS
from tests.openapi.test_clients import run

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "clients" / "javascript"
METHODS = """
Object.assign(globalThis, { document: {}, addEventListener() {} });
require(process.argv[1]);
console.log(JSON.stringify(Object.keys(sluicegate())));
"""
"""Prints the names of a client's methods; without consent it does nothing else."""


def test_the_types_of_the_script_compile_and_fit_the_api(described: Path, tmp_path: Path) -> None:
    tools = TOOLS / "node_modules" / ".bin"
    folder = TOOLS / "page"
    folder.mkdir(exist_ok=True)
    for file in (SCRIPTS / "sluicegate.d.ts", ROOT / "tests" / "openapi" / "typescript" / "page.ts"):
        copy(file, folder)
    run((tools / "openapi-typescript", described, "--output", folder / "schema.d.ts"), folder)
    kind = ("--module", "nodenext", "--target", "es2022", "--lib", "es2022,dom,dom.iterable")
    run((tools / "tsc", "--noEmit", "--strict", "--noUncheckedIndexedAccess", *kind, "page.ts"), folder)


def test_the_types_name_the_methods_of_the_script_and_no_other(tmp_path: Path) -> None:
    client = (SCRIPTS / "sluicegate.d.ts").read_text().partition("interface Client {")[2].partition("\n  }")[0]
    named = dict.fromkeys(re.findall(r"^    (\w+)\(", client, re.MULTILINE))
    for script in (SCRIPTS / "sluicegate.js", ROOT / "service" / "static" / "sluicegate.js"):
        found, _ = run(("node", "--eval", METHODS, script), tmp_path)
        assert json.loads(found) == list(named)


def test_the_served_script_is_the_source_made_small(tmp_path: Path) -> None:
    made = tmp_path / "sluicegate.js"
    terser = TOOLS / "node_modules" / ".bin" / "terser"
    run(("bash", ROOT / "clients" / "javascript" / "minify.sh", made), tmp_path, TERSER=str(terser))
    served = ROOT / "service" / "static" / "sluicegate.js"
    assert served.read_bytes() == made.read_bytes(), "run: bash clients/javascript/minify.sh"
