"""Writes the log of a process to stderr, as JSON or as text: our own lines, those of libraries, uncaught exceptions.

Our own lines, those of libraries, warnings, and exceptions that nobody catches all go through one handler. A line break
inside a message is escaped or indented, so that no input can forge a line.
"""

from __future__ import annotations

import io
import logging
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Literal, TextIO, TypeAlias

import msgspec

LogFormat: TypeAlias = Literal["auto", "json", "text"]
"""`auto`: text where a terminal shows it, JSON elsewhere."""

OURS: Final = ("sluicegate", "streaming", "service", "models", "__main__")
"""First parts of our loggers' names; lines of any other logger name it."""

QUIET: Final = {"kafka": logging.CRITICAL, "uvicorn": logging.WARNING}
"""kafka-python's errors reach us as exceptions; its own log adds twenty lines a second while a broker is away. uvicorn
says at each start what we say ourselves."""

_PLAIN: Final = re.compile(r"[\w.:/@+-]+")
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
_LINE: Final = {"json": re.compile(r'\{"'), "text": re.compile(r"\d{4}-\d\d-\d\dT\S+ [A-Z]+ | {4}")}
"""How a line of a log begins; in text, how a further line of an event does, too."""
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f\x85\u2028\u2029]")

log: Final = logging.getLogger(__name__)


class JsonLines(logging.Formatter):
    """An object on one line: `time`, `level`, `process`, `event`, then the fields of the event, and `trace`."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line: dict[str, Any] = {
            "time": _moment(record),
            "level": record.levelname.lower(),
            "process": self._process,
            "event": record.getMessage().rstrip("\n"),
            **_fields(record),
        }
        if trace := _trace(record, self):
            line["trace"] = trace
        return msgspec.json.encode(line, enc_hook=str).decode()


class TextLines(logging.Formatter):
    """`TIME LEVEL process: event key=value`; further lines of an event or its trace are indented."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """One line, and indented ones."""
        fields = "".join(f" {name}={_word(value)}" for name, value in _fields(record).items())
        said = f"{_moment(record)} {record.levelname} {self._process}: {record.getMessage().rstrip(chr(10))}{fields}"
        if trace := _trace(record, self):
            said += f"\n{trace}"
        return _CONTROL.sub(lambda found: repr(found[0])[1:-1], said).replace("\n", "\n    ")


def resolved(form: LogFormat) -> LogFormat:
    """`json` or `text`: the format of a log on this process's stderr."""
    if form != "auto":
        return form
    return "text" if sys.stderr.isatty() else "json"


def configure(process: str, form: LogFormat, level: int = logging.INFO) -> None:
    """Send everything that this process says to stderr.

    Args:
        process: What it is, for each line: `learner`, `service`.
        form: How lines look.
        level: What is less grave is left out.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(TextLines(process) if resolved(form) == "text" else JsonLines(process))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for other in logging.root.manager.loggerDict.values():
        if isinstance(other, logging.Logger):  # a library that has set up its own way
            other.handlers, other.propagate = [], True
    for name, least in QUIET.items():
        logging.getLogger(name).setLevel(least)
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread
    sys.unraisablehook = _unraisable


class _Printed(io.TextIOBase):
    """A stream whose lines become events, unless they are lines of a log already."""

    def __init__(self, out: TextIO, form: LogFormat) -> None:
        self._out, self._is_line = out, _LINE[form].match
        self._unfinished = threading.local()

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, text: str) -> int:
        """Write whole lines; the rest waits for its end."""
        *lines, rest = (getattr(self._unfinished, "text", "") + text).split("\n")
        self._unfinished.text = rest
        for line in lines:
            if self._is_line(line):
                self._out.write(f"{line}\n")
            elif plain := _COLOUR.sub("", line).strip():
                log.info("%s", plain)
        self._out.flush()
        return len(text)


@contextmanager
def native_lines(form: LogFormat) -> Iterator[None]:
    """Hold back what native code writes to stderr in the block, and let it be lines of the log after the block."""
    sys.stderr.flush()
    with tempfile.TemporaryFile("w+", errors="replace") as held, closing(os.fdopen(os.dup(2), "w")) as stderr:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(stderr.fileno(), 2)
            held.seek(0)
            _Printed(sys.stderr, resolved(form)).write(f"{held.read()}\n")


def take_printed(form: LogFormat) -> None:
    """Let a library that prints, as Ray does with lines of its processes, write to the log as well."""
    printed: Any = _Printed(sys.stderr, resolved(form))
    sys.stdout = sys.stderr = printed


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    log.critical("ended by an exception that nobody caught", exc_info=(kind, error, trace))


def _uncaught_in_thread(found: threading.ExceptHookArgs) -> None:
    if found.exc_type is SystemExit or found.exc_value is None:
        return
    log.error(
        "a thread ended by an exception that nobody caught",
        exc_info=(found.exc_type, found.exc_value, found.exc_traceback),
        extra={"fields": {"thread": found.thread.name if found.thread is not None else "unknown"}},
    )


def _unraisable(found: sys.UnraisableHookArgs) -> None:
    error = found.exc_value or found.exc_type()
    log.error(
        found.err_msg or "an exception was ignored",
        exc_info=(found.exc_type, error, found.exc_traceback),
        extra={"fields": {"object": repr(found.object)}},
    )


def _moment(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """The fields of an event, and the logger where it is not one of ours."""
    fields: dict[str, Any] = getattr(record, "fields", {})
    return fields if record.name.partition(".")[0] in OURS else {"logger": record.name, **fields}


def _trace(record: logging.LogRecord, formatter: logging.Formatter) -> str:
    parts = []
    if record.exc_info:
        parts.append(formatter.formatException(record.exc_info))
    if record.stack_info:
        parts.append(formatter.formatStack(record.stack_info))
    return "\n".join(parts)


def _word(value: Any) -> str:
    """A value of a field, in quotes where it is more than a word."""
    text = value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str).decode()
    return text if _PLAIN.fullmatch(text) else msgspec.json.encode(text).decode()


__all__ = ["JsonLines", "LogFormat", "TextLines", "configure", "native_lines", "resolved", "take_printed"]
