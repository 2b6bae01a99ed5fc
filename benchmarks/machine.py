"""Describes the machine, the versions and the commit with which a figure was measured."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tests.support.processes import apache_kafka

PACKAGES = ("numba", "numpy", "kafka-python", "crc32c", "msgspec", "redis", "river", "torch", "uvicorn")


def machine() -> dict[str, str | int | float]:
    """Return CPU model, cores that this process may use, memory in GiB, kernel, and load at the moment."""
    return {
        "cpu": _field("/proc/cpuinfo", "model name") or platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(int(re.sub(r"\D", "", _field("/proc/meminfo", "MemTotal")) or 0) / 2**20, 1),
        "kernel": f"{platform.system()} {platform.release()}",
        "load_1min": round(os.getloadavg()[0], 2),
    }


def versions() -> dict[str, str]:
    """Return versions of Python, the main packages, Kafka and Redis, and the commit, with `+` if the tree differs."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    found["kafka"] = apache_kafka.VERSION
    found["redis_server"] = _said(["redis-server", "--version"], r"v=(\S+)")
    changed = "+" if _said(["git", "status", "--porcelain", "-uno"], r"(\S+)") else ""
    found["sluicegate"] = _said(["git", "rev-parse", "--short=12", "HEAD"], r"(\w+)") + changed
    return found


def now() -> str:
    """Return the time in UTC, to the minute."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ")


def _field(path: str, name: str) -> str:
    file = Path(path)
    if not file.exists():
        return ""
    lines = (line.partition(":") for line in file.read_text().splitlines())
    return next((value.strip() for key, _, value in lines if key.strip() == name), "")


def _said(command: list[str], pattern: str) -> str:
    if shutil.which(command[0]) is None:
        return ""
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parent)
    match = re.search(pattern, done.stdout)
    return match[1] if match else ""
