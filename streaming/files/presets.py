"""In: the name of a system whose exports are known. Out: the layout that reads them; or which system a file is from."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec

from streaming.files.layout import Layout, plain
from streaming.files.source import FileError

_FOLDER: Final = Path(__file__).parent / "shapes"


class Preset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mapping file: the keys of a [[mapping]] of the settings, and what the exports are known by.

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
        about: What it is and where it is documented.
    """

    fields: dict[str, str]
    known_by: list[str] = []
    types: dict[str, str] = {}
    constants: dict[str, str | float] = {}
    transforms: dict[str, list[str]] = {}
    time: str = "auto"
    zone: str | None = None
    default_type: str | None = None
    unknown_type: str | None = None
    about: str = ""


_ITEMS: Final = _FOLDER / "items"


@cache
def presets() -> dict[str, Preset]:
    """All presets by name."""
    return {path.stem: _read(path) for path in sorted(_FOLDER.glob("*.toml"))}


def _read(path: Path) -> Preset:
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Preset)
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise FileError(f"{path} is no mapping file: {error}") from None


@cache
def item_presets() -> dict[str, Preset]:
    """Presets of catalogues by name; their fields may be attributes."""
    return {path.stem: _read(path) for path in sorted(_ITEMS.glob("*.toml"))}


def with_preset(layout: Layout, name: str, known: Mapping[str, Preset] | None = None) -> Layout:
    """The layout on top of a preset, or of a mapping file: what the layout says comes first. Raises FileError.

    Args:
        layout: What flags say.
        name: The preset, or the path of a mapping file.
        known: The presets there are; by default those of logs of events.
    """
    known = presets() if known is None else known
    found = known.get(name)
    if found is None:
        if not name.endswith(".toml"):
            raise FileError(f"no preset {name!r}: there are {', '.join(known)}; or name a mapping file, NAME.toml")
        found = _read(Path(name))
    changes: dict[str, Any] = {
        "fields": found.fields,
        "types": found.types | layout.types,
        "constants": found.constants | layout.constants,
        "transforms": found.transforms | layout.transforms,
        "time": layout.time if layout.time != "auto" else found.time,
        "zone": layout.zone or found.zone,
        "default_type": layout.default_type or found.default_type,
        "unknown_type": layout.unknown_type or found.unknown_type,
        "preset": name,
    }
    return msgspec.structs.replace(layout, **changes)


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


def _suiting(names: Iterable[str], known: Mapping[str, Preset]) -> str:
    have = {plain(name) for name in names}
    suited = [
        (len(preset.known_by), name)
        for name, preset in known.items()
        if preset.known_by and {plain(each) for each in preset.known_by} <= have
    ]
    return max(suited)[1] if suited else ""
