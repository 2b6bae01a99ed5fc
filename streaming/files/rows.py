"""Reads the rows of a file (CSV, JSON, Parquet or a workbook) in batches, and names the lines that are none."""

from __future__ import annotations

import csv
import heapq
import io
import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Protocol, Self

from models.records import written
from streaming.files import json_rows
from streaming.files.csv_dialect import CELL, Dialect, dialect_of
from streaming.files.item_facts import NOT_UTF8_LINE
from streaming.files.source import BROKEN, FileError, Source
from streaming.files.workbook import Sheet, is_workbook

_BLOCK: Final = 1 << 20
_TOGETHER: Final = 4096
_PARQUET: Final = b"PAR1"
_BINARY: Final = re.compile(rb"[\x00\x02-\x08\x0e-\x1a\x7f]")


class Row(NamedTuple):
    """One row: its line in the file, from 1, and its fields. Those of CSV are strings, and empty ones are left out."""

    line: int
    fields: dict[str, Any]


class Bad(NamedTuple):
    """A line that is no row, and the reason."""

    line: int
    reason: str


class Batch(NamedTuple):
    """Some rows of a file.

    Attributes:
        lines: Their lines.
        columns: Their values by name of the column; None for JSON.
        documents: Their objects, for JSON.
        bad: Lines among them that are no rows.
        around: The key of each record and Kafka's time of it, epoch milliseconds; empty for a file, which has neither.
    """

    lines: Sequence[int]
    columns: dict[str, list[Any]] | None
    documents: list[Any]
    bad: list[Bad]
    around: Sequence[tuple[bytes | None, float]] = ()

    def rows(self) -> Iterator[Row]:
        """Row by row, as dictionaries."""
        if self.columns is None:
            yield from itertools.starmap(Row, zip(self.lines, self.documents, strict=True))
            return
        names = tuple(self.columns)
        for line, *values in zip(self.lines, *self.columns.values(), strict=True):
            row = zip(names, values, strict=True)
            yield Row(line, {name: value for name, value in row if value is not None and value != ""})


class Rows(Protocol):
    """What events are read from: a file, or records of a topic.

    Attributes:
        path: The file, or the name of the mapping, for messages.
        columns: The names in the header or schema, None for JSON.
        form: What it was recognized as.
        from_file: Whether they are lines of a file, which has an encoding, and not records of a topic or a request.
        remarks: What has to be said of it as a whole, by kind. It grows while rows are read.
    """

    path: Path
    columns: tuple[str, ...] | None
    form: str
    from_file: bool
    remarks: dict[str, str]

    def first(self, count: int) -> list[dict[str, Any]]:
        """The first rows as objects, `count` of them at most. They are read again by `batches`."""
        ...

    def batches(self) -> Iterator[Batch]:
        """Yield the rows in batches, once."""
        ...


