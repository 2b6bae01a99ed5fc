"""The accessibility checker axe-core: fetched from npm once, its bytes checked, kept next to the environment."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

VERSION = "4.14.1"
SHA512 = "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
"""Hash of the package as npm publishes it."""
CACHE = Path(sys.prefix) / f"axe-core-{VERSION}.js"


def source() -> str:
    """The program. Raises RuntimeError when npm brings other bytes, CalledProcessError when it brings none."""
    if not CACHE.exists():
        with tempfile.NamedTemporaryFile("w", dir=CACHE.parent, suffix=".js", encoding="utf-8", delete=False) as file:
            file.write(_fetched())
        Path(file.name).replace(CACHE)  # whole at any moment: tests may run in two processes
    return CACHE.read_text(encoding="utf-8")


def _fetched() -> str:
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", f"axe-core@{VERSION}", "--silent", "--pack-destination", folder]
        subprocess.run(command, check=True, timeout=110, stdout=subprocess.DEVNULL)
        package = next(Path(folder).glob("*.tgz"))
        if base64.b64encode(hashlib.sha512(package.read_bytes()).digest()).decode() != SHA512:
            raise RuntimeError(f"axe-core {VERSION} from npm is not the package whose hash is written in {__file__}")
        with tarfile.open(package) as archive:
            member = archive.extractfile("package/axe.min.js")
            assert member is not None
            return member.read().decode()


def violations(page: Page) -> list[str]:
    """What is wrong with the page as it stands: rule, and the element."""
    page.evaluate(source())
    found: dict[str, Any] = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [f"{rule['id']}: {node['html'][:120]}" for rule in found["violations"] for node in rule["nodes"]]
