"""The script for pages, as the service sends it, is the source in clients/javascript made small."""

from __future__ import annotations

from pathlib import Path

from tests.openapi.conftest import TOOLS
from tests.openapi.test_clients import run

ROOT = Path(__file__).resolve().parents[2]


def test_the_served_script_is_the_source_made_small(tmp_path: Path) -> None:
    made = tmp_path / "sluicegate.js"
    terser = TOOLS / "node_modules" / ".bin" / "terser"
    run(("bash", ROOT / "clients" / "javascript" / "minify.sh", made), tmp_path, TERSER=str(terser))
    served = ROOT / "service" / "static" / "sluicegate.js"
    assert served.read_bytes() == made.read_bytes(), "run: bash clients/javascript/minify.sh"
