"""`sluicegate gate quarantine`: lists, adds, replays and drops quarantines over the API.

A quarantine is a stretch of the stream that is not learned.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from service.cli.gate_options import AsJson, Config, Key, Reason, Revision, Url, client, done

Name = Annotated[str, typer.Argument(help="Id of a quarantine, as `list` shows it.")]


def register(group: typer.Typer) -> None:
    """Add `quarantine` with its sub-commands to `gate`."""
    inner = typer.Typer(help="Stretches of the stream that are not learned.", no_args_is_help=True)
    inner.command("list")(show)
    inner.command("add")(add)
    inner.command("replay")(replay)
    inner.command("drop")(drop)
    group.add_typer(inner, name="quarantine")


def show(config: Config = None, url: Url = None, key: Key = "", as_json: AsJson = False) -> None:
    """List quarantines and their state, and whether the gate proposes one."""
    found = done(lambda: client(config, url, key).quarantines())
    typer.echo(json.dumps(found) if as_json else "\n".join(_lines(found)))


def add(
    reason: Reason,
    config: Config = None,
    url: Url = None,
    key: Key = "",
    version: Annotated[
        str | None, typer.Option("--version", help="Version to return to; default: the reference.")
    ] = None,
    revision: Revision = None,
) -> None:
    """Return the model to what a good version had learned, and hold all events since. The champion stays."""
    found = done(lambda: client(config, url, key).change("quarantine", reason, revision, version=version))
    typer.echo(f"{found['quarantine']} ordered: back to {found['version']}")


def replay(
    name: Name, reason: Reason, config: Config = None, url: Url = None, key: Key = "", revision: Revision = None
) -> None:
    """Learn the events of a quarantine after all. New events wait meanwhile."""
    found = done(lambda: client(config, url, key).change(f"quarantine/{name}/replay", reason, revision))
    typer.echo(f"{found['quarantine']}: {found['status']}")


def drop(
    name: Name, reason: Reason, config: Config = None, url: Url = None, key: Key = "", revision: Revision = None
) -> None:
    """Give up the events of a quarantine, for good."""
    found = done(lambda: client(config, url, key).change(f"quarantine/{name}/drop", reason, revision))
    typer.echo(f"{found['quarantine']}: {found['status']}")


def _lines(found: dict[str, Any]) -> list[str]:
    lines = [_line(each) for each in found["quarantines"]] or ["there is no quarantine"]
    if found["proposed"]:
        version = found["proposed"]["version"]
        lines.append(
            f"proposed: events since {version} did harm; sluicegate gate quarantine add --reason ... holds them"
        )
    return lines


def _line(each: dict[str, Any]) -> str:
    at = datetime.fromtimestamp(each["at"], UTC).isoformat(timespec="seconds")
    ranges = ", ".join(f"{topic}[{part}] {start}-{stop - 1}" for topic, part, start, stop in each["pieces"])
    what = f"{each['events']} events since {each['version']}" + (f" ({ranges})" if ranges else "")
    if each["state"] == "replayed":
        what += f", {each['learnt']} learned after all"
    words = f"{each['actor']}: {each['reason']}" + (f"; {each['detail']}" if each["detail"] else "")
    return f"{at} {each['id']} {each['state']:8} {what} ({words})"


__all__ = ["register"]
