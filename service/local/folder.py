"""Keeps a data folder private and for one process at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from service.local.embedded import EmbeddedError

LOCK: Final = "lock"
"""File in the folder that its holder locks. It says who holds it, and stays behind without meaning anything."""

PRIVATE_FOLDER: Final = 0o700


def make_private(folder: Path) -> None:
    """Make the folder if it is not there, and close it to other users. Raises EmbeddedError when that fails."""
    try:
        folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        with contextlib.suppress(PermissionError):  # somebody else's folder: the files in it are private all the same
            folder.chmod(PRIVATE_FOLDER)
    except OSError as error:
        raise EmbeddedError(f"the folder {folder} cannot be used: {error.strerror or error}") from None


@contextlib.contextmanager
def held(folder: Path) -> Iterator[Callable[[int], None]]:
    """Hold a folder for this process. The kernel lets go of it when the process ends, however it ends.

    Args:
        folder: Made if it is not there.

    Yields:
        Takes the port of the service, to be named to a process that comes second.

    Raises:
        EmbeddedError: Another process holds the folder, or it cannot be used.
    """
    make_private(folder)
    file = folder / LOCK
    with os.fdopen(os.open(file, os.O_RDWR | os.O_CREAT, 0o600), "r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise EmbeddedError(
                f"{folder} is in use by another `sluicegate up` ({lock.read().strip() or 'which is just starting'}): "
                "stop that one, or name another folder with --folder"
            ) from None

        def note(port: int) -> None:
            lock.seek(0)
            lock.truncate()
            lock.write(f"pid {os.getpid()}, port {port}\n")
            lock.flush()

        yield note


__all__ = ["held", "make_private"]
