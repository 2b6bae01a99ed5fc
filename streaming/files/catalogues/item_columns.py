"""Decides which columns of a file about items are facts and which are attributes, by name, flags and preset."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from models.records import is_empty, shows_decimal_comma
from streaming.files.hints import flags
from streaming.files.layout import ITEM_FIELDS, NO_TYPE, Layout, literal, named
from streaming.files.rows import RowFile
from streaming.files.source import FileError
from streaming.mappings import plain

ATTRIBUTE: Final = "attributes."
"""Begins the name of an attribute where a field of ours is named."""

ITEM_NAMES: Final = ("item_id", *ITEM_FIELDS)

SAME: Final = {
    plain(name): field
    for name, field in {
        "id": "item_id",
        "product_code": "item_id",
        "product_name": "title",
        "product_type": "category",
        "product_category": "category",
        "manufacturer": "brand",
        "vendor": "brand",
        "item_group_id": "group_id",
        "product_group": "group_id",
        "availability": "available",
        "in_stock": "available",
    }.items()
}
"""What catalogues call our fields, besides what logs of events call them too."""

NUMBER, COMMA, TRUTH, TEXT = "number", "number with a comma", "true or false", "text"

_NUMBER: Final = re.compile(r"-?(0|[1-9]\d{0,8})(\.\d+)?")
_COMMA: Final = re.compile(r"-?(0|[1-9]\d{0,8})(,\d+)?")
_TRUE: Final = {"true": True, "yes": True, "false": False, "no": False}


class Named(NamedTuple):
    """How the columns of a file about items are read.

    Attributes:
        layout: How facts are read.
        attributes: Path by name of the attribute.
        kinds: What the cells of each of these columns are; empty for files whose values have types.
    """

    layout: Layout
    attributes: dict[str, str]
    kinds: dict[str, str]


def look(path: Path, layout: Layout) -> Named:
    """Read a file once, and say which of its columns are facts and which are attributes. Raises FileError.

    A column whose cells are all numbers holds numbers. Whole numbers of more than nine digits, or with zeros in front,
    are codes and stay text, and so does a column in which a comma may part thousands.
    """
    return _named(path, _kinds(path, layout), layout)


def _kinds(path: Path, layout: Layout) -> dict[str, str]:
    open_kinds: dict[str, list[str]] = {}
    commas = set[str]()
    first = [COMMA, TRUTH] if layout.decimal == "," else [NUMBER, COMMA, TRUTH]
    with RowFile(path, layout.encoding) as rows:
        typed = rows.columns is None or rows.form.startswith("Parquet")
        if rows.columns is not None:
            open_kinds = dict.fromkeys(filter(None, rows.columns), first)
        for batch in rows.batches():
            if batch.columns is None:
                for document in batch.documents:
                    for name in document:
                        open_kinds.setdefault(name, [])
            elif not typed:
                for name, cells in batch.columns.items():
                    if open_kinds[name]:
                        open_kinds[name] = _possible(open_kinds[name], cells)
                        if COMMA in open_kinds[name] and any(map(shows_decimal_comma, cells)):
                            commas.add(name)
    if not open_kinds:
        raise FileError(f"{path} has no rows")
    kinds = {name: "" if typed else (left or [TEXT])[0] for name, left in open_kinds.items()}
    plain_comma = layout.decimal == ","
    return {
        name: TEXT if kind == COMMA and not plain_comma and name not in commas else kind for name, kind in kinds.items()
    }


def _possible(kinds: list[str], cells: Iterable[str]) -> list[str]:
    """Those of the kinds that all cells fit."""
    left = kinds
    for cell in set(cells):
        text = cell.strip()
        if is_empty(text):
            continue
        left = [kind for kind in left if _fits(kind, text)]
        if not left:
            break
    return left


def _fits(kind: str, text: str) -> bool:
    if kind == TRUTH:
        return text.casefold() in _TRUE
    return bool((_NUMBER if kind == NUMBER else _COMMA).fullmatch(text))


def value_of(kind: str, value: Any) -> Any:
    """A cell as the value of an attribute; None for none.

    >>> value_of(NUMBER, " 12 "), value_of(NUMBER, "1.5"), value_of(COMMA, "1,5"), value_of(TRUTH, "Yes")
    (12, 1.5, 1.5, True)
    >>> value_of(TEXT, "00123"), value_of(TEXT, "NULL"), value_of("", ["a", " "])
    ('00123', None, ['a', ' '])
    """
    if is_empty(value):
        return None
    if not isinstance(value, str):
        return value if isinstance(value, bool | int | float | list | dict) else str(value)
    text = value.strip()
    if kind in {NUMBER, COMMA}:
        plain_number = text.replace(",", ".")
        return float(plain_number) if "." in plain_number else int(plain_number)
    return _TRUE[text.casefold()] if kind == TRUTH else text


def _named(path: Path, kinds: Mapping[str, str], layout: Layout) -> Named:
    names = tuple(kinds)
    fields = {field: text for field, text in layout.fields.items() if field in ITEM_NAMES}
    own = {field: text for field, text in layout.fields.items() if field.startswith(ATTRIBUTE)}
    for name, field in layout.columns.items():
        if field.startswith(ATTRIBUTE):
            own[field] = _path_to(path, name, names)
    for field in own:
        if not field.removeprefix(ATTRIBUTE):
            raise FileError("--column: name the attribute, as in --column Farbe=attributes.colour")
    columns = {name: field for name, field in layout.columns.items() if not field.startswith(ATTRIBUTE)}
    how = msgspec.structs.replace(layout, columns=columns, fields=fields)
    found = named(str(path), names, how)
    for name in () if layout.fields else names:
        ours = SAME.get(plain(name))
        if ours is not None and ours not in found and literal(name) not in found.values() and name not in columns:
            found[ours], columns[name] = literal(name), ours
    if "item_id" not in found:
        raise FileError(
            f"{path} does not say which item a row is about (it has {', '.join(filter(None, names))}): name the column "
            f"with {flags(['item_id'], names)}"
        )
    how = msgspec.structs.replace(how, columns=columns)
    attributes = {field.removeprefix(ATTRIBUTE): text for field, text in own.items()}
    if "user_id" not in layout.fields:  # the other columns of a log of events say nothing of items
        used = {part.strip() for text in (*found.values(), *attributes.values()) for part in text.split("|")}
        used |= {re.split(r"[.\[]", text.removeprefix("$."))[0] for text in used}
        dropped = {name for name, field in columns.items() if field == NO_TYPE}
        for name in names:
            if name and literal(name) not in used and name not in used and name not in dropped | {"attributes"}:
                attributes.setdefault(name, literal(name))
    return Named(how, attributes, dict(kinds))


def _path_to(path: Path, name: str, names: Collection[str]) -> str:
    """The path that a flag means: a column of the file, or a part of one. Raises FileError."""
    if name in names:
        return literal(name)
    if not any(re.split(r"[.\[]", part.strip().removeprefix("$."))[0] in names for part in name.split("|")):
        raise FileError(f"--column: {path} has no column {name!r}; it has {', '.join(filter(None, names))}")
    return name


__all__ = ["ATTRIBUTE", "ITEM_NAMES", "Named", "look", "value_of"]
