"""`sluicegate rebuild`: learns a model from the topics from scratch, next to the live one, and hands it to the gate.

Exit codes: 0 done; 1 it did not work, or no learner took it in time; 2 the options are wrong;
130 Ctrl-C, nothing changed.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from service.cli.arguments import moment_of
from service.cli.errors import broken
from service.cli.progress_bar import progress
from streaming.settings import Settings, load_settings

if TYPE_CHECKING:
    from streaming.jobs.rebuild import Rebuilt, Step
    from streaming.versions import Adoption

LOOK: Final = 0.5
"""Seconds between two looks whether the learner has adopted the model."""

HELP: Final = (
    "It takes as much memory as the learner and one core, does not touch the live versions, and says how far back the "
    "topics reach. When it is done the learner continues from the rebuilt model, at its offsets, and learns the events "
    "after them. The champion stays until the evidence shows that the rebuilt model is no worse. Erased users stay "
    "erased.\n\n"
    "Examples:\n\n"
    "sluicegate rebuild\n\n"
    "sluicegate rebuild --since 2026-01-01 --no-adopt --json\n\n"
    "sluicegate rebuild --every 604800\n\n"
    "sluicegate rebuild --undo"
)


class NotAdoptedError(Exception):
    """No learner adopted the model."""


def register(app: typer.Typer) -> None:
    """Add `sluicegate rebuild`."""
    app.command("rebuild", epilog=HELP)(rebuild)


def rebuild(
    since: Annotated[
        str | None, typer.Option("--since", help="Learn no event older than this (UTC, as 2026-03-01T12:00).")
    ] = None,
    adopt: Annotated[
        bool, typer.Option("--adopt/--no-adopt", help="Let the learner continue from it, or only rebuild it.")
    ] = True,
    undo: Annotated[
        bool, typer.Option("--undo", help="Rebuild nothing: let the learner continue from the champion.")
    ] = False,
    every: Annotated[
        float | None, typer.Option("--every", min=60, help="Repeat after this many seconds, until stopped.")
    ] = None,
    wait: Annotated[
        float, typer.Option("--wait", min=0, help="Seconds to wait until the learner has adopted it.")
    ] = 60.0,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output, for scripts.")] = False,
    config: Annotated[Path | None, typer.Option("--config", help="TOML file with settings.")] = None,
) -> None:
    """Learn a new model from the beginning of the topics, next to the live one, and enter it at the gate."""
    settings = load_settings(config, os.environ)
    began = moment_of(since, "--since", 0.0)
    if undo:
        _undo(settings, wait, as_json=as_json)
        return
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    while True:
        found = _rebuilt(settings, began, stop)
        report = _report(found) | {"adopted": _adopted(settings, found, wait) if adopt else False}
        typer.echo(json.dumps(report) if as_json else _text(report))
        if every is None or stop.wait(max(0.0, every - found.seconds)):
            return


def _rebuilt(settings: Settings, since: float, stop: threading.Event) -> Rebuilt:
    from models.warmup import warm
    from streaming.jobs.rebuild import rebuild
    from streaming.jobs.rebuild_process import TROUBLE

    with progress("rebuild") as show:
        show("preparing", 0.0)
        warm()

        def show_step(step: Step) -> None:
            what = f"{step.done:,} of {step.total:,} records, {step.rate:,.0f} a second, {step.left:,.0f} s left"
            show(what, step.done / max(step.total, 1))

        try:
            return rebuild(settings, since, show_step, stop, time.monotonic)
        except TROUBLE as error:
            broken(error)


def _adopted(settings: Settings, found: Rebuilt, wait: float) -> bool:
    from streaming.jobs.rebuild_process import wish
    from streaming.store import StoreUnavailable

    try:
        return _taken(settings, wish(settings, found), wait)
    except StoreUnavailable as error:
        broken(error)


def _taken(settings: Settings, wish: Adoption, wait: float) -> bool:
    """Whether the learner adopted the model in time. Raises StoreUnavailable."""
    from streaming.store import Store
    from streaming.versions import asked, fulfilled

    limit, pause = time.monotonic() + wait, threading.Event()
    with contextlib.closing(Store.for_learner(settings)) as store:
        while asked(store) == wish and time.monotonic() < limit:
            pause.wait(LOOK)
        return fulfilled(store, wish)


def _undo(settings: Settings, wait: float, *, as_json: bool) -> None:
    from streaming.store import Store, StoreUnavailable
    from streaming.versions import Adoption, ask

    try:
        with contextlib.closing(Store.for_learner(settings)) as store:
            serving = store.serving()
            if serving is None:
                broken(NotAdoptedError("no version is served yet, so there is none to return to"))
            wish = Adoption(f"undo-{secrets.token_hex(4)}", serving.id, rebuilt=False)
            ask(store, wish)
        report = {"version": serving.id, "adopted": _taken(settings, wish, wait)}
    except StoreUnavailable as error:
        broken(error)
    typer.echo(json.dumps(report) if as_json else _outcome(report))


def _report(found: Rebuilt) -> dict[str, Any]:
    done = found.progress
    return {
        "version": found.version,
        "records": done.consumed,
        "outcomes": done.outcomes,
        "offsets": done.offsets,
        "digest": done.digest,
        "reach": [each._asdict() for each in found.reach],
        "seconds": round(found.seconds, 1),
    }


def _text(report: dict[str, Any]) -> str:
    from service.replay import moment

    outcomes = ", ".join(f"{count:,} {outcome}" for outcome, count in report["outcomes"].items() if count)
    lines = [f"learned {report['records']:,} records in {report['seconds']:,} s: {outcomes}"]
    for each in report["reach"]:
        oldest = f"back to {moment(each['oldest'])}" if each["oldest"] is not None else "empty"
        gone = f", {each['first']:,} before that are gone" if each["first"] else ""
        lines.append(f"  {each['topic']}[{each['partition']}]: {oldest}{gone}")
    return "\n".join([*lines, _outcome(report)])


def _outcome(report: dict[str, Any]) -> str:
    if report["adopted"]:
        return (
            f"the learner goes on from {report['version']}; the gate decides when it is served (sluicegate gate status)"
        )
    return (
        f"no learner has adopted {report['version']} yet: it is kept next to the live versions until the next rebuild. "
        "If it is to be adopted, the next learner that starts does so, and its log says so or why not"
    )
