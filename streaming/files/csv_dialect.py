"""In: the beginning of a CSV file. Out: its delimiter, its header, and where its rows begin."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from typing import Final, NamedTuple

DELIMITERS: Final = ",\t;|"
CELL: Final = 131_072
"""Characters of one cell. A longer one is an unclosed quote that swallows the file."""

_ROWS: Final = 100
_SEP: Final = re.compile(rb'"?sep=(.)"?[ \t]*(?:\r\n|\n|\r)', re.IGNORECASE)


class Dialect(NamedTuple):
    """How a CSV file is written.

    Attributes:
        delimiter: Between two cells.
        columns: Names in the header, without blanks around them; "" for cells without a name at the end of the rows.
        start: Bytes before the first row.
        line: The line of the first row, from 1.
        spaced: Whether blanks come before quotes, which only the slower reader understands.
        sample: Cells of the first rows.
    """

    delimiter: str
    columns: tuple[str, ...]
    start: int
    line: int
    spaced: bool
    sample: list[list[str]]


def dialect_of(head: bytes) -> Dialect:
    r"""Find out how a file is written.

    Delimiters inside quotes do not count, and the one that gives the first rows the same number of cells is preferred.

    >>> dialect_of(b'a;b;"c, d, e"\n1;2;3\n').columns
    ('a', 'b', 'c, d, e')
    >>> dialect_of(b'sep=|\na|b\n1|2\n')[:4]
    ('|', ('a', 'b'), 10, 3)
    >>> dialect_of(b'a,b\n1,2,\n3,4,\n').columns
    ('a', 'b', '')
    """
    named = _SEP.match(head)
    start, line = (named.end(), 2) if named else (0, 1)
    start, line = _past_remarks(head, start, line)
    text = head[start:].decode(errors="surrogateescape")
    choices = [named[1].decode(errors="replace")] if named else list(DELIMITERS)
    read = {delimiter: _rows(text, delimiter) for delimiter in choices}
    delimiter = max(choices, key=lambda each: _likeness(read[each]))
    rows = read[delimiter]
    header = rows[0] if rows else []
    columns = tuple(name.strip().strip("\ufeff") for name in header)
    columns += ("",) * _unnamed(len(columns), rows[1:])
    used, lines = _length_of_header(text, delimiter)
    spaced = re.search(re.escape(delimiter) + r'[ \t]+"', text[:65_536]) is not None
    return Dialect(delimiter, columns, start + used, line + lines, spaced, rows[1:])


def _past_remarks(head: bytes, start: int, line: int) -> tuple[int, int]:
    """Blank lines and remarks with a # before the header are no header."""
    while found := re.compile(rb"(?:[ \t]*|#[^\r\n]*)(?:\r\n|\n|\r)").match(head, start):
        start, line = found.end(), line + 1
    return start, line


def _rows(text: str, delimiter: str) -> list[list[str]]:
    csv.field_size_limit(CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    found: list[list[str]] = []
    try:
        for row in reader:
            if row:
                found.append(row)
            if len(found) > _ROWS:
                return found
    except csv.Error:
        return found
    # The last row may have been cut where the head ends.
    return found[:-1] if len(found) > 2 and len(text) > 65_536 else found


def _likeness(rows: list[list[str]]) -> tuple[float, int]:
    """How much a delimiter looks right: the share of rows as long as the header, then the number of cells."""
    if not rows or len(rows[0]) < 2:
        return 0.0, 0
    cells = len(rows[0])
    alike = sum(len(row) == cells or (len(row) > cells and not any(row[cells:])) for row in rows[1:])
    return (alike / (len(rows) - 1) if len(rows) > 1 else 0.5) + 0.01, cells


def _unnamed(named: int, rows: list[list[str]]) -> int:
    """Cells that rows have beyond the header, when all of them are empty in nearly every row."""
    lengths = Counter(len(row) for row in rows if len(row) >= named and not any(cell.strip() for cell in row[named:]))
    if not lengths:
        return 0
    longest, count = lengths.most_common(1)[0]
    return longest - named if count * 2 > len(rows) else 0


def _length_of_header(text: str, delimiter: str) -> tuple[int, int]:
    """Bytes and lines of the header; a name in quotes may hold a line break."""
    quoted, at, lines = False, 0, 0
    while at < len(text):
        each = text[at]
        if each == '"':
            quoted = not quoted
        elif each in "\r\n":
            width = 2 if text.startswith("\r\n", at) else 1
            lines += 1
            at += width
            if not quoted:
                break
            continue
        at += 1
    del delimiter
    return len(text[:at].encode(errors="surrogateescape")), max(lines, 1)
