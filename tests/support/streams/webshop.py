"""Runs the example shop as a process, for a service at a given address with its keys."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

PROGRAM = Path(__file__).resolve().parents[3] / "examples" / "webshop" / "shop.py"


@contextlib.contextmanager
def webshop(service: str, port: int, shop_key: str, public_key: str) -> Iterator[str]:
    """Runs the shop: it answers when the block begins, and is gone when it ends."""
    environ = {**os.environ, "SLUICEGATE": service, "SHOP_KEY": shop_key, "PUBLIC_KEY": public_key}
    command = [sys.executable, str(PROGRAM), "--port", str(port)]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline().strip()
            assert line == f"http://127.0.0.1:{port}", line
            yield line
        finally:
            process.kill()