class RowFile:
    r"""Reads the rows of a file, as a context manager. Raises FileError.

    `columns` are the names in the header or schema, None for JSON. `form` says what the file was recognized as.

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "a.csv"
    >>> _ = path.write_text("user_id,item_id\nu1,i1\n")
    >>> with RowFile(path) as rows:
    ...     print(rows.form, rows.columns, list(rows))
    CSV with commas ('user_id', 'item_id') [Row(line=2, fields={'user_id': 'u1', 'item_id': 'i1'})]
    """

    def __init__(self, path: Path, encoding: str | None = None) -> None:
        self.path, self.encoding, self.from_file = path, encoding, True
        self.columns: tuple[str, ...] | None = None
        self.sample: list[list[str]] = []
        self.remarks: dict[str, str] = {}
        """What the report has to say of the file, by kind. It grows while rows are read."""
        self._headers = 0
        self._share = 0.0
        self._source: Source | None = None
        if is_workbook(path):
            self._batches = self._of_sheet(Sheet(path))
            return
        self._source = source = Source(path, encoding)
        try:
            self._batches = self._recognized(source)
            self._note_repeated_names()
            if source.contradicts:
                self.remarks["encoding"] = f"by its bytes the file is UTF-8, not {encoding}: leave --encoding out"
        except BaseException:
            source.close()
            raise
        if source.packed:
            self.form += f", {source.packed}"

    def _of_sheet(self, sheet: Sheet) -> Iterator[Batch]:
        self.form, self.columns = sheet.form, sheet.columns
        self._note_repeated_names()
        return self._sheet_batches(sheet)

    def _sheet_batches(self, sheet: Sheet) -> Iterator[Batch]:
        assert self.columns is not None
        read = 0
        for lines, cells in sheet.batches(_TOGETHER):
            read += len(lines)
            self._share = min(1.0, read / sheet.count)
            yield _of_cells(self.columns, lines, cells, [])

    def _recognized(self, source: Source) -> Iterator[Batch]:
        head = source.head
        if head.startswith(_PARQUET):
            return self._of_parquet(source)
        start = head.lstrip(b" \t\r\n\x1e")
        if head[257:262] == b"ustar":
            raise FileError(f"{self.path} is a tar archive: unpack it, or pack the one file with gzip, zstd or zip")
        name, before = json_rows.wrapped_in(head)
        if name:
            self.form = f"JSON objects in the list {name!r}"
            source.skip(before)
            line = 1 + head.count(b"\n", 0, before)
            return _of_json(json_rows.of_documents(source, name, line, self.remarks))
        if start.startswith(b"{") and json_rows.is_lines(head):
            self.form = "NDJSON"
            return _of_json(json_rows.of_lines(source))
        if start.startswith((b"{", b"[{", b"[")) and (start.startswith(b"{") or start[1:].lstrip()[:1] in {b"{", b"]"}):
            self.form = "an array of JSON objects" if start.startswith(b"[") else "JSON objects over several lines"
            return _of_json(json_rows.of_documents(source))
        if start.startswith((b"<?xml", b"<html", b"<!DOCTYPE", b"<!doctype")):
            raise FileError(f"{self.path} is XML or HTML, not a table: export it as CSV or JSON")
        binary = _BINARY.search(re.split(rb"[\r\n]", head, maxsplit=1)[0])
        if binary:
            raise FileError(f"{self.path} is no text: its first line holds the byte 0x{binary[0][0]:02x}")
        dialect = dialect_of(head)
        words = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars", " ": "blanks", ":": "colons"}
        if dialect.above:
            self.remarks["above"] = f"{dialect.above} lines above the header are left out"
        if dialect.numbered:
            self.remarks["numbered"] = "the first cell of each row has no name in the header, and is left out"
        self.form = f"CSV with {words.get(dialect.delimiter, repr(dialect.delimiter))}"
        self.columns, self.sample = dialect.columns, dialect.sample
        source.skip(dialect.start)
        return self._of_csv(source, dialect)

    def _of_csv(self, source: Source, dialect: Dialect) -> Iterator[Batch]:
        text = io.TextIOWrapper(
            io.BufferedReader(source, _BLOCK), "utf-8", errors="surrogateescape", newline="", write_through=True
        )
        csv.field_size_limit(CELL)
        reader = csv.reader(
            text,
            delimiter=dialect.delimiter,
            skipinitialspace=dialect.spaced or dialect.delimiter == " ",
            escapechar=dialect.escape or None,
        )
        before, ended = 0, False
        while not ended:
            rows: list[list[str]] = []
            why = ""
            try:
                rows.extend(itertools.islice(reader, _TOGETHER))  # keeps the rows before an error
                ended = len(rows) < _TOGETHER
            except csv.Error as error:
                why = str(error)
            first, last = dialect.line + before, dialect.line + reader.line_num - 1
            before = reader.line_num
            rows = self._without_headers(rows, dialect)
            whole = not why and last - first + 1 == len(rows) and set(map(len, rows)) <= {len(dialect.columns)}
            if whole and all(map(any, rows)):
                yield _of_cells(dialect.columns, range(first, last + 1), rows, [])
            else:
                bad = [Bad(last, why)] if why else []
                yield _checked(dialect, first, rows, bad, self.remarks)

    def _note_repeated_names(self) -> None:
        twice = sorted(name for name, count in Counter(self.columns or ()).items() if name and count > 1)
        if twice:
            self.remarks["twice"] = (
                f"the header has {', '.join(map(repr, twice[:5]))} more than once, and the first one counts: rename one"
            )

    def _without_headers(self, rows: list[list[str]], dialect: Dialect) -> list[list[str]]:
        """The rows, where the header stands among them again, as in files after one another, as blank ones there."""
        names = [name for name in dialect.columns if name]
        if not names:
            return rows
        place, marked = dialect.columns.index(names[0]), f"\ufeff{names[0]}"
        column = [row[place] for row in rows if len(row) > place]
        if names[0] not in column and marked not in column:  # nearly always
            return rows
        found = [at for at, row in enumerate(rows) if [cell.strip("\ufeff ") for cell in row if cell.strip()] == names]
        if found:
            self._headers += len(found)
            self.remarks["header"] = f"{self._headers:,} lines repeat the header, and are left out"
            rows = rows.copy()
            for place in found:
                rows[place] = []
        return rows

    def _of_parquet(self, source: Source) -> Iterator[Batch]:
        import pyarrow as pa
        from pyarrow import parquet

        if source.packed:
            raise FileError(f"{self.path} is a Parquet file inside {source.packed}: unpack it first")
        self.form = "Parquet"
        try:
            file = parquet.ParquetFile(self.path)
        except (pa.ArrowException, OSError) as error:
            raise FileError(f"{self.path} is not a whole Parquet file: {error}") from None
        self.columns = tuple(file.schema_arrow.names)
        return self._parquet_batches(file, self.columns)

    def _parquet_batches(self, file: Any, columns: tuple[str, ...]) -> Iterator[Batch]:
        import pyarrow as pa

        line = 1
        with file:
            try:
                for batch in _batches(file):
                    count = batch.num_rows
                    found: dict[str, list[Any]] = {}
                    for name, column in zip(columns, batch.columns, strict=True):
                        if name not in found:
                            found[name] = _values(column)
                    yield Batch(range(line, line + count), found, [], [])
                    line += count
                    self._share = (line - 1) / max(file.metadata.num_rows, 1)
            except (pa.ArrowException, OSError) as error:
                raise FileError(f"{self.path} breaks off: {error}") from None

    def first(self, count: int) -> list[dict[str, Any]]:
        """The first rows as objects, `count` of them at most. They are read again later."""
        if self.columns is not None and self.sample:
            return [dict(zip(self.columns, cells, strict=False)) for cells in self.sample[:count]]
        with RowFile(self.path, self.encoding) as again:
            batch = next(again.batches(), None)
            return [] if batch is None else [row.fields for row in itertools.islice(batch.rows(), count)]

    def batches(self) -> Iterator[Batch]:
        """Yield the rows in batches, once. Raises FileError where the file breaks off."""
        try:
            yield from self._batches
        except BROKEN as error:
            raise FileError(f"{self.path} breaks off: {error}") from None

    def __iter__(self) -> Iterator[Row | Bad]:
        """Yield rows, and lines that are none, in the order of the file. Raises FileError where the file breaks off."""
        for batch in self.batches():
            yield from _in_order(batch)

    def done(self) -> float:
        """Share of the file that was read, 0 to 1."""
        return self._share or (self._source.done() if self._source is not None else 0.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._source is not None:
            self._source.close()


def raw_records(
    path: Path, encoding: str | None = None, change: Callable[[Batch], Batch] = lambda batch: batch
) -> Iterator[tuple[int, bytes | Bad]]:
    """Each record of a file as JSON, with its line: lines of NDJSON as they are, rows and objects of others as objects.

    A line that is no row, or that no JSON can hold, is given as such.

    Args:
        path: The file.
        encoding: Its encoding.
        change: What is done to rows.

    Raises:
        FileError: The file as a whole cannot be used.
    """
    if not is_workbook(path):
        with Source(path, encoding) as source:
            if json_rows.is_lines(source.head) and not json_rows.wrapped_in(source.head)[0]:
                for number, line in enumerate(io.BufferedReader(source, _BLOCK), 1):
                    if line.strip():
                        yield number, line.strip()
                return
    with RowFile(path, encoding) as rows:
        for row in itertools.chain.from_iterable(_in_order(change(batch)) for batch in rows.batches()):
            yield row.line, row if isinstance(row, Bad) else _as_json(row)


def _as_json(row: Row) -> bytes | Bad:
    try:
        return written(row.fields)
    except UnicodeEncodeError:
        return Bad(row.line, NOT_UTF8_LINE)


def _values(column: Any) -> list[Any]:
    """The values of a column of Parquet. Moments that Python has no object for are text that says what they are."""
    try:
        found: list[Any] = column.to_pylist()
    except (OverflowError, ValueError):
        found = [_value(each) for each in column]
    return found


def _value(scalar: Any) -> Any:
    try:
        return scalar.as_py()
    except (OverflowError, ValueError):
        import pyarrow as pa

        if getattr(scalar.type, "unit", "") == "ns":
            return _value(scalar.cast(pa.timestamp("us", scalar.type.tz), safe=False))
        return f"{getattr(scalar, 'value', 'a value')} {scalar.type}"


def _in_order(batch: Batch) -> Iterable[Row | Bad]:
    rows: list[Iterable[Row | Bad]] = [batch.rows(), batch.bad]
    return heapq.merge(*rows, key=_line_of) if batch.bad else batch.rows()


def _line_of(each: Row | Bad) -> int:
    return each.line


def _of_cells(columns: tuple[str, ...], lines: Sequence[int], cells: list[list[str]], bad: list[Bad]) -> Batch:
    values = map(list, zip(*cells, strict=True)) if cells else ([] for _ in columns)
    found: dict[str, list[Any]] = {}
    for name, column in zip(columns, values, strict=True):
        if name and name not in found:
            found[name] = column
    return Batch(lines, found, [], bad)


def _checked(dialect: Dialect, line: int, rows: list[list[str]], bad: list[Bad], remarks: dict[str, str]) -> Batch:
    """A batch of rows of which some are blank, too long or too short, or go over several lines."""
    columns = dialect.columns
    line -= 1
    lines, cells = [], []
    for row in rows:
        begin = line + 1
        line += 1 + sum(cell.count("\n") or cell.count("\r") for cell in row)
        over = f", over lines {begin} to {line}: is a quote not closed?" if line - begin > 1 else ""
        if over and any(_holds_rows(cell, dialect) for cell in row):
            remarks.setdefault("swallowed", f"a cell holds what looks like rows of its own{over}")
        fitted = row if len(row) == len(columns) else _fitted(row, columns)
        if fitted is not None and any(fitted):
            lines.append(line)
            cells.append(fitted)
        elif fitted is None and any(row):
            bad.append(Bad(line, f"{len(row)} fields where the header has {_named(columns)}{over}"))
    return _of_cells(columns, lines, cells, sorted(bad))


def _holds_rows(cell: str, dialect: Dialect) -> bool:
    """Whether a line inside of a cell has as many delimiters as a row has."""
    if "\n" not in cell or dialect.delimiter not in cell:
        return False
    needed = _named(dialect.columns) - 1
    counts = [inner.count(dialect.delimiter) for inner in cell.split("\n")[1:-1]]
    if needed < 2:  # text has a comma in a line here and there
        return len(counts) > 1 and set(counts) == {needed}
    return any(count >= needed for count in counts)


def _named(columns: tuple[str, ...]) -> int:
    """Columns up to the last one with a name."""
    return max((place for place, name in enumerate(columns, 1) if name), default=0)


def _fitted(row: list[str], columns: tuple[str, ...]) -> list[str] | None:
    """A row with as many cells as there are columns, where only empty or nameless cells make the difference."""
    width = len(columns)
    if len(row) > width:
        return None if any(cell.strip() for cell in row[width:]) else row[:width]
    return None if any(columns[len(row) :]) else row + [""] * (width - len(row))


def _batches(file: Any) -> Iterator[Any]:
    """The rows of a Parquet file. One walk through all groups would keep what it has read of each until its end."""
    for group in range(file.num_row_groups):
        yield from file.iter_batches(batch_size=_TOGETHER, row_groups=[group])


def _of_json(found: Iterator[json_rows.Found]) -> Iterator[Batch]:
    while together := list(itertools.islice(found, _TOGETHER)):
        good = [each for each in together if not each[2]]
        yield Batch(
            [line for line, _, _ in good],
            None,
            [document for _, document, _ in good],
            [Bad(line, why) for line, _, why in together if why],
        )


__all__ = ["Bad", "Batch", "FileError", "Row", "RowFile", "Rows", "raw_records"]
