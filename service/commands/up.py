"""`sluicegate up`: runs learner and service until Ctrl-C, with Kafka and Redis embedded or configured."""

from __future__ import annotations

import hashlib
import os
import secrets
import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from service.local import EmbeddedError, Stack, choose_port, default_folder, held, running
from streaming.settings import Settings, load_settings

WATCH = 0.5
"""Seconds between looks at the processes."""


def admin_key(folder: Path) -> tuple[Path, str | None]:
    """The file of key hashes in `folder`, and the admin key if it was made just now: only its hash is kept."""
    file = folder / "keys"
    if file.exists():
        return file, None
    folder.mkdir(parents=True, exist_ok=True)
    key = secrets.token_urlsafe(24)
    draft = folder / f"keys.{os.getpid()}"
    draft.touch(mode=0o600)
    draft.write_text(f"admin:{hashlib.sha256(key.encode()).hexdigest()}\n")
    draft.rename(file)
    return file, key


def stop_signal() -> threading.Event:
    """An event that Ctrl-C and SIGTERM set from now on."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        # From a thread: the handler may have interrupted `wait`, whose lock `set` needs.
        signal.signal(number, lambda *_: threading.Thread(target=stop.set).start())
    return stop


def watch(stack: Stack, stop: threading.Event) -> None:
    """Wait until `stop` is set. Raises EmbeddedError when a process dies first."""
    while not stop.wait(WATCH):
        stack.check()


def register(app: typer.Typer) -> None:
    """Add `sluicegate up`."""

    @app.command(
        epilog="Example: SLUICEGATE_KAFKA__BOOTSTRAP=kafka:9092 sluicegate up --port 8080 --folder /var/lib/shop"
    )
    def up(
        config: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
        host: Annotated[
            str | None, typer.Option(help="Address to listen on; beyond loopback every role needs a key.")
        ] = None,
        port: Annotated[int | None, typer.Option(help="Port of the service; 0 for any free one.")] = None,
        folder: Annotated[Path | None, typer.Option(help="Where the learned state and logs are kept.")] = None,
        shards: Annotated[
            int | None,
            typer.Option(min=1, help="Learners that share the stream; above 1 needs the extra `ray`."),
        ] = None,
    ) -> None:
        """Run learner and service on this machine. Kafka and Redis are embedded unless configured."""
        if shards is not None:
            os.environ["SLUICEGATE_LEARNER__SHARDS"] = str(shards)
        settings = load_settings(config, os.environ)
        place = folder or default_folder()
        _check_shards(settings)
        try:
            with held(place) as note:
                wanted = port if port is not None else _configured_port(settings)
                chosen = choose_port(wanted, settings.service.port, typer.echo)
                note(chosen)
                _run(settings, place, config, host, chosen)
        except EmbeddedError as error:
            typer.echo(f"sluicegate up: {error}", err=True)
            raise typer.Exit(1) from None


def _check_shards(settings: Settings) -> None:
    """Say before anything starts what the learner would end for."""
    if settings.learner.shards == 1:
        return
    from streaming.shards import NotWithShards, check

    try:
        check(settings)
    except NotWithShards as refusal:
        typer.echo(f"sluicegate up: {refusal}", err=True)
        raise typer.Exit(2) from None


def _run(settings: Settings, place: Path, config: Path | None, host: str | None, port: int) -> None:
    """Run everything until asked to stop. Raises EmbeddedError."""
    environ = {**os.environ, **_keys(settings, place)}
    if config is not None:
        environ["SLUICEGATE_CONFIG"] = str(config.resolve())
    stack = Stack(settings, place, environ, port, host or settings.service.host)
    with running(stack, typer.echo):
        stop = stop_signal()
        if stack.await_ready(typer.echo, stop.wait):
            typer.echo(f"\nready: {stack.address}   (Ctrl-C stops everything; state stays in {stack.folder})")
            if embedded := _embedded(stack):
                typer.echo(f"for send, doctor and other commands in another terminal: export {embedded}")
        watch(stack, stop)
        typer.echo("stopping: the learner writes its last version")


def _keys(settings: Settings, place: Path) -> dict[str, str]:
    """Where the service finds its keys: as configured, or in a new file with one key, which is printed."""
    if settings.service.keys_file is not None or settings.service.keys:
        return {}
    keys, made = admin_key(place)
    if made:
        # At once: a start that fails later must not leave a hash whose key nobody saw.
        typer.echo(f"admin key (shown once; only its hash is kept, in {keys}): {made}")
    return {"SLUICEGATE_SERVICE__KEYS_FILE": str(keys.resolve())}


def _embedded(stack: Stack) -> str:
    """Settings that other commands need to reach the embedded servers."""
    words = [f"SLUICEGATE_KAFKA__BOOTSTRAP={stack.bootstrap}"] if stack.embeds_kafka else []
    return " ".join([*words, *([f"SLUICEGATE_REDIS__URL={stack.redis_url}"] if stack.embeds_redis else [])])


def _configured_port(settings: Settings) -> int | None:
    """The configured port, when somebody configured one."""
    return None if settings.origin("service.port") == "default" else settings.service.port
