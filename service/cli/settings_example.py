"""Writes a settings file that has every setting with its default, commented out."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from typing import Any, Final

from pydantic import BaseModel

from streaming.settings import Settings

__all__ = ["example"]

WIDTH: Final = 100
"""Columns of a comment."""

HEAD: Final = """\
# Settings of Sluicegate: every key with its default. Remove the # before those that you change.
# The environment overrides this file: bootstrap of [kafka] is SLUICEGATE_KAFKA__BOOTSTRAP.
"""


def example() -> str:
    """The file, which means the same as none."""
    settings = Settings()
    values = settings.model_dump(mode="json")
    lines = [HEAD, *_section(type(settings), values)]
    for name, field in Settings.model_fields.items():
        part = field.annotation
        if isinstance(part, type) and issubclass(part, BaseModel):
            about = " ".join((part.__doc__ or "").split())
            lines += [*_comment(about), f"[{name}]", "", *_section(part, values[name])]
    return "\n".join(lines)


def _section(section: type[BaseModel], values: dict[str, Any]) -> Iterator[str]:
    """The settings of a section that are no sections themselves."""
    for name, field in section.model_fields.items():
        part = field.annotation
        if isinstance(part, type) and issubclass(part, BaseModel):
            continue
        yield from _comment(field.description or "")
        value = values[name]
        yield f"#{name} = {_toml(value)}" if value is not None else f"#{name} ="
        yield ""


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)


def _toml(value: Any) -> str:
    """A value as TOML has it, without what is None. Texts, numbers and lists are written as in JSON.

    >>> _toml({"view": "click", "n": None}), _toml([0.5, True])
    ('{"view" = "click"}', '[0.5, true]')
    """
    if isinstance(value, dict):
        return (
            f"{{{', '.join(f'{json.dumps(key)} = {_toml(each)}' for key, each in value.items() if each is not None)}}}"
        )
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)
