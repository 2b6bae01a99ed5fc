"""Tasks that loop forever end when they are cancelled, whatever they wait for at that moment."""

import asyncio
import time

import pytest

from models.slate.rotation import Showings
from models.statistics.reservoir import Reservoir
from service.ingest.publisher import EventPublisher
from service.runtime.tasks import cancel_and_wait
from service.serving.erasures import ErasureFollower
from streaming.store.store import QuickStore

TURNS = 40
"""Turns of the event loop after which the first read is over, however long Redis takes."""


def test_the_follower_of_erasures_ends_at_any_moment_of_a_call(settings):
    async def stopped(store: QuickStore, turns: int) -> bool:
        follower = ErasureFollower(store, Showings(), EventPublisher(settings), Reservoir())
        follower.start()
        for _ in range(turns):
            await asyncio.sleep(0)
        done, _ = await asyncio.wait((asyncio.ensure_future(follower.stop()),), timeout=60.0)
        return bool(done)

    async def at_any_moment() -> list[int]:
        store = QuickStore(settings, 1.0)
        await store.call("PING")
        moments = [turns for _ in range(5) for turns in range(TURNS)]
        going_on: list[int] = []
        for turns in moments:
            if not await stopped(store, turns):
                going_on.append(turns)
                break
        await store.close()
        return going_on

    assert asyncio.run(at_any_moment()) == []


def test_a_task_that_loses_a_cancellation_is_cancelled_again():
    lost = []

    async def deaf_once() -> None:
        while True:
            try:
                await asyncio.sleep(60.0)
            except asyncio.CancelledError:
                if lost:
                    raise
                lost.append(True)

    async def end() -> bool:
        task = asyncio.create_task(deaf_once())
        await asyncio.sleep(0)
        return await cancel_and_wait(task)

    assert asyncio.run(end())
    assert lost == [True]


def test_a_task_that_does_not_end_is_left_behind_after_the_bound(caplog):
    async def deaf(until: asyncio.Event) -> None:
        while not until.is_set():
            try:
                await until.wait()
            except asyncio.CancelledError:
                continue

    async def end() -> tuple[bool, float]:
        until = asyncio.Event()
        task = asyncio.create_task(deaf(until), name="deaf")
        await asyncio.sleep(0)
        started = time.monotonic()
        found = await cancel_and_wait(task, patience=0.2), time.monotonic() - started
        until.set()
        await task
        return found

    done, took = asyncio.run(end())
    assert not done
    assert 0.2 <= took < 30.0, "the task itself would go on forever"
    assert "a task did not end" in caplog.text


@pytest.mark.parametrize("failing", [True, False])
def test_a_task_that_has_ended_already_delays_nothing(failing):
    async def over() -> None:
        if failing:
            raise ValueError("a defect")

    async def end() -> bool:
        task = asyncio.create_task(over())
        await asyncio.wait((task,))
        return await cancel_and_wait(task) and await cancel_and_wait(None)

    assert asyncio.run(end())
