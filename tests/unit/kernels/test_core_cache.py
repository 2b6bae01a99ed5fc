"""Machine code of other sources is never run: the name of a cache folder is a hash of the sources behind it."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import pytest

from models.kernels.core import cache
from models.kernels.core import compile as compiling
from models.kernels.core.cache import KernelCacheWarning

PRINT = "from models.kernels.core import compile; print(compile.config.CACHE_DIR)"


@pytest.mark.parametrize("chosen", [None, "/tmp/chosen"])
def test_the_cache_folder_names_its_sources_whether_or_not_one_was_chosen(chosen) -> None:
    environ = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    environ |= {"NUMBA_CACHE_DIR": chosen} if chosen else {}
    printed = subprocess.run([sys.executable, "-c", PRINT], env=environ, capture_output=True, text=True, check=True)
    folder = Path(printed.stdout.strip())
    assert folder.name == cache.fingerprint(compiling.MODELS)
    assert folder.parent == Path(chosen or Path(compiling.__file__).parent / "__pycache__")


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """A path below which nothing can be made, by root either."""
    file = tmp_path / "a file, not a folder"
    file.touch()
    return file


@pytest.fixture
def homeless(closed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user whose home does not exist."""
    monkeypatch.setenv("HOME", str(closed))


def test_the_cache_is_the_users_if_the_folder_of_the_sources_cannot_be_written(closed, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    found = cache.choose("", closed / "__pycache__", "f00")
    assert found == (tmp_path / ".cache" / "sluicegate" / "kernels" / "f00", "")


@pytest.mark.usefixtures("homeless")
@pytest.mark.parametrize("named", [True, False])
def test_a_private_folder_is_used_when_no_other_can_be_written_and_one_warning_names_the_variable(
    named, closed, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    found = cache.choose(str(closed / "chosen") if named else "", closed / "__pycache__", "f00")
    assert found.folder is not None
    assert found.folder.parent.parent == tmp_path
    assert stat.S_IMODE(found.folder.parent.stat().st_mode) == 0o700
    assert cache.choose("", closed / "__pycache__", "f00").folder == found.folder  # at the next start, too
    with pytest.warns(KernelCacheWarning, match=f"{closed}.*kept in {found.folder.parent}.*NUMBA_CACHE_DIR") as warned:
        cache.warn(found)
    assert len(warned) == 1


@pytest.mark.usefixtures("homeless")
def test_a_folder_that_others_may_write_is_never_used(closed, tmp_path, monkeypatch) -> None:
    """It holds pickles."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    first = cache.choose("", closed, "f00").folder
    assert first is not None
    first.parent.chmod(0o777)
    second = cache.choose("", closed, "f00").folder
    assert second is not None
    assert second.parent != first.parent
    assert stat.S_IMODE(second.parent.stat().st_mode) == 0o700
    shutil.rmtree(first.parent)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    first.parent.symlink_to(elsewhere)
    assert cache.choose("", closed, "f00").folder.parent not in {first.parent, elsewhere}


@pytest.mark.usefixtures("homeless")
def test_without_any_folder_kernels_are_compiled_at_every_start_and_a_warning_says_so(closed, monkeypatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(closed))
    found = cache.choose("", closed, "f00")
    assert found.folder is None
    with pytest.warns(KernelCacheWarning, match=r"again at every start\. Set NUMBA_CACHE_DIR"):
        cache.warn(found)


def test_a_usual_folder_is_no_news(tmp_path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cache.warn(cache.choose(str(tmp_path / "made"), tmp_path, "f00"))


RUN = """
import numpy as np
from models.kernels.core.compile import config
from models.kernels.core.marks import mark
mark(np.array([0, 3, 0, 0], np.uint32), 0)
print(config.CACHE_DIR, mark.from_python.stats.cache_hits.total(), sep="\\n")
"""


def test_a_read_only_installation_works_without_a_home_and_compiles_once(models, closed, tmp_path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    (models / "kernels" / "core" / "__pycache__").touch()  # a file: no folder can be made there, by root either
    environ = {"PATH": os.environ["PATH"], "TMPDIR": str(temporary), "PYTHONPATH": str(tmp_path), "HOME": str(closed)}
    folders, hits = [], []
    for _ in range(2):
        command = [sys.executable, "-B", "-c", RUN]
        done = subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("\n") == 1, done.stderr
        assert "KernelCacheWarning: compiled kernels cannot be kept in" in done.stderr
        assert "NUMBA_CACHE_DIR" in done.stderr
        folder, count = done.stdout.split()
        folders.append(folder)
        hits.append(int(count))
    assert hits == [0, 1]
    assert folders[0] == folders[1]
    assert Path(folders[0]).parent.parent == temporary


@pytest.fixture
def models(tmp_path) -> Path:
    """A copy of the package `models` that a test may damage."""
    return Path(shutil.copytree(compiling.MODELS, tmp_path / "models", ignore=shutil.ignore_patterns("__pycache__")))


def test_an_edit_of_any_shaping_file_changes_the_fingerprint(models) -> None:
    before = cache.fingerprint(models)
    files = cache.shaping_files(models)
    assert len(files) > 40
    for file in files:
        source = file.read_bytes()
        file.write_bytes(source + b"# edited\n")
        assert cache.fingerprint(models) != before, file
        file.write_bytes(source)
    assert cache.fingerprint(models) == before


def test_a_new_kernel_in_any_folder_changes_the_fingerprint(models) -> None:
    before = cache.fingerprint(models)
    (models / "slate" / "fast.py").write_text("from models.kernels.core.compile import kernel\n")
    assert cache.fingerprint(models) != before


def test_a_missing_file_is_an_error_and_not_a_smaller_hash(models) -> None:
    (models / "dimensions.py").unlink()
    with pytest.raises(ImportError, match="dimensions"):
        cache.fingerprint(models)


COMPILED = """
import sys
import models.warmup, models.batch.kernel, models.estimators.linear, models.estimators.factorization
from numba.core.dispatcher import Dispatcher
from models.state.schema import SCHEMA
from models.recommender.scratch import new_scratch

def parts(value):
    yield type(value).__module__
    for part in value:
        if hasattr(part, "_fields"):
            yield from parts(part)

modules = [m for name, m in sys.modules.items() if name.partition(".")[0] == "models"]
kernels = [v.py_func for m in modules for v in vars(m).values() if isinstance(v, Dispatcher)]
names = {kernel.__module__ for kernel in kernels}
names |= {made.__module__ for made in SCHEMA.classes.values()} | set(parts(new_scratch()))
print(*sorted(sys.modules[name].__file__ for name in names))
"""


def test_every_module_that_holds_a_kernel_or_a_tuple_of_one_is_a_shaping_file() -> None:
    """Asks a running interpreter, independently of how the files are found."""
    command = [sys.executable, "-c", COMPILED]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert len(printed) > 30
    assert {Path(file) for file in printed} <= set(cache.shaping_files(compiling.MODELS))
