"""Keeps the lines of an export while it runs, so that a run which was stopped goes on where it was.

Next to OUT stand OUT.part, the finished lines, and OUT.part.json, what the export is of. Both are gone once OUT is
there.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

from service.cli.bulk_client import TOGETHER

ROWS: Final = 4_096
"""Lines that become rows of a Parquet file together: some 40,000 rows, a few MB."""


class Conflict(Exception):
    """An unfinished export of something else is in the way, or a file. The message is for the user."""


class Users:
    """The users of a file, one id a line, which is read again rather than held: a million ids would be 100 MB."""

    def __init__(self, path: Path) -> None:
        digest, count = hashlib.sha256(), 0
        with path.open("rb") as lines:
            for line in lines:
                digest.update(line)
                count += bool(line.strip())
        self._path = path
        self.count, self.digest = count, digest.hexdigest()

    def chunks(self, start: int) -> Iterator[list[str]]:
        """The ids from one on, as many at a time as one request takes."""
        with self._path.open(encoding="utf-8") as lines:
            ids = (line.strip("\r\n") for line in lines if line.strip())
            rest = islice(ids, start, None)
            while chunk := list(islice(rest, TOGETHER)):
                yield chunk


class Unfinished:
    """The lines of one export so far."""

    def __init__(self, out: Path, users: Users, options: Mapping[str, Any]) -> None:
        """Open the lines of an export, those of an earlier run included.

        Raises:
            Conflict: An earlier run exported for other users or with other options.
        """
        self._out = out
        self._lines, self._about = out.with_name(f"{out.name}.part"), out.with_name(f"{out.name}.part.json")
        about = {"users": users.digest, "options": dict(options)}
        if self._about.exists() and json.loads(self._about.read_text()) != about:
            raise Conflict(
                f"{self._lines} is of an export for other users or with other options: ask for the same again to "
                "finish it, or give --restart to begin from nothing"
            )
        self._about.write_text(json.dumps(about))
        self.done = self._whole_lines()
        """Users whose lines are there."""

    @staticmethod
    def forget(out: Path) -> None:
        """Remove what an earlier run left."""
        for end in (".part", ".part.json", ".users"):
            out.with_name(out.name + end).unlink(missing_ok=True)

    def _whole_lines(self) -> int:
        """Count the lines, and cut off one that is not whole."""
        if not self._lines.exists():
            return 0
        count, end = 0, 0
        with self._lines.open("rb+") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break
                count, end = count + 1, end + len(line)
            file.truncate(end)
        return count

    def add(self, lines: Sequence[bytes]) -> None:
        """Append the lines of some users."""
        with self._lines.open("ab") as file:
            file.write(b"".join(line + b"\n" for line in lines))
        self.done += len(lines)

    def finish(self) -> None:
        """Make the file that was asked for, in its format, and remove the rest."""
        if self._out.suffix == ".parquet":
            written = self._out.with_name(f"{self._out.name}.new")
            _to_parquet(self._lines, written)
            written.replace(self._out)
        else:
            self._lines.replace(self._out)
        self.forget(self._out)


def _to_parquet(lines: Path, out: Path) -> None:
    """A row for each item of each user."""
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema([
        ("user_id", pa.string()), ("rank", pa.int16()), ("item_id", pa.string()), ("score", pa.float64()),
        ("source", pa.string()), ("reason", pa.string()), ("request_id", pa.string()), ("model_version", pa.string()),
    ])  # fmt: skip
    with lines.open("rb") as file, parquet.ParquetWriter(out, schema) as writer:
        while some := list(islice(file, ROWS)):
            writer.write_table(pa.Table.from_pylist(list(_rows(some)), schema))


def _rows(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        slate = json.loads(line)
        whole = {name: slate.get(name) for name in ("user_id", "request_id", "model_version")}
        for item in slate.get("items", ()):
            yield {**whole, **{name: item.get(name) for name in ("rank", "item_id", "score", "source", "reason")}}


def write_users(ids: Iterable[str], path: Path) -> None:
    """Write ids as a file of users, each once. Ids with a line break cannot be, and no valid id has one."""
    written = path.with_name(f"{path.name}.new")
    with written.open("w", encoding="utf-8") as file:
        file.writelines(f"{user_id}\n" for user_id in dict.fromkeys(ids))
        file.flush()
        os.fsync(file.fileno())
    written.replace(path)


__all__ = ["Conflict", "Unfinished", "Users", "write_users"]
