"""Fills empty cells of a table from the row above, where only the first row of an order says what the order is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from models.records import is_empty
from streaming.files.rows import Batch


class Fill:
    """Fills empty cells from the row above that has the same key.

    Args:
        columns: The columns that are filled, by the column of the key.
        filled: Filled cells are counted there, by column.

    >>> rows = {"Order": ["1", "1", "2"], "Email": ["ann@x.org", "", ""]}
    >>> Fill({"Order": ["Email"]}).batch(Batch([2, 3, 4], rows, [], [])).columns["Email"]
    ['ann@x.org', 'ann@x.org', '']
    """

    def __init__(self, columns: Mapping[str, Sequence[str]], filled: Counter[str] | None = None) -> None:
        self._columns = columns
        self._filled = Counter[str]() if filled is None else filled
        self._last: dict[str, tuple[Any, Any]] = {}

    def batch(self, batch: Batch) -> Batch:
        """The rows with their cells filled, in the order of the file."""
        if not self._columns or batch.columns is None:
            return batch
        columns = dict(batch.columns)
        for key, names in self._columns.items():
            for name in names:
                if key in columns and name in columns:
                    columns[name] = self._cells(name, columns[key], columns[name])
        return batch._replace(columns=columns)

    def _cells(self, name: str, keys: Sequence[Any], cells: Sequence[Any]) -> list[Any]:
        last_key, last = self._last.get(name, (None, None))
        found = []
        for key, cell in zip(keys, cells, strict=True):
            if key != last_key or is_empty(key):
                last_key, last = key, None
            if not is_empty(cell):
                last = cell
            elif last is not None:
                self._filled[name] += 1
            found.append(cell if last is None else last)
        self._last[name] = last_key, last
        return found


__all__ = ["Fill"]
