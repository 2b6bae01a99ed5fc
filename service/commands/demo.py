"""`sluicegate demo`: runs all of Sluicegate on real grocery purchases until Ctrl-C, or with --check until a report."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live

from service.cli.exit_codes import DONE, FAILED, INTERRUPTED
from service.local import (
    Client,
    EmbeddedError,
    Figures,
    Purchases,
    Stack,
    choose_port,
    demo_foreign,
    purchases,
    running,
)
from service.local import demo as parts
from streaming.kafka import EventProducer, KafkaTrouble, ensure_topics
from streaming.settings import Settings, load_settings

LINES, CHECK_LINES = 300_000, 12_000
"""Purchases streamed by the demo (some two minutes of history on two cores) and by the check (some ten seconds)."""

FIRST_LINES = 2_000
"""Purchases after which the addresses are printed: by then the first recommendations are personal."""

CHECK_DEADLINE = 120.0
"""Seconds for the check's history; a machine that needs more gets an error that says so."""


class Stopped(Exception):
    """Ctrl-C or SIGTERM."""


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C and SIGTERM end the block with Stopped, so that nothing is left running."""

    def stop(*_: object) -> None:
        raise Stopped

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number in before:
            signal.signal(number, signal.SIG_IGN)


def register(app: typer.Typer) -> None:
    """Add `sluicegate demo`."""

    @app.command(epilog="Examples: sluicegate demo   |   sluicegate demo --check   |   sluicegate demo --port 8080")
    def demo(
        check: Annotated[
            bool, typer.Option("--check", help="Run headless and end by itself; the last line is a JSON report.")
        ] = False,
        port: Annotated[int | None, typer.Option(help="Port of the service; 0 for any free one.")] = None,
        lines: Annotated[int | None, typer.Option(min=1_000, help="How many purchases to stream.")] = None,
    ) -> None:
        """Run everything on real purchases: embedded Kafka and Redis, learner, service. Needs no network, no Docker."""
        say = _to_stderr if check else typer.echo
        folder = Path(tempfile.mkdtemp(prefix="sluicegate-demo-"))
        keep_logs = False
        try:
            with interruptible():
                settings = load_settings(None, {k: v for k, v in os.environ.items() if not k.startswith("SLUICEGATE_")})
                chosen = choose_port(port, settings.service.port, say)
                _run(settings, folder, chosen, lines or (CHECK_LINES if check else LINES), say, check)
        except Stopped:
            say("stopped; nothing is left running")
            raise typer.Exit(INTERRUPTED if check else DONE) from None
        except (EmbeddedError, KafkaTrouble) as error:
            keep_logs = True
            say(f"sluicegate demo: {error}")
            say(f"logs: {folder}")
            if check:
                typer.echo(json.dumps({"ok": False, "error": str(error)}))
            raise typer.Exit(FAILED) from None
        finally:
            if not keep_logs:
                shutil.rmtree(folder, ignore_errors=True)


def _to_stderr(text: str) -> None:
    typer.echo(text, err=True)


def _run(settings: Settings, folder: Path, port: int, lines: int, say: Callable[[str], None], check: bool) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SLUICEGATE_")}
    environ |= demo_foreign.VARIABLE
    stack = Stack(settings, folder, environ, port, settings.service.host)
    with ThreadPoolExecutor(1) as pool:
        # Reading the purchases takes as long as starting the processes, so both happen at once.
        reading = pool.submit(purchases, lines, time.time())
        _drive(stack, reading.result, settings, say, check)


def _drive(
    stack: Stack, read: Callable[[], Purchases], settings: Settings, say: Callable[[str], None], check: bool
) -> None:
    with running(stack, say) as live:
        data = read()
        local = settings.model_copy(update={"kafka": settings.kafka.model_copy(update={"bootstrap": live.bootstrap})})
        ensure_topics(local)
        demo_foreign.create_topic(local)
        live.await_ready(say, _pause)
        client = Client(live.port, live.metrics_port)
        with (
            contextlib.closing(EventProducer(local)) as producer,
            contextlib.closing(demo_foreign.producer(local)) as foreign,
        ):
            feed = parts.Feed(producer, data, foreign)
            feed.start()
            try:
                if check:
                    _check(live, client, (producer, foreign), data, feed, say)
                else:
                    _show(live, client, data, feed, say)
            finally:
                feed.close()


def _pause(seconds: float) -> bool:
    time.sleep(seconds)
    return False


def _check(
    stack: Stack,
    client: Client,
    producers: tuple[EventProducer, EventProducer],
    data: Purchases,
    feed: parts.Feed,
    say: Callable[[str], None],
) -> None:
    started = time.monotonic()
    figures = parts.await_learned(client, len(data), CHECK_DEADLINE, _watch(stack, feed))
    say(f"learned and served {figures.learned} purchases in {time.monotonic() - started:.1f} s")
    user = data.user[-1]
    changes = parts.shop(client, *producers, user)
    for change in changes:
        text = f"the answer for {user} changed in {change.milliseconds:.1f} ms"
        say(f"{change.event:9} of {change.item} in topic {change.topic}: {text}")
    typer.echo(json.dumps(_report(figures, user, changes)))


def _report(figures: Figures, user: str, changes: list[parts.Change]) -> dict[str, Any]:
    return {
        "ok": True,
        "learnt": figures.learned,
        "version": figures.version,
        "tested": figures.tested,
        "hit_rate": {name: round(rate, 4) for name, rate in figures.hit_rate.items()},
        "user": user,
        "changes": [change._asdict() for change in changes],
        "milliseconds": max(change.milliseconds for change in changes),
    }


def _watch(stack: Stack, feed: parts.Feed) -> Callable[[], None]:
    def watch() -> None:
        stack.check()
        feed.check()

    return watch


def _show(stack: Stack, client: Client, data: Purchases, feed: parts.Feed, say: Callable[[str], None]) -> None:
    parts.await_learned(client, min(FIRST_LINES, len(data)), CHECK_DEADLINE, _watch(stack, feed))
    say(_try_these(stack.address, data))
    console = Console()
    pause = threading.Event()
    watch = _watch(stack, feed)
    started = time.monotonic()
    if not console.is_terminal:
        while not pause.wait(5.0):
            watch()
            say(_status(client.figures(), len(data), time.monotonic() - started))
    with Live(console=console, auto_refresh=False) as board:
        while not pause.wait(0.5):
            watch()
            board.update(_status(client.figures(), len(data), time.monotonic() - started), refresh=True)


def _status(figures: Figures, total: int, seconds: float) -> str:
    rate = figures.learned / max(seconds, 1e-9)
    left = max(0, total - figures.learned)
    progress = f"{figures.learned:,} of {total:,} purchases learned"
    if left and rate:
        progress += f", {rate:,.0f}/s, {left / rate:,.0f} s left"
    popularity = max(
        (figures.hit_rate.get(name, 0.0) for name in figures.hit_rate if name.startswith("popularity")), default=0.0
    )
    served = figures.hit_rate.get("served", 0.0)
    return (
        f"{progress}\nversion {figures.version}   in the first 20: served {served:.1%}, popularity {popularity:.1%} "
        f"({figures.tested:,} purchases tested before they were learned)   Ctrl-C stops everything"
    )


def _try_these(address: str, data: Purchases) -> str:
    user, item = data.user[-1], data.item[-1]
    foreign = json.dumps(demo_foreign.record_of(next(data.events(0, 1))))
    return f"""
ready: {address}   (history is still streaming; try these in another terminal)

  curl '{address}/recommend/{user}?n=5'
  curl -X POST {address}/events -H 'content-type: application/json' \\
       -d '{{"event_type": "click", "user_id": "{user}", "item_id": "{item}", "timestamp": '$(date +%s)'}}'
  curl '{address}/recommend/{user}?n=5'
  curl '{address}/items/{item}/similar?n=5'
  curl '{address}/metrics'

  API documentation: {address}/docs

One purchase of ten comes from topic {demo_foreign.TOPIC}, whose records are those of somebody else:

  {foreign}

and are read by a mapping in the settings, as a topic of yours can be (docs/mapping.md).
"""
