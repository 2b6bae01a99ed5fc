"""Machine code of other sources is never run: the name of a cache folder is a hash of the sources behind it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from models.kernels.core import compile as compiling

PRINT = "from models.kernels.core import compile; print(compile.config.CACHE_DIR)"


@pytest.mark.parametrize("chosen", [None, "/tmp/chosen"])
def test_the_cache_folder_names_its_sources_whether_or_not_one_was_chosen(chosen) -> None:
    environ = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    environ |= {"NUMBA_CACHE_DIR": chosen} if chosen else {}
    printed = subprocess.run([sys.executable, "-c", PRINT], env=environ, capture_output=True, text=True, check=True)
    folder = Path(printed.stdout.strip())
    assert folder.name == compiling.fingerprint(compiling._MODELS)
    assert folder.parent == Path(chosen or Path(compiling.__file__).parent / "__pycache__")


def test_the_cache_is_the_users_if_the_folder_of_the_sources_cannot_be_written(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(compiling.config, "CACHE_DIR", "")
    monkeypatch.setattr(compiling, "__file__", str(tmp_path / "a file, not a folder" / "compile.py"))
    (tmp_path / "a file, not a folder").touch()
    assert compiling._folder() == Path.home() / ".cache" / "sluicegate" / "kernels"


@pytest.fixture
def models(tmp_path) -> Path:
    """A copy of the package `models` that a test may damage."""
    return Path(shutil.copytree(compiling._MODELS, tmp_path / "models", ignore=shutil.ignore_patterns("__pycache__")))


def test_an_edit_of_any_shaping_file_changes_the_fingerprint(models) -> None:
    before = compiling.fingerprint(models)
    files = compiling.shaping_files(models)
    assert len(files) > 40
    for file in files:
        source = file.read_bytes()
        file.write_bytes(source + b"# edited\n")
        assert compiling.fingerprint(models) != before, file
        file.write_bytes(source)
    assert compiling.fingerprint(models) == before


def test_a_new_kernel_in_any_folder_changes_the_fingerprint(models) -> None:
    before = compiling.fingerprint(models)
    (models / "slate" / "fast.py").write_text("from models.kernels.core.compile import kernel\n")
    assert compiling.fingerprint(models) != before


def test_a_missing_file_is_an_error_and_not_a_smaller_hash(models) -> None:
    (models / "dimensions.py").unlink()
    with pytest.raises(ImportError, match="dimensions"):
        compiling.fingerprint(models)


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
    assert {Path(file) for file in printed} <= set(compiling.shaping_files(compiling._MODELS))
