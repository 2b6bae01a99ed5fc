"""Runs an API replica in this process; the exit code says how it ended.

Exit codes: 0 ended as asked; 1 a defect; 2 settings, keys or options cannot be used; 8 the address is in use or may not
be used.
"""

from __future__ import annotations

import argparse
import errno
import gc
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final

import uvicorn

from service.http import ApiKeys, BadKeys, is_loopback
from service.runtime import Doorkeeper, Loading, logs, room, take_short_turns
from streaming.allocator import give_memory_back
from streaming.logs import configure
from streaming.settings import BadSettings, Settings, load_settings, log_format
from streaming.tracing import TracingMissing

if TYPE_CHECKING:
    from fastapi import FastAPI

OK: Final = 0
DEFECT: Final = 1
UNUSABLE: Final = 2
NO_ADDRESS: Final = 8

GRACE: Final = 8
"""Seconds that requests in flight have to end after SIGTERM; POST /events waits 5 for Kafka. With the time that the
parts take to stop (service/context.py) that is less than 20 s; Docker and Kubernetes kill after 30 s."""
KEEP_ALIVE: Final = 75
"""Seconds an idle connection is kept: longer than load balancers usually do, so that the balancer closes first."""
CONNECTIONS: Final = 2_000
"""Connections at once; beyond that, the one that has waited longest for its client makes room."""
REQUESTS: Final = 2_048
"""Requests at once; beyond that the server answers 503 by itself. Connections count too, so this is more."""


def run(config: Path | None, *, host: str | None = None, port: int | None = None, insecure: bool = False) -> int:
    """Serve until SIGTERM or SIGINT.

    Args:
        config: A settings file (TOML).
        host: Address to listen on, instead of the one in the settings.
        port: Port to listen on, instead of the one in the settings.
        insecure: Listen beyond loopback without keys.

    Returns:
        The exit code.
    """
    configure("service", log_format(config, os.environ))
    give_memory_back()
    try:
        settings = _with_options(load_settings(config, os.environ), host, port, insecure)
        listener = _listen(settings)
        loading = Loading()
        app = _application(settings, loading.end)
    except (BadSettings, BadKeys, TracingMissing, OSError) as error:
        return _refuse(error)
    context = app.state.context
    loading.begin()
    take_short_turns()
    closed = context.telemetry.connections_closed
    keeper = Doorkeeper(
        room(CONNECTIONS),
        settings.service.connections_per_address,
        settings.service.proxies,
        lambda reason: closed[reason].inc(),
    )
    server = _Server(
        app.state.context.live.close,
        uvicorn.Config(
            app,
            loop="uvloop",
            http=keeper.protocol(),
            ws="none",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,  # service/app.py believes the configured ones
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=GRACE,
            limit_concurrency=REQUESTS,
        ),
    )
    address = "http://{}:{}".format(*listener.getsockname()[:2])
    logs.say("listening", address=address, pid=os.getpid())
    server.run(sockets=[listener])
    code = OK if server.started else DEFECT
    logs.say("ended", code=code, signal=server.caught)
    return code


def _application(settings: Settings, ready: Callable[[], None]) -> FastAPI:
    # Modules and their objects stay forever, so the collector need not look for cycles in them, now or later.
    gc.disable()
    try:
        # Numba and all kernels come with it: nobody should wait seconds to read that a setting is wrong.
        from service.app import create_app

        trusted = settings.service.insecure or is_loopback(settings.service.host)
        app = create_app(settings, trusted=trusted, ready=ready)
        gc.freeze()
    finally:
        gc.enable()
    return app


class _Server(uvicorn.Server):
    """uvicorn's server, which ends with exit code 0 when it was asked to end."""

    caught = ""
    """Name of the signal that ended it."""

    def __init__(self, close: Callable[[], None], config: uvicorn.Config) -> None:
        super().__init__(config)
        self._close = close

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """Start to drain; a second Ctrl-C ends at once."""
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True
        self._close()  # streams would delay the end until the grace is over
        self.caught = signal.Signals(sig).name
        logs.say("draining", signal=self.caught, grace_seconds=GRACE)


def _with_options(settings: Settings, host: str | None, port: int | None, insecure: bool) -> Settings:
    changes = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    service = settings.service.model_copy(update={**changes, **({"insecure": True} if insecure else {})})
    keys = ApiKeys(service.keys, service.keys_file)
    if not is_loopback(service.host) and not len(keys) and not service.insecure:
        raise BadKeys(
            f"{service.host} can be reached from other machines and no key is configured: set service.keys or "
            "service.keys_file, or listen on 127.0.0.1, or give --insecure if everybody may read and change"
        )
    return settings.model_copy(update={"service": service})


def _listen(settings: Settings) -> socket.socket:
    host, port = settings.service.host, settings.service.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise _Unbindable(_why(error, host, port)) from error
    listener.set_inheritable(True)
    return listener


class _Unbindable(OSError):
    pass


def _why(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is in use: stop what uses it, or name another with --port"
    if error.errno == errno.EACCES:
        return f"port {port} needs more rights: name one above 1023 with --port"
    return f"cannot listen on {host}:{port}: {error.strerror or error}"


def _refuse(error: Exception) -> int:
    logs.refuse(str(error))
    return NO_ADDRESS if isinstance(error, _Unbindable) else UNUSABLE


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m service`."""
    parser = argparse.ArgumentParser(
        prog="python -m service", description="Run the API: answer /recommend from the champion."
    )
    parser.add_argument("--config", type=Path, help="settings file (TOML)")
    parser.add_argument("--host", help="address to listen on; beyond loopback needs keys")
    parser.add_argument("--port", type=int, help="port to listen on")
    parser.add_argument("--insecure", action="store_true", help="listen beyond loopback without keys")
    options = parser.parse_args(arguments)
    return run(options.config, host=options.host, port=options.port, insecure=options.insecure)


if __name__ == "__main__":
    sys.exit(main())
