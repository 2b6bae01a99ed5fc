"""In: a CSV or NDJSON file, plain or gzipped. Out: its rows as dictionaries with line numbers."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, NamedTuple, Self

import msgspec

_GZIP: Final = b"\x1f\x8b"
_DELIMITERS: Final = ",\t;|"
# Characters of one CSV cell. A longer one is an unclosed quote that swallows the file.
_CELL: Final = 131_072


class FileError(ValueError):
    """The file as a whole cannot be used. The message says why, and what to do."""


class Row(NamedTuple):
    """One row: its line in the file, from 1, and its fields. Those of CSV are strings, and empty ones are left out."""

    line: int
    fields: dict[str, Any]


class Bad(NamedTuple):
    """A line that is no row, and the reason."""

    line: int
    reason: str


class RowFile:
    r"""Iterates over the rows of a file, as a context manager. Raises FileError.

    `columns` are the names in a CSV header, None for NDJSON.

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "a.csv"
    >>> _ = path.write_text("user_id,item_id\nu1,i1\n")
    >>> with RowFile(path) as rows:
    ...     print(rows.columns, list(rows))
    ('user_id', 'item_id') [Row(line=2, fields={'user_id': 'u1', 'item_id': 'i1'})]
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._raw: IO[bytes] = path.open("rb")
        except OSError as error:
            raise FileError(f"cannot read {path}: {error.strerror}") from None
        self.size = path.stat().st_size
        zipped = self._raw.read(2) == _GZIP
        self._raw.seek(0)
        # One more layer below the text: only a BufferedReader can look at bytes without consuming them.
        source: Any = gzip.GzipFile(fileobj=self._raw) if zipped else self._raw
        self._open = contextlib.ExitStack()
        self._open.callback(self._raw.close)
        try:
            self._read(self._open.enter_context(io.BufferedReader(source, 1 << 20)))
        except BaseException:
            self._open.close()
            raise

    def _read(self, buffered: io.BufferedReader) -> None:
        try:
            start = buffered.peek(4096)[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()
        except (OSError, EOFError) as error:
            raise FileError(f"{self.path} is not a whole gzip file: {error}") from None
        if not start:
            raise FileError(f"{self.path} is empty")
        self.columns: tuple[str, ...] | None = None
        if start.startswith(b"{"):
            self._rows = self._json(buffered)
            return
        text = self._open.enter_context(
            io.TextIOWrapper(buffered, "utf-8-sig", errors="surrogateescape", newline="", write_through=True)
        )
        header = start.split(b"\n", 1)[0].decode(errors="replace")
        delimiter = max(_DELIMITERS, key=header.count)
        csv.field_size_limit(_CELL)
        reader = csv.reader(text, delimiter=delimiter)
        self.columns = tuple(name.strip() for name in next(reader))
        self._rows = self._csv(reader, self.columns)

    def _csv(self, reader: Any, columns: tuple[str, ...]) -> Iterator[Row | Bad]:
        while True:
            try:
                cells = next(reader, None)
            except csv.Error as error:
                yield Bad(reader.line_num, str(error))
                continue
            if cells is None:
                return
            if len(cells) == len(columns):
                yield Row(reader.line_num, {name: cell for name, cell in zip(columns, cells, strict=True) if cell})
            elif cells:
                yield Bad(reader.line_num, f"{len(cells)} fields where the header has {len(columns)}")

    def _json(self, lines: IO[bytes]) -> Iterator[Row | Bad]:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                yield Row(number, msgspec.json.decode(line, type=dict[str, Any]))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                yield Bad(number, f"not a JSON object: {error}")

    def __iter__(self) -> Iterator[Row | Bad]:
        """Yield rows, and lines that are none. Raises FileError where a gzip file breaks off."""
        try:
            yield from self._rows
        except (OSError, EOFError) as error:
            raise FileError(f"{self.path} breaks off: {error}") from None

    def done(self) -> float:
        """Share of the file's bytes that was read, 0 to 1."""
        return min(1.0, self._raw.tell() / self.size) if self.size else 1.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()
