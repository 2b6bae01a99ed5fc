"""`sluicegate export`: writes the slates of many users to a file, over the API of a running service.

Exit codes: 0 done; 1 the service or Redis was away (run it again: it goes on where it was); 2 the options or a file are
wrong; 3 done, but some users could not be answered; 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlencode

import msgspec
import typer

from service.cli.arguments import pairs
from service.cli.bulk_client import BulkBusy, BulkClient, BulkTrouble
from service.cli.errors import broken
from service.cli.exit_codes import SOME_REFUSED
from service.cli.gate_options import Config, Key, Url, address_of
from service.cli.progress_bar import Show, progress
from service.cli.unfinished import Conflict, Unfinished, Users, write_users
from streaming.settings import Settings, load_settings

ALL: Final = "all"
SUFFIXES: Final = (".parquet", ".ndjson", ".jsonl")
SHOWN: Final = 20
"""Users that could not be answered who are shown one by one."""
TRIES_OF_FEW, FEW = 3, 20
"""Tries after which a user counts as unanswered when at least nineteen of twenty others were answered."""
TRIES: Final = 8
"""Times that the same users are asked for: 25 s in all, in which a service or Redis is usually restarted."""

HELP: Final = (
    "A Parquet file has a row for each item of each user, an NDJSON file a line for each user, as the API answers. A "
    "run that was stopped goes on where it was when the same command is given again. `all` are the users that Redis "
    "has a history of.\n\n"
    "Examples:\n\n"
    "sluicegate export recommendations --users all --scenario email --out slates.parquet\n\n"
    "sluicegate export recommendations --users users.txt --option n=5 --option category=tea --out slates.ndjson"
)


def register(app: typer.Typer) -> None:
    """Add `export` with its sub-command."""
    group = typer.Typer(help="Write what the service would answer to files.", no_args_is_help=True)
    group.command("recommendations", epilog=HELP)(recommendations)
    app.add_typer(group, name="export")


def recommendations(
    users: Annotated[str, typer.Option("--users", help="File with one user id a line, or all.")],
    out: Annotated[Path, typer.Option("--out", help="File to write: .parquet, .ndjson or .jsonl.")],
    scenario: Annotated[str | None, typer.Option("--scenario", help="Scenario whose options count.")] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", help="NAME=VALUE: an option of /recommend, as in its query. Repeatable."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it is there.")] = False,
    restart: Annotated[bool, typer.Option("--restart", help="Forget what an earlier run has done.")] = False,
    config: Config = None,
    url: Url = None,
    key: Key = "",
) -> None:
    """Write a slate for each of many users to a file; a run that was stopped goes on where it was."""
    if out.suffix not in SUFFIXES:
        raise typer.BadParameter(f"{out.name!r} does not end in {', '.join(SUFFIXES)}", param_hint="--out")
    if out.exists() and not overwrite:
        raise typer.BadParameter(f"{out} is there already: name another, or give --overwrite", param_hint="--out")
    settings = load_settings(config, os.environ)
    options = {**_options(option), **({"scenario": scenario} if scenario is not None else {})}
    try:
        if restart:
            Unfinished.forget(out)
        listed = Users(_users(users, out, settings))
        unfinished = Unfinished(out, listed, options)
    except OSError as error:
        raise typer.BadParameter(f"{error.filename}: {error.strerror}", param_hint="--users or --out") from None
    except Conflict as conflict:
        raise typer.BadParameter(str(conflict), param_hint="--out") from None
    if unfinished.done:
        typer.echo(f"goes on after {unfinished.done:,} of {listed.count:,} users", err=True)
    started = time.monotonic()
    try:
        asked = BulkClient(url or address_of(settings), key)
        with progress(str(out)) as show:
            refused = _run(asked, listed, unfinished, options, show)
    except BulkTrouble as trouble:
        broken(trouble)
    unfinished.finish()
    seconds = time.monotonic() - started
    typer.echo(f"{listed.count:,} users in {out}; {seconds:.1f} s, {refused:,} could not be answered")
    if refused:
        raise typer.Exit(SOME_REFUSED)


def _options(words: list[str] | None) -> dict[str, Any]:
    """Options as a body has them, from NAME=VALUE as a query has them."""
    from service.http import Ask, Problem, decode_query

    sent = [pair for word in words or [] for pair in pairs([word], "--option").items()]
    try:
        ask = decode_query(urlencode(sent).encode(), Ask)
    except Problem as problem:
        raise typer.BadParameter(problem.detail, param_hint="--option") from None
    return {name: msgspec.to_builtins(getattr(ask, name)) for name, _ in sent}


def _users(users: str, out: Path, settings: Settings) -> Path:
    """The file with the users. That of `all` is made once, so that a run which goes on meets the same."""
    if users != ALL:
        return Path(users)
    listed = out.with_name(f"{out.name}.users")
    if not listed.exists():
        write_users(_known(settings), listed)
    return listed


def _known(settings: Settings) -> Iterator[str]:
    from streaming.live import users_of
    from streaming.store import Store, StoreUnavailable

    try:
        store = Store.for_learner(settings)
        try:
            yield from users_of(store)
        finally:
            store.close()
    except StoreUnavailable as error:
        broken(error)


def _run(asked: BulkClient, users: Users, unfinished: Unfinished, options: dict[str, Any], show: Show) -> int:
    """Ask for all users that are left; returns how many could not be answered."""
    begun, started, refused = unfinished.done, time.monotonic(), 0
    for chunk in users.chunks(unfinished.done):
        lines = _answered(asked, chunk, options)
        for user_id, line in zip(chunk, lines, strict=True):
            if (problem := json.loads(line).get("problem")) is not None:
                refused += 1
                if refused <= SHOWN:
                    typer.echo(f"{user_id[:60]!r}: {problem['detail']}", err=True)
        unfinished.add(lines)
        rate = (unfinished.done - begun) / max(1e-9, time.monotonic() - started)
        show(f"{unfinished.done:,} users, {rate:,.0f} a second", unfinished.done / max(1, users.count))
    return refused


def _answered(asked: BulkClient, chunk: list[str], options: dict[str, Any]) -> list[bytes]:
    """The lines of some users. Without their history they would get slates for nobody, so they are asked for again."""
    lines: dict[int, bytes] = {}
    trouble = BulkTrouble("the service cannot read histories from Redis: /readyz says why")
    for attempt in range(TRIES):
        if attempt:
            time.sleep(min(5.0, 0.5 * 2**attempt))
        left = [at for at in range(len(chunk)) if at not in lines]
        if attempt >= TRIES_OF_FEW and lines and len(left) <= max(1, len(chunk) // FEW):
            lines |= {at: _unread(chunk[at]) for at in left}
            break
        try:
            found = zip(left, asked.slates([chunk[at] for at in left], options), strict=True)
            lines.update((at, line) for at, line in found if b'"history_unavailable"' not in line)
        except BulkBusy as busy:
            trouble = busy
        if len(lines) == len(chunk):
            break
    else:
        raise BulkTrouble(f"{trouble}; the same command goes on where this one ended")
    return [lines[at] for at in range(len(chunk))]


def _unread(user_id: str) -> bytes:
    return json.dumps({"user_id": user_id, "problem": {"detail": "The history of this user cannot be read."}}).encode()


__all__ = ["recommendations", "register"]
