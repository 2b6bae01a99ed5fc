"""Key files as editors and shells write them, files that are none, and keys that are not ASCII."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from service.http import BadKeys, Problem
from service.http.auth import ApiKeys, digest

ENTRY = f"admin:{digest('a-key')}"
A_KEY = {"x-api-key": "a-key"}


@pytest.mark.parametrize(
    "raw",
    [
        f"\ufeff{ENTRY}\r\n".encode(),
        f"\ufeff# keys\r\n\r\n  {ENTRY}  # of the shop\r\n".encode(),
        ENTRY.replace("admin", "read").encode() + b"\r" + ENTRY.upper().replace("ADMIN", "admin").encode(),
    ],
    ids=["byte order mark", "comment and blanks", "old line ends, hash in capitals"],
)
def test_a_key_file_is_read_however_an_editor_saved_it(raw: bytes, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_bytes(raw)
    assert ApiKeys(file=file).admit(A_KEY, "admin").role == "admin"


def folder(path: Path) -> None:
    path.mkdir()


def link_to_nothing(path: Path) -> None:
    path.symlink_to(path.with_name("gone"))


def in_utf_16(path: Path) -> None:
    path.write_text(f"admin:{digest('other')}", encoding="utf-16")


@pytest.mark.parametrize("replaced", [folder, os.mkfifo, link_to_nothing, in_utf_16])
def test_a_key_file_that_is_replaced_by_something_else_keeps_the_last_keys_in_force(
    replaced: Callable[[Path], None], tmp_path: Path
) -> None:
    file = tmp_path / "keys"
    file.write_text(ENTRY, encoding="utf-8")
    keys = ApiKeys(file=file)
    file.unlink()
    replaced(file)
    with pytest.raises(BadKeys, match="cannot read the key file"):
        keys.refresh(1.0)
    keys.refresh(3.0)
    assert keys.trouble
    assert keys.admit(A_KEY, "admin").role == "admin"
    with pytest.raises(Problem):
        keys.admit({}, "admin")


@pytest.mark.parametrize("header", ["x-api-key", "authorization"])
def test_a_key_with_letters_beyond_ascii_is_known(header: str) -> None:
    keys = ApiKeys([f"read:{digest('schlüssel')}"])
    sent = "schlüssel".encode().decode("latin-1")  # as the server reads what curl sends
    value = sent if header == "x-api-key" else f"Bearer {sent}"
    assert keys.admit({header: value}, "read").role == "read"
    with pytest.raises(Problem):
        keys.admit({header: value.replace("s", "\xff")}, "read")
