"""Runs an Alertmanager with a given configuration. Needs Debian's package prometheus-alertmanager."""

from __future__ import annotations

import urllib.request
from pathlib import Path
from shutil import which

from service.local.embedded import free_port
from tests.support.processes.processes import Server, program

NAMES = ("prometheus-alertmanager", "alertmanager")
"""Debian's name of the program, and that of everybody else."""


class Alertmanager:
    """An Alertmanager that gossips with nobody. A context manager."""

    def __init__(self, folder: Path, config: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        (folder / "alertmanager.yml").write_text(config)
        binary = next(filter(None, map(which, NAMES)), None) or program(NAMES[0], NAMES[0])
        command = [binary, f"--config.file={folder / 'alertmanager.yml'}", f"--storage.path={folder / 'data'}"]
        command += [f"--web.listen-address=127.0.0.1:{self.port}", "--cluster.listen-address="]
        self.server = Server("Alertmanager", command, self.port, folder / "alertmanager.log", _ready)

    @property
    def address(self) -> str:
        """host:port."""
        return f"127.0.0.1:{self.port}"

    def __enter__(self) -> Alertmanager:
        self.server.start(30.0)
        return self

    def __exit__(self, *_: object) -> None:
        self.server.stop()


def _ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
