"""Starts the learner or the service as a process that a test can ask and kill."""

from __future__ import annotations

import json
import os
import re
import signal
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.processes.processes import Server, wait_until

# Most seconds of a wait; each returns as soon as its condition holds.
PATIENCE = 60.0
# Most seconds of one answer.
ANSWERS = 15.0


class Process(Server):
    """The learner or the service as a process of its own, to kill, to pause, to stop and to ask."""

    def __init__(self, name: str, command: list[str], port: int, log: Path, env: Mapping[str, str]) -> None:
        super().__init__(name, command, port, log, lambda _: True, env)

    @property
    def code(self) -> int | None:
        """Exit status; None while it runs, negative for a signal."""
        assert self._process is not None, f"{self.name} was never started or already reaped"
        return self._process.poll()

    def wait_exit(self, timeout: float = PATIENCE) -> int:
        """Waits for the end and returns the exit status."""
        wait_until(lambda: self.code is not None, f"the end of {self.name}", timeout)
        assert self.code is not None
        return self.code

    def said(self, words: str) -> bool:
        """Whether its log holds this text."""
        return words in self.log.read_text(errors="replace")

    def pause(self) -> None:
        """SIGSTOP: the process stops without noticing."""
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self.signal(signal.SIGCONT)

    def terminate(self) -> None:
        """SIGTERM, without waiting."""
        self.signal(signal.SIGTERM)

    def get(self, path: str, timeout: float = ANSWERS) -> tuple[int, Any]:
        """Sends a GET and returns (status, body), parsed when it is JSON. Status 0: nothing answers."""
        return self.ask("GET", path, timeout=timeout)

    def ask(self, method: str, path: str, body: Any = None, timeout: float = ANSWERS) -> tuple[int, Any]:
        """Sends a request with a JSON body and returns (status, body)."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://{self.address}{path}", data, method=method)
        if data is not None:
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.status, _body(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, _body(error.read())
        except (urllib.error.URLError, OSError):
            return 0, None

    def metrics(self, *names: str) -> dict[str, float]:
        """Returns the samples of /metrics by `name` or `name{label=value}`; none while nothing answers.

        Args:
            names: Samples to ask a learner for, without their labels; of all others it renders nothing. Who asks again
                and again should name them: all of them keep a core busy for as long as some events do.
        """
        query = urllib.parse.urlencode([("name[]", name) for name in names])
        status, text = self.get(f"/metrics?{query}" if query else "/metrics")
        return samples(text) if status == 200 else {}

    def history(self, user: str) -> list[dict[str, Any]]:
        """What a user did, newest first, once it can be read: on a busy machine Redis may be late for an answer."""
        found: list[dict[str, Any]] = []

        def there() -> bool:
            status, answer = self.get(f"/users/{user}")
            found[:] = answer["history"] if status == 200 else []
            return status == 200

        wait_until(there, f"the history of {user}", PATIENCE)
        return found

    def ready(self) -> bool:
        """Whether /readyz says so."""
        return self.get("/readyz")[0] == 200

    def memory(self) -> int:
        """Resident bytes."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError(f"{self.name} has no memory: it is gone")

    def cpu(self) -> float:
        """Seconds of processor time used so far, all threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _body(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode(errors="replace")


_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")


def samples(text: str) -> dict[str, float]:
    """Returns what Prometheus's text format says, by `name` or `name{label=value}`, labels in order.

    prometheus_client's own parser takes five times as long, and a test that waits asks several times a second.

    >>> samples('# TYPE lag gauge\\nlag{topic="b",of="a"} 3.0\\nup 1.0\\n')
    {'lag{of=a,topic=b}': 3.0, 'up': 1.0}
    """
    found = {}
    for line in text.split("\n"):
        if line and not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            found[_series(name) if name.endswith("}") else name] = float(value)
    return found


def _series(name: str) -> str:
    bare, _, labels = name.partition("{")
    pairs = sorted((key, _ESCAPED.sub(_unescaped, value)) for key, value in _LABEL.findall(labels))
    inner = ",".join(f"{key}={value}" for key, value in pairs)
    return f"{bare}{{{inner}}}" if inner else bare


def _unescaped(found: re.Match[str]) -> str:
    return "\n" if found[1] == "n" else found[1]
