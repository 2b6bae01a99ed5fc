"""Finds the processes of a learner's actors, to kill or to stop one of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from service.local.embedded import Child

_BEGUN = re.compile(r"shard (\d+) has begun in [\d.]+ s as process (\d+)")
_LEADS = re.compile(r"the coordinator is process (\d+)")


def shards(learner: Child) -> list[int]:
    """The processes that are shards by now, as the log says, by number of the shard; others wait for their turn.

    None until all that the log names are alive: a shard that ended has another process, which is not in the log yet.
    """
    begun = {int(shard): int(pid) for shard, pid in _BEGUN.findall(_log(learner))}
    alive = actors(learner, "Shard")
    return [begun[shard] for shard in sorted(begun)] if all(pid in alive for pid in begun.values()) else []


def leader(learner: Child) -> list[int]:
    """The process of the coordinator that leads, as the log says; none while the next one is not there."""
    found = [int(pid) for pid in _LEADS.findall(_log(learner))]
    return [pid for pid in found[-1:] if pid in actors(learner, "Coordinator")]


def _log(learner: Child) -> str:
    return learner.log.read_text(errors="replace")


def actors(learner: Child, kind: Literal["Shard", "Coordinator"]) -> list[int]:
    """The process ids of the shards, or of the coordinator, that descend from the driver; ascending."""
    return _descendants(learner, lambda title: title.startswith(f"ray::{kind}Actor"))


def head(learner: Child) -> list[int]:
    """The process ids of Ray's own server and of its manager of processes, which the driver started; ascending."""
    return _descendants(learner, lambda title: title.rpartition("/")[2] in {"gcs_server", "raylet"})


def _descendants(learner: Child, chosen: Callable[[str], bool]) -> list[int]:
    parents = {int(each.name): _parent(each) for each in Path("/proc").iterdir() if each.name.isdigit()}
    return sorted(pid for pid in parents if _descends(pid, learner.pid or 0, parents) and chosen(_title(pid)))


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
