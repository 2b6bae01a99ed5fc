"""`sluicegate erase USER`: has a running service erase a user, and shows the receipt."""

from __future__ import annotations

import json
import time
from typing import Annotated, Any, Final
from urllib.parse import quote, urlencode

import typer

from service.cli.errors import broken
from service.cli.gate_client import GateClient, GateTrouble
from service.cli.gate_options import AsJson, Config, Key, Url, client, done

LOOK: Final = 0.5
"""Seconds between two looks at a receipt."""

HELP = (
    "docs/operations.md says what is gone when, and what is not erased.\n\n"
    "Examples:\n\n"
    "sluicegate erase ann --yes --wait 60\n\n"
    "sluicegate erase --receipt 5f0c2b9e61d04a7788c1a3f2"
)


def register(app: typer.Typer) -> None:
    """Add `sluicegate erase`."""
    app.command("erase", epilog=HELP)(erase)


def erase(
    user: Annotated[str | None, typer.Argument(help="Id of the user.")] = None,
    receipt: Annotated[str | None, typer.Option("--receipt", help="Only show the receipt of this erasure.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether it is meant.")] = False,
    wait: Annotated[float, typer.Option("--wait", min=0, help="Seconds to wait until the user is erased.")] = 0.0,
    config: Config = None,
    url: Url = None,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Erase a user everywhere, for good, and show the receipt that says when that is done."""
    if (user is None) == (receipt is None):
        raise typer.BadParameter("name a user, or an erasure with --receipt", param_hint="USER")
    service = client(config, url, key)
    if user is not None:
        if not yes:
            typer.confirm(f"Erase user {user!r} everywhere, for good?", abort=True, err=True)
        query = urlencode({"user_id": user})
        found = done(lambda: service.ask("DELETE", f"/users?{query}"))
        receipt = str(found["erasure_id"])
        found = {"erasure_id": receipt, "status": "accepted"} | (_waited(service, receipt, wait) if wait else {})
    else:
        found = done(lambda: service.ask("GET", f"/erasures/{quote(str(receipt), safe='')}"))
    typer.echo(json.dumps(found) if as_json else "\n".join(_lines(found)))


def _waited(service: GateClient, receipt: str, seconds: float) -> dict[str, Any]:
    """The receipt once the user is erased; ends the process when that takes longer."""
    end = time.monotonic() + seconds
    path = f"/erasures/{receipt}"
    while (found := done(lambda: service.ask("GET", path)))["status"] == "accepted":
        if time.monotonic() > end:
            broken(GateTrouble(f"erasure {receipt} is not carried out after {seconds:g} s: is a learner running?"))
        time.sleep(LOOK)
    return found


def _lines(found: dict[str, Any]) -> list[str]:
    lines = [f"{name:16} {value}" for name, value in found.items() if not isinstance(value, (dict, list))]
    lines += [
        f"{name:16} {key}: {value}"
        for name, part in found.items()
        if isinstance(part, dict)
        for key, value in part.items()
    ]
    lines += [f"{name:16} {each}" for name, part in found.items() if isinstance(part, list) for each in part]
    return lines


__all__ = ["register"]
