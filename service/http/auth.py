"""Finds who asks, from the key in a request's headers and the key hashes of the settings."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from service.http.problems import Problem

ROLES: Final = ("read", "events", "beacon", "admin")
"""What a key may do: read, send events and item facts, send a page's events, change the gate. `admin` may do all."""

_Stamp = tuple[int, int, int, int]


class BadKeys(ValueError):
    """The configured keys cannot be used. The message says what an entry looks like."""


class Caller(NamedTuple):
    """Who asks."""

    role: str
    name: str
    """Safe to log and to audit: the role and the first characters of the key's hash."""


LOCAL: Final = {role: Caller(role, "local") for role in ROLES}
"""The caller of a role that needs no key."""


class ApiKeys:
    """The accepted keys, by hash, and which roles need none.

    >>> keys = ApiKeys([f"admin:{digest('s3cret')}"], trusted=True)
    >>> keys.admit({}, "read").name, keys.admit({"x-api-key": "s3cret"}, "admin").role
    ('local', 'admin')
    """

    def __init__(self, entries: Iterable[str] = (), file: Path | None = None, *, trusted: bool = True) -> None:
        """Read the keys.

        Args:
            entries: Keys as ROLE:SHA256-HEX.
            file: A file with one entry per line; `#` begins a comment.
            trusted: Whether only this machine can send requests, or the operator gave --insecure. Then a role for which
                no key is configured is open. A key of one role does not close the others. A role that needed a key
                once stays closed until the process ends, whatever becomes of the file.

        Raises:
            BadKeys: An entry or the file cannot be used, or the file has no entry.
        """
        self._entries = tuple(entries)
        self._file = file
        self._trusted = trusted
        self._stamp: _Stamp | None = None
        self._looked = float("-inf")
        self._keys: list[tuple[str, str]] = []
        self._closed: set[str] = set()
        """Roles that need a key; none is ever taken out."""
        self.trouble = ""
        """Why the key file was not read; "" while the keys in force are those in the file."""
        self._read()

    def __len__(self) -> int:
        return len(self._keys)

    def is_open(self, role: str) -> bool:
        """Whether `role` needs no key."""
        return self._trusted and role not in self._closed

    def refresh(self, now: float) -> None:
        """Read the key file again if it changed, checking at most once a second.

        Args:
            now: Monotonic seconds.

        Raises:
            BadKeys: The file has become unusable or empty. It is raised once; the keys that were in force still are.
        """
        if self._file is None or now - self._looked < 1.0:
            return
        self._looked = now
        stamp = _stamp(self._file)
        if stamp != self._stamp:
            try:
                self._read()
            except BadKeys as error:
                self.trouble = str(error)
                raise

    def _read(self) -> None:
        self._keys = [parse(entry) for entry in self._entries] + self._from_file()
        self._closed.update(role for role, _ in self._keys)
        self.trouble = ""

    def _from_file(self) -> list[tuple[str, str]]:
        if self._file is None:
            return []
        self._stamp = _stamp(self._file)
        try:
            if self._stamp is not None and not self._file.is_file():
                # To read a pipe would wait for somebody who writes, and no request would be answered meanwhile.
                raise BadKeys(f"cannot read the key file {self._file}: it is no file")
            lines = self._file.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise BadKeys(f"cannot read the key file {self._file}: {error}") from error
        stripped = (line.split("#", 1)[0].strip() for line in lines)
        found = [parse(line) for line in stripped if line]
        if not found:
            # Somebody who names a file wants keys: no key at all is an accident, such as a file that is being written.
            raise BadKeys(f"the key file {self._file} has no entry: write one ROLE:SHA256-HEX a line")
        return found

    def _caller(self, headers: Mapping[str, str]) -> Caller | None:
        key = _key(headers)
        if not key:
            return None
        presented = digest(key)
        found: Caller | None = None
        # Every key is compared, each in constant time: the time taken must not reveal which one was nearly right.
        for role, known in self._keys:
            if secrets.compare_digest(presented, known):
                found = Caller(role, f"{role}:{known[:8]}")
        return found

    def public(self, key: str) -> Caller | None:
        """The caller with this public key; None for any other key, even a known one."""
        caller = self._known({"x-api-key": key})
        return caller if caller is not None and caller.role == "beacon" else None

    def grants(self, headers: Mapping[str, str], role: str) -> bool:
        """Whether `admit` would let this caller in: an answer can then hold more."""
        return self._admitted(self._known(headers), role) is not None

    def admit(self, headers: Mapping[str, str], role: str, also: str = "") -> Caller:
        """The caller, if they have the role `role` or `also`, or admin.

        Raises:
            Problem: 401 without a known key, 403 with a key of another role.
        """
        caller = self._known(headers)
        if (admitted := self._admitted(caller, role, also)) is not None:
            return admitted
        if caller is None:
            raise Problem(
                "unauthorized",
                f"This path needs a key with role {role}, and the request has none that is known here.",
                "Send the key in the header X-API-Key, or as Authorization: Bearer KEY.",
                headers={"WWW-Authenticate": 'Bearer realm="sluicegate"'},
            )
        raise Problem(
            "forbidden",
            f"This path needs a key with role {role}; this one has role {caller.role}.",
            f"Use a key with role {role} or admin.",
        )

    def _known(self, headers: Mapping[str, str]) -> Caller | None:
        return self._caller(headers) if self._keys else None

    def _admitted(self, caller: Caller | None, role: str, also: str = "") -> Caller | None:
        if caller is not None and caller.role in {role, also, "admin"}:
            return caller
        return LOCAL[role] if self.is_open(role) else None


def digest(key: str) -> str:
    """SHA-256 of a key in hexadecimal, as it is configured."""
    return hashlib.sha256(key.encode()).hexdigest()


def parse(entry: str) -> tuple[str, str]:
    """Role and hash of an entry ROLE:SHA256-HEX. Raises BadKeys for anything else, without repeating it."""
    role, _, known = entry.strip().partition(":")
    known = known.lower()
    if role not in ROLES or len(known) != 64 or set(known) - set("0123456789abcdef"):
        raise BadKeys(
            f"a key entry is not usable: write ROLE:SHA256-HEX, with role {', '.join(ROLES)}, "
            "and as hash the output of `printf %s KEY | sha256sum`"
        )
    return role, known


def _stamp(file: Path) -> _Stamp | None:
    """What changes when the file, its place in the folder or the right to read it changes; None without a file."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size


def _key(headers: Mapping[str, str]) -> str:
    key = headers.get("x-api-key", "")
    if key:
        return _text(key)
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return _text(token.strip()) if scheme.lower() == "bearer" else ""


def _text(header: str) -> str:
    """A header as it was sent: the server reads each byte as one character, and keys are UTF-8."""
    try:
        return header.encode("latin-1").decode()
    except UnicodeError:
        return header


__all__ = ["ROLES", "ApiKeys", "BadKeys", "Caller", "digest"]
