"""Reads the first sheet of a workbook that has rows: the names in its first row, and the rows below."""

from __future__ import annotations

import itertools
import zipfile
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final

from streaming.files.source import FileError

_OLD: Final = b"\xd0\xcf\x11\xe0"
_ZIP: Final = b"PK\x03\x04"
_AS_CSV: Final = "save the sheet as CSV UTF-8 (File, Save as)"


def is_workbook(path: Path) -> bool:
    """Whether a file is a workbook, by what it holds; False for one that cannot be read."""
    try:
        with path.open("rb") as file:
            magic = file.read(4)
        if magic == _OLD:
            return True
        if magic != _ZIP:
            return False
        with zipfile.ZipFile(path) as archive:
            return "xl/workbook.xml" in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


class Sheet:
    """The first sheet of a workbook that has rows. It is in memory as a whole: spreadsheets end at a million rows.

    Attributes:
        form: What it is, and which other sheets have rows and are not read.
        columns: Names in its first row.
        count: Its rows, that one included.

    Raises:
        FileError: The reader is not installed, or the file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        try:
            import python_calamine as calamine
        except ImportError:
            raise FileError(f"{path} is a workbook: pip install 'sluicegate[excel]' to read it, or {_AS_CSV}") from None
        try:
            book = calamine.CalamineWorkbook.from_path(str(path))
            shown = [each.name for each in book.sheets_metadata if each.visible == calamine.SheetVisibleEnum.Visible]
            sheets = [sheet for name in shown if (sheet := book.get_sheet_by_name(name)).height]
        except calamine.PasswordError:
            raise FileError(f"{path} is a workbook with a password: take it off, or {_AS_CSV}") from None
        except (calamine.CalamineError, OSError) as error:
            raise FileError(f"{path} cannot be read as a workbook ({error}): {_AS_CSV}") from None
        if not sheets:
            raise FileError(f"{path} is a workbook without rows")
        first, *others = sheets
        self.form = f"a workbook, sheet {first.name!r}" + (
            f"; not read: {', '.join(f'{each.name!r} with {each.height:,} rows' for each in others)}" if others else ""
        )
        self.count = int(first.height)
        self._rows = _lines_of(first.iter_rows())
        self.columns = tuple("" if cell is None else str(cell).strip() for cell in next(self._rows)[1])

    def batches(self, together: int) -> Iterator[tuple[list[int], list[list[Any]]]]:
        """Lines and cells of the rows below, so many at a time."""
        while rows := list(itertools.islice(self._rows, together)):
            yield [line for line, _ in rows], [cells for _, cells in rows]


def _lines_of(rows: Iterable[list[Any]]) -> Iterator[tuple[int, list[Any]]]:
    """The rows that are not blank, each with its line, from 1."""
    for line, row in enumerate(rows, 1):
        cells = list(map(_value, row))
        if any(cell is not None for cell in cells):
            yield line, cells


def _value(cell: Any) -> Any:
    """A cell as our mapping reads values: text, numbers, moments; None for nothing."""
    if cell is None or cell == "":
        return None
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53:
        return int(cell)
    if isinstance(cell, datetime | str | bool | int | float):
        return cell
    return cell.isoformat() if isinstance(cell, date | time) else str(cell) if isinstance(cell, timedelta) else None


__all__ = ["Sheet", "is_workbook"]
