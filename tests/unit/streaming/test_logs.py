"""Whatever a process says, and whoever says it, has the one format that was asked for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from streaming.settings import log_format
from tests.support.processes.log_lines import parsed

EVERYBODY = """
import gc, logging, sys, threading, warnings
from streaming.logs import configure

for library in ("ray", "uvicorn"):  # set up their own handlers when they are imported
    logging.getLogger(library).addHandler(logging.StreamHandler())
    logging.getLogger(library).propagate = False
configure("learner", sys.argv[1])

class Careless:
    def __del__(self):
        raise ValueError("in a finalizer")

def fail():
    raise ValueError("in a thread")

fields = {"a": 1, "b": "x y"}
logging.getLogger("streaming").info("one\\ntwo \\x1b[31mred\\x1b[0m \\u2028 three", extra={"fields": fields})
logging.getLogger("redis").warning("a library")
logging.getLogger("ray").warning("a library with a handler of its own")
logging.getLogger("uvicorn.error").info("not said")
logging.getLogger("kafka.conn").error("not said")
warnings.warn("deprecated", stacklevel=1)
thread = threading.Thread(target=fail, name="worker")
thread.start()
thread.join()
careless = Careless()
del careless
raise ValueError("at the end")
"""


@pytest.mark.parametrize("form", ["json", "text"])
def test_every_line_has_the_format_whoever_says_it(form: str) -> None:
    command = [sys.executable, "-c", EVERYBODY, form]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    events = parsed(done.stderr, form)
    levels = ["info", "warning", "warning", "warning", "error", "error", "critical"]
    assert [each["level"] for each in events] == levels, done.stderr
    assert {each["process"] for each in events} == {"learner"}
    assert "not said" not in done.stderr
    said = [each["event"] + str(each.get("trace", "")) for each in events]
    for text, part in zip(
        said,
        ("one\ntwo", "a library", "of its own", "deprecated", "in a thread", "in a finalizer", "at the end"),
        strict=True,
    ):
        assert part in text
    for text in said[4:]:
        assert "Traceback" in text
    if form == "json":
        assert (events[0]["a"], events[0]["b"]) == (1, "x y")
        assert [each.get("logger") for each in events[:4]] == [None, "redis", "ray", "py.warnings"]
    else:
        assert events[0]["event"] == 'one\ntwo \\x1b[31mred\\x1b[0m \\u2028 three a=1 b="x y"'


PRINTED = """
import logging, sys
from streaming.logs import configure, take_printed

configure("learner", sys.argv[1])
take_printed(sys.argv[1])
print(sys.argv[2])
print("\x1b[36m(raylet)\x1b[0m a worker died", end="")
print("", "and more", file=sys.stderr)
logging.getLogger("streaming").info("one of ours")
"""


@pytest.mark.parametrize(
    ("form", "line"),
    [
        ("json", '{"time":"now","level":"info","process":"shard-1","event":"from a shard"}'),
        ("text", "2026-01-02T03:04:05.678+00:00 INFO shard-1: from a shard"),
    ],
)
def test_what_a_library_prints_is_a_line_and_a_line_stays_as_it_is(form: str, line: str) -> None:
    command = [sys.executable, "-c", PRINTED, form, line]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert done.stderr.splitlines()[0] == line
    events = [(each["process"], each["event"]) for each in parsed(done.stderr, form)]
    assert events == [
        ("shard-1", "from a shard"),
        ("learner", "(raylet) a worker died and more"),
        ("learner", "one of ours"),
    ]


NATIVE = """
import logging, os, sys
from streaming.logs import configure, native_lines

configure("learner", sys.argv[1])
try:
    with native_lines(sys.argv[1]):
        os.write(2, b"logging.cc:303: a level was set\\n")
        logging.getLogger("streaming").info("one of ours")
        raise OSError("no cluster")
except OSError as error:
    logging.getLogger("streaming").info("%s", error)
"""


@pytest.mark.parametrize("form", ["json", "text"])
def test_what_native_code_writes_in_a_block_is_a_line_after_it_whatever_ends_the_block(form: str) -> None:
    done = subprocess.run([sys.executable, "-c", NATIVE, form], capture_output=True, text=True, check=True)
    assert [each["event"] for each in parsed(done.stderr, form)] == [
        "logging.cc:303: a level was set",
        "one of ours",
        "no cluster",
    ]


@pytest.mark.parametrize(
    ("module", "form"),
    [("service", "json"), ("streaming", "text"), ("streaming", "auto"), ("streaming.jobs.rebuild_process", "json")],
)
def test_a_start_that_is_refused_says_so_in_the_format(module: str, form: str, tmp_path: Path) -> None:
    file = tmp_path / "shop.toml"
    file.write_text(f'[log]\nformat = "{form}"\n[kafka]\nbotstrap = "no"\n')
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SLUICEGATE_")}
    command = [sys.executable, "-m", module, "--config", str(file)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    (said,) = parsed(done.stderr, "text" if form == "text" else "json")  # stderr is no terminal
    assert said["level"] == "error"
    assert said["process"] == {"service": "service", "streaming": "learner"}.get(module, "rebuild")
    assert "did you mean kafka.bootstrap" in said["event"]


def test_the_format_is_known_before_the_settings_are(tmp_path: Path) -> None:
    file = tmp_path / "shop.toml"
    assert log_format(file, {}) == "auto"
    for text, form in (('[log]\nformat = "text"', "text"), ("log = 3", "auto"), ("[log", "auto"), ("", "auto")):
        file.write_text(text)
        assert log_format(file, {}) == log_format(None, {"SLUICEGATE_CONFIG": str(file)}) == form
        assert log_format(file, {"SLUICEGATE_LOG__FORMAT": "json"}) == "json"
    assert log_format(None, {"SLUICEGATE_LOG__FORMAT": "yaml"}) == "auto"


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_command_that_meets_a_defect_says_so_in_the_format(form: str) -> None:
    script = (
        "import sys; from service.cli import main as cli; sys.argv = ['sluicegate', 'config'];"
        "cli.app = lambda **_: 1 / 0; cli.main()"
    )
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SLUICEGATE_")}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environ | {"SLUICEGATE_LOG__FORMAT": form},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    (said,) = parsed(done.stderr, form)
    assert (said["level"], said["process"]) == ("critical", "sluicegate")
    assert "ZeroDivisionError" in json.dumps(said)
