"""Forwards connections on loopback to a port that changes, as a virtual address or a DNS name before Redis does.

`python -m benchmarks.endurance.forwarder PORT FILE` connects each new client to the port that FILE holds at that
moment. An open connection stays where it is until one of its ends closes it.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import cast

import uvloop


class End(asyncio.Protocol):
    """One end of a forwarded connection: what it receives is written to its peer."""

    def __init__(self, peer: End | None = None) -> None:
        self.peer = peer
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.write(data)

    def pause_writing(self) -> None:
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - the base class names it
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.close()


class Client(End):
    """A client's end. What it sends before the other end is connected waits for that."""

    def __init__(self, target: Path) -> None:
        super().__init__()
        self._target = target
        self._early: list[bytes] = []
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._connecting = asyncio.get_running_loop().create_task(self._connect())

    def data_received(self, data: bytes) -> None:
        if self.peer is None:
            self._early.append(data)
        else:
            super().data_received(data)

    async def _connect(self) -> None:
        assert self.transport is not None
        try:
            port = int(self._target.read_text())
            loop = asyncio.get_running_loop()
            _, peer = await loop.create_connection(lambda: End(self), "127.0.0.1", port)
        except OSError:
            self.transport.close()  # nobody listens there, and the client learns it as it would from the server itself
            return
        assert peer.transport is not None
        if self.transport.is_closing():
            peer.transport.close()
            return
        peer.transport.write(b"".join(self._early))
        self.peer = peer


async def forward(port: int, target: Path) -> None:
    """Forward until the process ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Client(target), "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(forward(int(sys.argv[1]), Path(sys.argv[2])))
