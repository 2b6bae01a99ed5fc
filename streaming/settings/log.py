"""Settings of the log: the format of its lines, which a process needs before it has read its settings."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final, cast, get_args

from pydantic import Field

from streaming.logs import LogFormat
from streaming.settings.base import Section

LOG_FORMAT: Final = "SLUICEGATE_LOG__FORMAT"
"""Variable of the setting `log.format`."""
FILE: Final = "SLUICEGATE_CONFIG"


class LogSettings(Section):
    """The log that each process writes to stderr."""

    format: LogFormat = Field(
        default="auto",
        description="`json`: one object a line; `text`: for people; `auto`: text in a terminal, otherwise JSON.",
    )


def log_format(config: Path | None, environ: Mapping[str, str]) -> LogFormat:
    """The format that the settings ask for, also where they cannot be used: that has to be logged, too.

    >>> log_format(None, {"SLUICEGATE_LOG__FORMAT": "text"}), log_format(Path("/nowhere"), {})
    ('text', 'auto')
    """
    named: object = environ.get(LOG_FORMAT)
    path = config or environ.get(FILE)
    if named is None and path:
        try:
            named = tomllib.loads(Path(path).read_text(encoding="utf-8"))["log"]["format"]
        except (OSError, ValueError, KeyError, TypeError):
            named = None  # load_settings says what is wrong with the file
    return cast(LogFormat, named) if named in get_args(LogFormat) else "auto"
