"""The first start of an installed wheel: kernels are compiled in a process of their own, while probes are answered."""

import http
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from models import warmup
from models.kernels.core import compile as compiling
from service.local import embedded
from service.local.fetch import fetch
from tests.conftest import eventually

NOWHERE = {"SLUICEGATE_REDIS__URL": "redis://127.0.0.1:9/0", "SLUICEGATE_KAFKA__BOOTSTRAP": "127.0.0.1:9"}
ASKED_TO_END = 20.0
"""Seconds in which a process ends, also in the middle of a compilation that takes longer."""


ROOT = Path(__file__).resolve().parents[3]
PACKAGES = ("models", "service", "streaming")
BUILD = "import sys, setuptools.build_meta as build; print(build.build_wheel(sys.argv[1]))"


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which a wheel of this tree is installed, with nothing of the tree beside it."""
    source, site = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(ROOT / name, source)
    done = subprocess.run(
        [sys.executable, "-c", BUILD, str(site)], cwd=source, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(site / done.stdout.split()[-1]) as wheel:
        wheel.extractall(site)
    return site


def test_a_wheel_holds_every_file_of_the_packages_and_the_command(elsewhere) -> None:
    def held(folder: Path) -> set[str]:
        found = (path for name in PACKAGES for path in (folder / name).rglob("*") if path.is_file())
        return {path.relative_to(folder).as_posix() for path in found if "__pycache__" not in path.parts}

    assert held(elsewhere) == held(ROOT)
    (about,) = elsewhere.glob("*.dist-info")
    assert {path.name for path in elsewhere.iterdir() if path.is_dir()} == {*PACKAGES, about.name}
    assert "sluicegate = service.cli.main:main" in (about / "entry_points.txt").read_text()


def status(port: int, path: str) -> int:
    try:
        return fetch(port, path)[0]
    except OSError:
        return 0


@pytest.mark.parametrize(("module", "words"), [("streaming", []), ("service", ["--port"])])
def test_a_process_that_compiles_answers_says_so_and_ends_when_asked_to(
    module, words, elsewhere, tmp_path, request
) -> None:
    port = embedded.free_port()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SLUICEGATE_")}
    environ = {**clean, **NOWHERE, "NUMBA_CACHE_DIR": str(tmp_path), "SLUICEGATE_LEARNER__METRICS_PORT": str(port)}
    environ["PYTHONPATH"] = str(elsewhere)
    command = [sys.executable, "-m", module, *words, *([str(port)] if words else [])]
    process = subprocess.Popen(command, env=environ, cwd=elsewhere, stderr=subprocess.PIPE, text=True)
    request.addfinalizer(process.kill)
    eventually(lambda: status(port, "/livez") == http.HTTPStatus.OK, timeout=60.0)
    eventually(lambda: any(tmp_path.rglob("*.nbc")), timeout=60.0)  # it is in the middle of it
    assert status(port, "/livez") == http.HTTPStatus.OK
    code, document = fetch(port, "/readyz")
    assert code == http.HTTPStatus.SERVICE_UNAVAILABLE
    assert warmup.LASTS in document.decode()
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    log = process.communicate(timeout=60)[1]
    assert process.returncode == 0, log
    assert time.monotonic() - began < ASKED_TO_END
    assert log.count(warmup.LASTS) == 1
    assert children(tmp_path) == []


def children(cache: Path) -> list[int]:
    """Processes that would compile into this cache."""
    wanted = f"NUMBA_CACHE_DIR={cache}".encode()
    found = []
    for file in Path("/proc").glob("[0-9]*/environ"):
        try:
            if wanted in file.read_bytes().split(b"\0") and b") Z" not in (file.parent / "stat").read_bytes():
                found.append(int(file.parent.name))
        except OSError:  # gone meanwhile, or somebody else's
            continue
    return found


def test_warmup_says_where_kernels_are_kept_and_compiles_nothing_twice() -> None:
    warmup.warm()  # other tests may not have needed all
    before = kept()
    assert all(any(name.startswith(entry) for name in before) for entry in warmup.EVERYTHING)
    command = [sys.executable, "-m", "service.cli.main", "warmup"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"kept in {compiling.cache.folder}" in done.stdout
    assert "compiling kernels" not in done.stdout
    assert kept() == before


def kept() -> dict[str, int]:
    """When each kernel that is compiled last was written, for each of the types it takes."""
    files = compiling.cache.folder.rglob("*.nbc")
    return {file.name: file.stat().st_mtime_ns for file in files if file.name.startswith(warmup.EVERYTHING)}


def test_what_is_not_compiled_is_noticed(monkeypatch, tmp_path) -> None:
    warmup.warm()
    assert warmup.compiled()
    assert warmup.compiled(warmup.SERVING)
    monkeypatch.setattr(compiling, "cache", compiling.cache._replace(folder=tmp_path))
    assert not warmup.compiled(warmup.SERVING)
    monkeypatch.setattr(compiling, "cache", compiling.cache._replace(folder=None))
    assert not warmup.compiled()
    assert warmup.compile_apart("serving", lambda _: pytest.fail("nothing would be kept"))
