"""Reads settings from a TOML file and the environment, and prints them with the origin of each value.

The environment wins over the file, the file over the defaults. `SLUICEGATE_KAFKA__BOOTSTRAP` is `bootstrap` of the
file's `[kafka]`.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, get_origin

import msgspec
from pydantic import BaseModel, SecretStr, ValidationError

from streaming.settings.mapping import MappingSettings
from streaming.settings.scenarios import ScenarioSettings
from streaming.settings.tree import Settings

__all__ = ["DELIMITER", "MASK", "PREFIX", "BadSettings", "Settings", "in_force", "leaves", "load_settings"]

PREFIX: Final = "SLUICEGATE_"
DELIMITER: Final = "__"

NO_SETTINGS: Final = frozenset({f"{PREFIX}CONFIG", f"{PREFIX}KEY"})
"""Variables that commands read as options: the settings file, and the key that a client sends."""

MASK: Final = "********"
"""In place of what may be secret."""
_USERINFO: Final = re.compile(r"(?<=://)[^/?#\s]*@")
_PARAMETER: Final = re.compile(r"(?<=[?&;])([^=&;#\s]+)=[^&;#\s]*")


class BadSettings(ValueError):
    """The configuration cannot be used. The message names the key, where it was set, and what to do."""


def load_settings(config: Path | None, environ: Mapping[str, str]) -> Settings:
    """Read the settings in force.

    Args:
        config: TOML file; None: the one that SLUICEGATE_CONFIG names, if any.
        environ: The environment.

    Raises:
        BadSettings: The file cannot be read, a key does not exist (the message has the nearest one that does), or a
            value does not fit.

    >>> load_settings(None, {"SLUICEGATE_KAFKA__BOOTSTRAP": "kafka:9092"}).kafka.bootstrap
    'kafka:9092'
    """
    path = config or (Path(named) if (named := environ.get(f"{PREFIX}CONFIG")) else None)
    origin: dict[str, str] = {}
    tree = _from_file(path, origin) if path is not None else {}
    _from_environment(environ, tree, origin)
    try:
        settings = Settings.model_validate(tree)
    except ValidationError as error:
        raise BadSettings("\n".join(_complaint(problem, origin) for problem in error.errors())) from None
    settings._origin.update(origin)
    return settings


def _from_file(path: Path, origin: dict[str, str]) -> dict[str, Any]:
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadSettings(f"cannot read the configuration file {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSettings(f"{path} is not valid TOML: {error}") from None
    for dotted in _keys(tree, Settings, ""):
        origin[dotted] = str(path)
    return tree


def _keys(tree: Mapping[str, Any], section: type[BaseModel], above: str) -> Iterator[str]:
    """Dotted paths of the leaves of `tree`; a table is a leaf where `section` declares no section of that name."""
    for key, value in tree.items():
        field = section.model_fields.get(key)
        inner = field.annotation if field is not None else None
        if isinstance(value, dict) and isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _keys(value, inner, f"{above}{key}.")
        else:
            yield f"{above}{key}"


def _from_environment(environ: Mapping[str, str], tree: dict[str, Any], origin: dict[str, str]) -> None:
    for name in sorted(environ):
        if not name.startswith(PREFIX) or name in NO_SETTINGS:
            continue
        path = name[len(PREFIX) :].lower().split(DELIMITER)
        field = _field(path)
        if field is None:
            raise BadSettings(f"{name} is not a setting{_nearest('.'.join(path), as_variable=True)}")
        branch = tree
        for part in path[:-1]:
            branch = branch.setdefault(part, {})
        branch[path[-1]] = _value(name, environ[name], field.annotation)
        origin[".".join(path)] = name


def _field(path: list[str]) -> Any:
    """The declaration of the setting at `path`, or None when there is none."""
    section: type[BaseModel] = Settings
    for part in path[:-1]:
        inner = section.model_fields[part].annotation if part in section.model_fields else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return None
        section = inner
    field = section.model_fields.get(path[-1])
    is_section = field is not None and isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    return None if is_section else field


def _value(name: str, text: str, annotation: Any) -> Any:
    """The value of a variable. A list may be written a,b,c; a table is JSON; other types convert the text."""
    shape = get_origin(annotation)
    if shape is tuple and not text.lstrip().startswith("["):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if shape not in {dict, tuple}:
        return text
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise BadSettings(f"{name} must be JSON: {error}") from None


def leaves(section: type[BaseModel] = Settings, above: str = "") -> Iterator[str]:
    """Dotted path of every setting, in the order of declaration."""
    for key, field in section.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from leaves(inner, f"{above}{key}.")
        else:
            yield f"{above}{key}"


def _nearest(dotted: str, *, as_variable: bool = False) -> str:
    within = re.match(r"mapping\.\d+\.|scenario\.[^.]+\.", dotted)
    inner = MappingSettings if dotted.startswith("mapping.") else ScenarioSettings
    names = [f"{within[0]}{name}" for name in inner.model_fields] if within else list(leaves())
    close = difflib.get_close_matches(dotted, names, n=1, cutoff=0.5)
    if not close:
        return ": `sluicegate config` lists all settings"
    name = PREFIX + close[0].replace(".", DELIMITER).upper() if as_variable else close[0]
    return f": did you mean {name}?"


def _complaint(problem: Mapping[str, Any], origin: Mapping[str, str]) -> str:
    dotted = ".".join(str(part) for part in problem["loc"])
    place = next((origin[key] for key in origin if dotted == key or dotted.startswith(f"{key}.")), "")
    where = f" (set in {place})" if place else ""
    if problem["type"] == "extra_forbidden":
        return f"{dotted}{where} is not a setting{_nearest(dotted)}"
    # The value itself is left out: it may be a password.
    return f"{dotted or 'settings'}{where}: {masked(problem['msg'].removeprefix('Value error, '))}"


def in_force(settings: Settings) -> list[tuple[str, str, str]]:
    """List (dotted name, value, origin) of every setting, secrets masked, as `sluicegate config` prints them.

    >>> in_force(Settings())[0]
    ('namespace', 'main', 'default')
    """
    return [(dotted, _shown(settings, dotted), settings.origin(dotted)) for dotted in leaves()]


def _shown(settings: Settings, dotted: str) -> str:
    value: Any = settings
    for part in dotted.split("."):
        value = getattr(value, part)
    if isinstance(value, SecretStr):
        return MASK
    if dotted == "service.keys":
        return _plain([_key_shown(entry) for entry in value])
    return "" if value is None else masked(value if isinstance(value, str) else _plain(value))


def masked(text: str) -> str:
    """The text without what may be secret in the addresses in it: login and values of parameters.

    >>> masked("rediss://shop:hunter2@redis:6379/0?password=hunter2&db=1")
    'rediss://********@redis:6379/0?password=********&db=********'
    """
    return _PARAMETER.sub(rf"\1={MASK}", _USERINFO.sub(f"{MASK}@", text))


def _key_shown(entry: str) -> str:
    """Role and beginning of the hash; nothing of an entry that may be the key itself."""
    known = re.fullmatch(r"\s*([a-z]+):([0-9a-fA-F]{8})[0-9a-fA-F]{56}\s*", entry)
    return f"{known[1]}:{known[2].lower()}{MASK}" if known else MASK


def _plain(value: Any) -> str:
    return msgspec.json.encode(value, enc_hook=_dumped).decode().strip('"')


def _dumped(value: Any) -> Any:
    return value.model_dump(exclude_none=True) if isinstance(value, BaseModel) else str(value)
