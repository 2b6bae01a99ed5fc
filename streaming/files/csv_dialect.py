"""Recognizes the delimiter of a CSV file, its header, and where its rows begin, from its first lines."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from typing import Final, NamedTuple

DELIMITERS: Final = ",\t;|"
_RARE: Final = "\x01\x1f^~: "
"""Delimiters of other exports, tried where none of the usual ones makes a table. Two in a row, as ::, are one."""

CELL: Final = 131_072
"""Characters of one cell. A longer one is an unclosed quote that swallows the file."""

_ROWS: Final = 100
_TITLE: Final = 10
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
        escape: What stands before a quote inside of quotes, "" where it is doubled.
        above: Lines of a title above the header.
        numbered: Whether rows begin with their number, which the header has no name for.
    """

    delimiter: str
    columns: tuple[str, ...]
    start: int
    line: int
    spaced: bool
    sample: list[list[str]]
    escape: str = ""
    above: int = 0
    numbered: bool = False


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
    choices = named[1].decode(errors="replace") if named else DELIMITERS
    delimiter, rows = _likeliest(text, choices)
    above = 0
    if _likeness(rows)[0] < 0.5 and (titled := _below_title(text, choices, len(rows[0]) if rows else 0)):
        above, text = titled
        start, line = len(head) - len(text.encode(errors="surrogateescape")), line + above
        delimiter, rows = _likeliest(text, choices)
    if not named and len(rows[0] if rows else []) < 2:
        rare, others = _likeliest(text, _RARE)
        if _likeness(others)[0] > 0.9 and len(others) > 1:
            delimiter, rows = rare, others
    escape = "\\" if '\\"' in text[:65_536] else ""
    if escape:
        escaped = _rows(text, delimiter, escape)
        rows, escape = (escaped, escape) if _is_escaped(rows, escaped) else (rows, "")
    header = rows[0] if rows else []
    columns = tuple(name.strip().strip("\ufeff") for name in header)
    numbered = _are_numbered(len(columns), rows[1:])
    columns = ("", *columns) if numbered else columns + ("",) * _unnamed(len(columns), rows[1:])
    used, lines = _length_of_header(text, delimiter)
    spaced = re.search(re.escape(delimiter) + r'[ \t]+"', text[:65_536]) is not None
    return Dialect(delimiter, columns, start + used, line + lines, spaced, rows[1:], escape, above, numbered)


def _likeliest(text: str, choices: str) -> tuple[str, list[list[str]]]:
    """The delimiter that looks most right, and the first rows with it."""
    read = {delimiter: _rows(text, delimiter) for delimiter in choices}
    delimiter = max(choices, key=lambda each: _likeness(read[each]))
    return delimiter, read[delimiter]


def _is_escaped(rows: list[list[str]], escaped: list[list[str]]) -> bool:
    """Whether backslashes stand before quotes: otherwise rows get another length, or cells keep their last quote."""
    torn = any(cell.endswith('"') and "\\" in cell for row in rows for cell in row)
    return _likeness(escaped) > _likeness(rows) or (torn and _likeness(escaped) == _likeness(rows))


def _below_title(text: str, choices: str, titles: int) -> tuple[int, str] | None:
    """Lines of a title above the header, and the text from the header on; None where there is no table below.

    Args:
        text: The file from its first line on.
        choices: Delimiters.
        titles: Cells of the first line; the header has more than twice as many.
    """
    rest, above = text, 0
    for _ in range(_TITLE):
        line = re.match(r"[^\r\n]*(?:\r\n|\n|\r)+", rest)
        if line is None:
            return None
        above += line[0].replace("\r\n", "\n").count("\n") or line[0].count("\r")
        rest = rest[line.end() :]
        rows = _likeliest(rest, choices)[1]
        alike, cells = _likeness(rows)
        if (
            alike > 0.9
            and cells > max(2, 2 * titles)
            and len(rows) > 1
            and not any(re.search(r"\d{3}", name) for name in rows[0])
        ):
            return above, rest
    return None


def _are_numbered(named: int, rows: list[list[str]]) -> bool:
    """Whether each row has one cell more than the header, which is its number, as R writes tables."""
    if len(rows) < 2 or any(len(row) != named + 1 for row in rows) or not rows[0][0].isdecimal():
        return False
    first = int(rows[0][0])
    return all(row[0] == str(first + place) for place, row in enumerate(rows))


def _past_remarks(head: bytes, start: int, line: int) -> tuple[int, int]:
    """Blank lines and remarks with a # before the header are no header."""
    while found := re.compile(rb"(?:[ \t]*|#[^\r\n]*)(?:\r\n|\n|\r)").match(head, start):
        start, line = found.end(), line + 1
    return start, line


def _rows(text: str, delimiter: str, escape: str = "") -> list[list[str]]:
    csv.field_size_limit(CELL)
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, escapechar=escape or None)
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
