"""A port in, another address for it out, which can be moved to a second port as a name can."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Callable


class MovingName:
    """Forwards connections to whatever port it points at when they are made. Open ones stay, as with a name.

    Args:
        target: The port.
        answering: Whether it forwards from the start; otherwise connections are refused until `answer`.
    """

    def __init__(self, target: int, *, answering: bool = True) -> None:
        self.target = target
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._threads: list[threading.Thread] = []
        if answering:
            self.answer()

    def answer(self) -> None:
        """Forward from now on."""
        if not self._threads:
            self._socket.listen()
            self._start(self._accept)

    def _start(self, run: Callable[..., None], *args: socket.socket) -> None:
        self._threads.append(threading.Thread(target=run, args=args, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._socket.accept()
                self._start(self._forward, near, socket.create_connection(("127.0.0.1", self.target)))

    def _forward(self, near: socket.socket, far: socket.socket) -> None:
        """Until one side closes."""
        with near, far, selectors.DefaultSelector() as ready:
            ready.register(near, selectors.EVENT_READ, far)
            ready.register(far, selectors.EVENT_READ, near)
            with contextlib.suppress(OSError):
                while True:
                    for key, _ in ready.select():
                        data = key.fileobj.recv(65536)  # type: ignore[union-attr]
                        if not data:
                            return
                        key.data.sendall(data)

    def close(self) -> None:
        """Once the clients are closed."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join()


__all__ = ["MovingName"]
