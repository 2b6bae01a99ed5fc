"""The options of every command of `sluicegate gate`, and the client that they describe."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from service.cli.errors import broken
from service.cli.gate_client import GateClient, GateTrouble
from streaming.settings import Settings, load_settings

Config = Annotated[Path | None, typer.Option("--config", help="TOML file with settings.")]
Url = Annotated[str | None, typer.Option("--url", help="Address of the service; default: service.host and port.")]
Key = Annotated[str, typer.Option("--key", envvar="SLUICEGATE_KEY", help="API key, if the service needs one.")]
Reason = Annotated[str, typer.Option("--reason", help="The reason; it stays in the audit.")]
Revision = Annotated[int | None, typer.Option("--revision", help="Only if the gate is at this revision.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on standard output, for scripts.")]

T = TypeVar("T")


def client(config: Path | None, url: str | None, key: str) -> GateClient:
    """A client of the service at `url`, by default at the address in the settings."""
    return GateClient(url or address_of(load_settings(config, os.environ)), key)


def address_of(settings: Settings) -> str:
    """The address of the service of these settings, on this machine."""
    section = settings.service
    host = "127.0.0.1" if section.host in {"0.0.0.0", "::"} else section.host  # noqa: S104 - not bound, only asked
    return f"http://{host}:{section.port}"


def done(call: Callable[[], T]) -> T:
    """The result of a call; ends the process with the service's message when it failed."""
    try:
        return call()
    except GateTrouble as trouble:
        broken(trouble)
