"""`sluicegate gate quarantine`: stretches of the stream that are not learnt: held, replayed, dropped, over the API."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from service.cli.gate_options import AsJson, Config, Key, Reason, Revision, Url, client, done

Name = Annotated[str, typer.Argument(help="Id of a quarantine, as `list` shows it.")]


def register(group: typer.Typer) -> None:
    """Add `quarantine` with its sub-commands to `gate`."""
    inner = typer.Typer(help="Stretches of the stream that are not learnt.", no_args_is_help=True)
    inner.command("list")(show)
    inner.command("add")(add)
    inner.command("replay")(replay)
    inner.command("drop")(drop)
    group.add_typer(inner, name="quarantine")


def show(config: Config = None, url: Url = None, key: Key = "", as_json: AsJson = False) -> None:
    """What is held, what became of it, and whether the gate proposes to hold something."""
    found = done(lambda: client(config, url, key).quarantines())
    typer.echo(json.dumps(found) if as_json else "\n".join(_lines(found)))


def add(
    reason: Reason,
    config: Config = None,
    url: Url = None,
    key: Key = "",
    version: Annotated[str | None, typer.Option("--version", help="Default: the last known good one.")] = None,
    revision: Revision = None,
) -> None:
    """Go back to what a good version had learnt, and hold all events since. What is served stays as it is."""
    found = done(lambda: client(config, url, key).change("quarantine", reason, revision, version=version))
    typer.echo(f"{found['quarantine']} ordered: back to {found['version']}")


def replay(
    name: Name, reason: Reason, config: Config = None, url: Url = None, key: Key = "", revision: Revision = None
) -> None:
    """Learn what a quarantine holds after all. Learning of new events waits meanwhile."""
    found = done(lambda: client(config, url, key).change(f"quarantine/{name}/replay", reason, revision))
    typer.echo(f"{found['quarantine']}: {found['status']}")


def drop(
    name: Name, reason: Reason, config: Config = None, url: Url = None, key: Key = "", revision: Revision = None
) -> None:
    """Give up what a quarantine holds, for good."""
    found = done(lambda: client(config, url, key).change(f"quarantine/{name}/drop", reason, revision))
    typer.echo(f"{found['quarantine']}: {found['status']}")


def _lines(found: dict[str, Any]) -> list[str]:
    lines = [_line(each) for each in found["quarantines"]] or ["nothing was ever held"]
    if found["proposed"]:
        version = found["proposed"]["version"]
        lines.append(
            f"proposed: what was learnt since {version} did harm; sluicegate gate quarantine add --reason ... holds it"
        )
    return lines


def _line(each: dict[str, Any]) -> str:
    at = datetime.fromtimestamp(each["at"], UTC).isoformat(timespec="seconds")
    ranges = ", ".join(f"{topic}[{part}] {start}-{stop - 1}" for topic, part, start, stop in each["pieces"])
    what = f"{each['events']} events since {each['version']}" + (f" ({ranges})" if ranges else "")
    if each["state"] == "replayed":
        what += f", {each['learnt']} learnt after all"
    words = f"{each['actor']}: {each['reason']}" + (f"; {each['detail']}" if each["detail"] else "")
    return f"{at} {each['id']} {each['state']:8} {what} ({words})"


__all__ = ["register"]
