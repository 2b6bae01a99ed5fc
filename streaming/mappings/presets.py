"""Finds the mapping that reads the records of a system, by its name or from a file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec

from models.structs import Prepared

_FOLDER: Final = Path(__file__).parent / "shapes"

DROPPED: Final = "none"
"""In place of a path, in a mapping on top of another one: the field is read from nowhere."""


class MappingFileError(ValueError):
    """There is no such preset, or a file is no mapping. The message says what to do."""


class MappingFile(msgspec.Struct, metaclass=Prepared, frozen=True, forbid_unknown_fields=True):
    """A mapping file: the keys of a [[mapping]] of the settings, and what the records are known by.

    Attributes:
        fields: Paths by our field.
        known_by: Names that no other system's exports have together.
        types: Our type by theirs.
        constants: Values by our field.
        transforms: What to do to values, by our field.
        time: Unit or format of the times.
        zone: Zone of times that name none.
        default_type: Type of records that name none.
        unknown_type: Type of records of other types.
        skip: Values by path with which a record is no event; `*` for any value.
        fill: Columns of a table, by the column of a key: an empty cell is filled from the row above with the same key.
        about: What it is and where it is documented.
        preset: The mapping that this one comes on top of; "" for none.
    """

    fields: dict[str, str] = {}
    known_by: list[str] = []
    types: dict[str, str] = {}
    constants: dict[str, str | float] = {}
    transforms: dict[str, list[str]] = {}
    time: str = "auto"
    zone: str | None = None
    default_type: str | None = None
    unknown_type: str | None = None
    skip: dict[str, list[str]] = {}
    fill: dict[str, list[str]] = {}
    about: str = ""
    preset: str = ""

    def on(self, base: MappingFile) -> MappingFile:
        """This mapping on top of another one: what it says comes first, and a path `none` drops a field.

        An empty list among `skip` drops a path, and one among `fill` a key.

        >>> base = MappingFile(fields={"price": "cost", "item_id": "sku"}, zone="UTC")
        >>> MappingFile(fields={"price": "none", "user_id": "who"}).on(base).fields
        {'item_id': 'sku', 'user_id': 'who'}
        """
        constants = base.constants | self.constants
        fields = {field: text for field, text in (base.fields | self.fields).items() if text != DROPPED}
        return MappingFile(
            fields={field: text for field, text in fields.items() if field not in self.constants},
            types=base.types | self.types,
            constants={field: value for field, value in constants.items() if field not in self.fields},
            transforms={f: steps for f, steps in (base.transforms | self.transforms).items() if f in fields},
            time=self.time if self.time != "auto" else base.time,
            zone=self.zone or base.zone,
            default_type=self.default_type or base.default_type,
            unknown_type=self.unknown_type or base.unknown_type,
            skip={path: values for path, values in (base.skip | self.skip).items() if values},
            fill={key: columns for key, columns in (base.fill | self.fill).items() if columns},
            about=self.about,
        )


@cache
def presets() -> Mapping[str, MappingFile]:
    """All presets by name."""
    return {path.stem: _read(path) for path in sorted(_FOLDER.glob("*.toml"))}


@cache
def item_presets() -> Mapping[str, MappingFile]:
    """Presets of catalogues by name; their fields may be attributes."""
    return {path.stem: _read(path) for path in sorted((_FOLDER / "items").glob("*.toml"))}


def mapping_named(name: str, known: Mapping[str, MappingFile] | None = None) -> MappingFile:
    """The preset of this name, or what the file of this name says. Raises MappingFileError.

    Args:
        name: The preset, or the path of a mapping file.
        known: The presets there are; by default those of events.
    """
    known = presets() if known is None else known
    found = known.get(name)
    if found is not None:
        return found
    if not name.endswith(".toml"):
        raise MappingFileError(f"no preset {name!r}: there are {', '.join(known)}; or name a mapping file, NAME.toml")
    found = _read(Path(name))
    if not found.preset:
        return found
    if found.preset == name:
        raise MappingFileError(f"{name} names itself as its preset")
    return found.on(mapping_named(found.preset, known))


def suiting(names: Iterable[str]) -> str:
    """The preset of the system that exports files with these names, "" for none.

    >>> suiting(["visitorid", "itemid", "event", "timestamp", "transactionid"])
    'retailrocket'
    """
    return _suiting(names, presets())


def suiting_items(names: Iterable[str]) -> str:
    """The preset of the system that exports catalogues with these names, "" for none.

    >>> suiting_items(["movieId", "title", "genres"])
    'movielens'
    """
    return _suiting(names, item_presets())


def _suiting(names: Iterable[str], known: Mapping[str, MappingFile]) -> str:
    have = {plain(name) for name in names}
    suited = [
        (len(preset.known_by), name)
        for name, preset in known.items()
        if preset.known_by and {plain(each) for each in preset.known_by} <= have
    ]
    return max(suited)[1] if suited else ""


def plain(name: str) -> str:
    """A name without case, blanks and marks.

    >>> plain("User-ID") == plain("userId") == plain("USER_ID")
    True
    """
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def _read(path: Path) -> MappingFile:
    try:
        document: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        tables = document.get("mapping")
        if isinstance(tables, list) and len(tables) == 1 and isinstance(tables[0], dict):
            # A file of settings with one [[mapping]]: its topic does not matter here.
            document = {key: value for key, value in tables[0].items() if key not in {"topic", "name", "hash_key_file"}}
        return msgspec.convert(document, MappingFile)
    except OSError as error:
        raise MappingFileError(f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise MappingFileError(f"{path} is no mapping file: {error}") from None


__all__ = ["DROPPED", "MappingFile", "MappingFileError", "mapping_named", "plain", "presets", "suiting"]
