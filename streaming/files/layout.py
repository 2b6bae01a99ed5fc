"""Makes the mapping that reads the rows of a file, from flags, a mapping file or preset, and the names in the file."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from models.records import FACTS, FIELDS, EventMapping, EventRules, Notes, shows_decimal_comma, shows_decimal_point
from models.structs import Prepared
from streaming.files.hints import flags, looks_like_data
from streaming.files.source import FileError
from streaming.mappings import MappingFile, MappingFileError, mapping_named, plain

NO_TYPE: Final = "none"
"""The type to map a type of the file to when its rows are not wanted, and the field for a column that is not."""

ITEM_FIELDS: Final = ("category", "price", "brand", "title", "tags", "rating", "available", "embedding", "group_id")

KNOWN: Final = tuple(dict.fromkeys((*FIELDS, *FACTS, *ITEM_FIELDS)))

SYNONYMS: Final = {
    "category_id": "category",
    "category_code": "category",
    "genres": "category",
    "event": "event_type",
    "type": "event_type",
    "user": "user_id",
    "visitorid": "user_id",
    "customer_id": "user_id",
    "item": "item_id",
    "itemid": "item_id",
    "product_id": "item_id",
    "sku": "item_id",
    "event_time": "timestamp",
    "time": "timestamp",
    "ts": "timestamp",
    "user_session": "session_id",
    "name": "title",
}
"""What shops call these columns. Used where the file has no column of our name and no --column says otherwise."""


class Layout(msgspec.Struct, metaclass=Prepared, frozen=True, omit_defaults=True):
    """How a file's columns and types are named.

    Attributes:
        columns: Our field or `NO_TYPE`, by column of the file or path in its objects.
        types: Our type or `NO_TYPE`, by type in the file.
        default_type: Type of rows that name none.
        min_rating: Rows with a lower `rating` are skipped.
        dislike_rating: Rows with a `rating` up to this are dislikes, whatever their type.
        time: Unit or format of the times, as in a mapping (`models.records.Times`).
        zone: Zone of times that name none.
        unknown_type: Type of rows whose type is not known.
        fields: Paths by our field, as in a mapping; `columns` come before them.
        constants: Values by our field.
        transforms: What to do to values, by our field.
        decimal: The decimal separator of numbers; None: the one that the file shows.
        encoding: The encoding of the file; None: UTF-8, or what its mark says.
        hash_key: Key for hashed ids; "": they stay as they are.
        skip: Values by path in the file with which a row is no event.
        fill: Columns that are filled from the row above with the same key, by the column of the key.
        preset: The name of the preset, or of the mapping, that this layout began with.
        flagged: Those of the types in the file that flags name.
    """

    columns: dict[str, str] = {}
    types: dict[str, str] = {}
    default_type: str | None = None
    min_rating: float | None = None
    dislike_rating: float | None = None
    time: str = "auto"
    zone: str | None = None
    unknown_type: str | None = None
    fields: dict[str, str] = {}
    constants: dict[str, str | float] = {}
    transforms: dict[str, list[str]] = {}
    decimal: str | None = None
    encoding: str | None = None
    hash_key: str = ""
    skip: dict[str, list[str]] = {}
    fill: dict[str, list[str]] = {}
    preset: str = ""
    flagged: tuple[str, ...] = ()


_OURS: Final = {plain(field): field for field in KNOWN}
_SAME: Final = {plain(name): field for name, field in SYNONYMS.items()}


def with_preset(layout: Layout, name: str, known: Mapping[str, MappingFile] | None = None) -> Layout:
    """The layout on top of a preset, or of a mapping file: what the layout says comes first. Raises FileError.

    Args:
        layout: What flags say.
        name: The preset, or the path of a mapping file.
        known: The presets there are; by default those of logs of events.
    """
    try:
        found = mapping_named(name, known)
    except MappingFileError as error:
        raise FileError(str(error)) from None
    return on_mapping(layout, found, name)


def on_mapping(layout: Layout, found: MappingFile, name: str) -> Layout:
    """The layout on top of a mapping of this name: what the layout says comes first."""
    return msgspec.structs.replace(
        layout,
        fields=found.fields,
        types=found.types | layout.types,
        constants=found.constants | layout.constants,
        transforms=found.transforms | layout.transforms,
        time=layout.time if layout.time != "auto" else found.time,
        zone=layout.zone or found.zone,
        default_type=layout.default_type or found.default_type,
        unknown_type=layout.unknown_type or found.unknown_type,
        skip=found.skip,
        fill=found.fill,
        preset=name,
    )


def named(path: str, columns: Sequence[str] | None, layout: Layout) -> dict[str, str]:
    """Path by our field, from what flags say, then a preset, then names like ours, then synonyms. Raises FileError.

    Args:
        path: The file, for messages.
        columns: Names that the file has; for JSON those of its first objects.
        layout: What flags and presets say.
    """
    wrong = sorted({field for field in layout.columns.values() if field not in {*KNOWN, NO_TYPE}})
    if wrong:
        hint = " (the file's name comes first: --column NAME=FIELD)" if set(KNOWN) & set(layout.columns) else ""
        raise FileError(f"--column: {wrong[0]!r} is not a field of ours{hint}: {', '.join(sorted(KNOWN))}")
    dropped = {name for name, field in layout.columns.items() if field == NO_TYPE}
    found: dict[str, str] = {}
    for name, field in layout.columns.items():
        if field == NO_TYPE:
            continue
        if columns is not None and name not in columns and not is_path(name, columns):
            raise FileError(f"--column: {path} has no column {name!r}; it has {', '.join(filter(None, columns))}")
        found[field] = literal(name) if columns is not None and name in columns else name
    taken = set(layout.columns)
    for field, text in layout.fields.items():
        drops = field in dropped or dropped.issuperset(part.strip() for part in text.split("|"))
        if field not in found and field not in layout.constants and not drops:
            found[field] = text
    if layout.fields:
        return found
    free = [name for name in columns or () if name and name not in taken and name not in dropped]
    for wanted, like in ((KNOWN, None), (KNOWN, _OURS), (None, _SAME)):
        for name in free:
            ours = name if like is None else like.get(plain(name))
            fits = ours is not None and (wanted is None or ours in wanted) and ours not in found
            if fits and literal(name) not in found.values():
                found[str(ours)] = literal(name)
    return found


def literal(name: str) -> str:
    """The path of a field at the top.

    >>> literal("sku"), literal("Customer ID"), literal("a.b")
    ('sku', 'Customer ID', '["a.b"]')
    """
    return name if re.fullmatch(r"[^.\[\]\"|$@]+", name) else f'["{name}"]'


_TOP: Final = re.compile(r"""\$?\.?(?:\["([^"]+)"\]|([^.\[\]"]+))""")
"""The first step of a path."""


def is_path(name: str, columns: Sequence[str]) -> bool:
    """Whether a name that is no column leads into columns: their alternatives, or a part of one."""
    parts = tops(name)
    return (len(parts) > 1 and any(part in columns for part in parts)) or (name != parts[0] and parts[0] in columns)


def tops(text: str) -> list[str]:
    """The names at the top that a path begins with, one for each of its alternatives.

    >>> tops("order.customer.id|lines[*].sku"), tops('["Created at"]'), tops('["a.b"].c')
    (['order', 'lines'], ['Created at'], ['a.b'])
    """
    found = [_TOP.match(part.strip()) for part in text.split("|")]
    return [match[1] or match[2] if match else "" for match in found]


def missing_in(fields: Iterable[str], layout: Layout) -> list[str]:
    """Our fields that nothing fills and no event can be without."""
    filled = {*fields, *layout.constants}
    required = ["user_id", "timestamp"] if layout.default_type else ["event_type", "user_id", "timestamp"]
    # A log of only searches has no items.
    if "query" not in filled:
        required.append("item_id")
    if layout.min_rating is not None or layout.dislike_rating is not None:
        required.append("rating")
    return [field for field in required if field not in filled]


def why_missing(path: str, columns: Sequence[str], missing: Sequence[str], used: Iterable[str], layout: Layout) -> str:
    """Says which columns are missing and which flags name them, or that the file has no header."""
    data = looks_like_data(columns)
    if data:
        return (
            f"{path}: line 1 looks like data, not names ({data}): add a header, for example "
            f"user_id,item_id,event_type,timestamp in the order of the columns"
        )
    free = [name for name in columns if name and literal(name) not in set(used)]
    own = layout.fields
    said = [f"{field} from {own[field]}" for field in missing if field in own]
    return (
        f"{path} has no column {' and no '.join(map(repr, missing))} (it has {', '.join(filter(None, columns))}): "
        f"say which one it is with {flags(missing, free)}"
        + (", or give all rows one type, for example with --type click" if "event_type" in missing else "")
        + (f". {layout.preset} reads {' and '.join(said)}" if said else "")
    )


def why_dropped(fields: Iterable[str], layout: Layout, free: Sequence[str]) -> str:
    """Says of fields that no event can be without that a flag leaves their column out; "" where none does."""
    left_out = [name for name, ours in layout.columns.items() if ours == NO_TYPE]
    dropped = {
        name: field
        for field in fields
        for name in left_out
        if field in {name, _OURS.get(plain(name)), _SAME.get(plain(name))}
    }
    if not dropped:
        return ""
    by = " ".join(f"--column {shlex.quote(f'{name}={NO_TYPE}')}" for name in dropped)
    others = flags(dropped.values(), [name for name in free if name not in left_out])
    return f"{by} leaves out what no event can be without: name another column, with {others}"


def mapping_of(
    fields: Mapping[str, str],
    layout: Layout,
    rules: EventRules,
    notes: Notes,
    sample: Iterable[Any],
    *,
    one_by_one: bool = False,
) -> EventMapping:
    """The mapping that reads rows in this layout. Raises FileError.

    Args:
        fields: Path by our field.
        layout: Types, times, constants, transforms.
        rules: What an event may be.
        notes: What is done to values is counted there.
        sample: Values of the columns of numbers in the first rows, to see which decimal separator they have.
        one_by_one: Whether to read as from a topic: no record shows anything of another one, and a time without a zone
            is refused.
    """
    transforms = {field: list(steps) for field, steps in layout.transforms.items() if field in fields}
    sample = list(sample)
    commas = any(map(shows_decimal_comma, sample)) and not any(map(shows_decimal_point, sample))
    decimal = layout.decimal or ("," if commas and not one_by_one else None)
    for field in ("price", "quantity", "rating"):
        if decimal is not None and field in fields:
            transforms.setdefault(field, []).insert(0, f"decimal {decimal}")
    for field in ("user_id", "session_id"):
        if layout.hash_key and not one_by_one and field in fields and "hash" not in transforms.get(field, ()):
            transforms.setdefault(field, []).append("hash")
    constants = {field: value for field, value in layout.constants.items() if field not in fields}
    try:
        return EventMapping(
            rules,
            fields,
            layout.types,
            constants,
            layout.time,
            layout.zone,
            layout.default_type,
            layout.unknown_type,
            transforms,
            FACTS,
            layout.hash_key.encode() or None,
            notes,
            skip=layout.skip,
            assume_utc=not one_by_one,
            own_places=not one_by_one,
            one_by_one=one_by_one,
        )
    except ValueError as error:
        text = str(error)
        if "hash needs a key" in text:
            text += ": name its file with --hash-ids"
        raise FileError(f"--time: {text}" if text.startswith(("time is", "times in")) else text) from None


__all__ = [
    "ITEM_FIELDS",
    "KNOWN",
    "NO_TYPE",
    "SYNONYMS",
    "Layout",
    "is_path",
    "literal",
    "mapping_of",
    "missing_in",
    "named",
    "on_mapping",
    "tops",
    "why_dropped",
    "with_preset",
]
