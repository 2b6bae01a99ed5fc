"""The page's chart library is the one that npm publishes, has its licence with it, and makes no markup of strings."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[3] / "service" / "static" / "page"
VERSION = "1.6.32"
"""Of the package `uplot`; its sha512 in the registry is in docs/decisions.md."""
SHA256 = {
    "uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
    "uPlot.LICENSE.txt": "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
}
SINKS = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|\.srcdoc")
"""What the page's `require-trusted-types-for 'script'` refuses, and what would need an exception to its policy."""


def test_the_files_are_those_of_the_pinned_version() -> None:
    found = {name: hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() for name in SHA256}
    assert found == SHA256
    assert f"(v{VERSION})" in (FOLDER / "uPlot.iife.min.js").read_text(encoding="utf-8")[:200]
    assert "Permission is hereby granted" in (FOLDER / "uPlot.LICENSE.txt").read_text(encoding="utf-8")


def test_no_script_of_the_page_makes_markup_of_a_string() -> None:
    scripts = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.js")}
    assert {"main.js", "uPlot.iife.min.js"} <= set(scripts)
    assert {name: SINKS.findall(text) for name, text in scripts.items() if SINKS.search(text)} == {}
