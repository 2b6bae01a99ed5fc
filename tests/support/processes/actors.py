"""Finds the processes of a learner's actors, to kill or to stop one of them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from service.local.embedded import Child


def actors(learner: Child, kind: Literal["Shard", "Coordinator"]) -> list[int]:
    """The process ids of the shards, or of the coordinator, that descend from the driver; ascending."""
    parents = {int(each.name): _parent(each) for each in Path("/proc").iterdir() if each.name.isdigit()}
    return sorted(
        pid
        for pid in parents
        if _descends(pid, learner.pid or 0, parents) and _title(pid).startswith(f"ray::{kind}Actor")
    )


def _parent(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):  # it has ended meanwhile
        return 0


def _title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode(errors="replace")
    except OSError:
        return ""


def _descends(pid: int, ancestor: int, parents: dict[int, int]) -> bool:
    while pid > 1:
        if pid == ancestor:
            return True
        pid = parents.get(pid, 0)
    return False
