"""Short turns: on kernels that support them, and only for the calling thread."""

from __future__ import annotations

import os
import platform
import sys
import threading

import pytest

from service.runtime import short_turns as scheduling

KERNEL = tuple(int(part) for part in platform.release().split(".")[:2]) if sys.platform == "linux" else (0, 0)


def in_a_thread(work) -> list[object]:
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join(60.0)
    return found


@pytest.mark.skipif(KERNEL < (6, 12) or platform.machine() not in scheduling.CALLS, reason="Linux 6.12 brought it")
def test_a_thread_gets_short_turns_and_neither_its_children_nor_its_priority_change() -> None:
    def work() -> tuple[bool, int, list[object], int]:
        before = os.getpriority(os.PRIO_PROCESS, 0)
        done = scheduling.take_short_turns()
        return done, scheduling.turn(), in_a_thread(scheduling.turn), os.getpriority(os.PRIO_PROCESS, 0) - before

    ((done, turn, children, changed),) = in_a_thread(work)
    assert done
    assert turn == scheduling.TURN_NS
    assert children != [scheduling.TURN_NS]
    assert changed == 0
    assert scheduling.turn() != scheduling.TURN_NS


def test_on_an_unknown_processor_nothing_is_requested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "vax")
    assert scheduling.take_short_turns() is False
    assert scheduling.turn() == 0
