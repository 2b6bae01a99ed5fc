"""`sluicegate up`: runs learner and service until Ctrl-C, with Kafka and Redis embedded or configured."""

from __future__ import annotations

import os
import shlex
import signal
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from service.cli.exit_codes import FAILED, USAGE
from service.cli.new_key import new_key
from service.local import EmbeddedError, Stack, choose_port, default_folder, held, running
from streaming.settings import MASK, Settings, in_force, load_settings

WATCH = 0.5
"""Seconds between looks at the processes."""


def admin_key(folder: Path) -> tuple[Path, str | None]:
    """The file of key hashes in `folder`, and the admin key if it was made just now: only its hash is kept."""
    file = folder / "keys"
    if file.exists():
        return file, None
    folder.mkdir(parents=True, exist_ok=True)
    key, line = new_key("admin")
    draft = folder / f"keys.{os.getpid()}"
    draft.touch(mode=0o600)
    draft.write_text(f"{line}\n")
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
        metrics_port: Annotated[
            int | None, typer.Option(help="Port of the learner's metrics; 0 for any free one.")
        ] = None,
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
                _run(settings, place, config, host, chosen, metrics_port)
        except EmbeddedError as error:
            typer.echo(f"sluicegate up: {error}", err=True)
            raise typer.Exit(FAILED) from None


def _check_shards(settings: Settings) -> None:
    """Say before anything starts what the learner would end for."""
    if settings.learner.shards == 1:
        return
    from streaming.shards import NotWithShards, check

    try:
        check(settings)
    except NotWithShards as refusal:
        typer.echo(f"sluicegate up: {refusal}", err=True)
        raise typer.Exit(USAGE) from None


def _run(
    settings: Settings, place: Path, config: Path | None, host: str | None, port: int, metrics_port: int | None
) -> None:
    """Run everything until asked to stop. Raises EmbeddedError."""
    keys, made = _keys(settings, place)
    environ = {**os.environ, **keys}
    if config is not None:
        environ["SLUICEGATE_CONFIG"] = str(config.resolve())
    stack = Stack(settings, place, environ, port, host or settings.service.host, metrics_port)
    with running(stack, typer.echo):
        stop = stop_signal()
        if stack.await_ready(typer.echo, stop.wait):
            typer.echo(f"\nready: {stack.address}   (Ctrl-C stops everything; state stays in {stack.folder})")
            if words := _reached_by(stack, environ, made):
                typer.echo(f"other commands reach it, in another terminal, after:\nexport {words}")
        watch(stack, stop)
        typer.echo("stopping: the learner writes its last version")


def _keys(settings: Settings, place: Path) -> tuple[dict[str, str], str | None]:
    """Where the service finds its keys: as configured, or in a file; and the key if it was made just now."""
    if settings.service.keys_file is not None or settings.service.keys:
        return {}, None
    keys, made = admin_key(place)
    if made:
        # At once: a start that fails later must not leave a hash whose key nobody saw.
        typer.echo(f"admin key (shown once; only its hash is kept, in {keys}): {made}")
    return {"SLUICEGATE_SERVICE__KEYS_FILE": str(keys.resolve())}, made


def _reached_by(stack: Stack, environ: Mapping[str, str], key: str | None) -> str:
    """The variables with which commands in another terminal reach all of this.

    Args:
        stack: What runs.
        environ: The environment that it was started with. What may be secret in it is left out.
        key: The admin key, if it is known.
    """
    settings = stack.settings
    origins = {origin for _, value, origin in in_force(settings) if MASK not in value}
    words = {name: environ[name] for name in sorted(environ) if name in origins | {"SLUICEGATE_CONFIG"}}
    own = {
        "KAFKA__BOOTSTRAP": (stack.embeds_kafka, stack.bootstrap),
        "REDIS__URL": (stack.embeds_redis, stack.redis_url),
        "SERVICE__HOST": (stack.host != settings.service.host, stack.host),
        "SERVICE__PORT": (stack.port != settings.service.port, stack.port),
        "LEARNER__METRICS_PORT": (stack.metrics_port != settings.learner.metrics_port, stack.metrics_port),
        "KEY": (key is not None, key),
    }
    words |= {f"SLUICEGATE_{name}": str(value) for name, (needed, value) in own.items() if needed}
    return " ".join(f"{name}={shlex.quote(value)}" for name, value in words.items())


def _configured_port(settings: Settings) -> int | None:
    """The configured port, when somebody configured one."""
    return None if settings.origin("service.port") == "default" else settings.service.port
