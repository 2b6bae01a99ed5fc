"""Machine code of other sources is never run: every cache folder carries what shaped the code in it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from models.kernels import compile as compiling

SAY = "from models.kernels import compile; print(compile.config.CACHE_DIR)"


@pytest.mark.parametrize("chosen", [None, "/tmp/chosen"])
def test_the_cache_folder_names_its_sources_whether_or_not_one_was_chosen(chosen) -> None:
    environ = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    environ |= {"NUMBA_CACHE_DIR": chosen} if chosen else {}
    said = subprocess.run([sys.executable, "-c", SAY], env=environ, capture_output=True, text=True, check=True)
    folder = Path(said.stdout.strip())
    assert folder.name == compiling._fingerprint()
    assert folder.parent == Path(chosen or Path(compiling.__file__).parent / "__pycache__")


def test_where_the_sources_cannot_be_written_beside_the_cache_is_the_users(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(compiling.config, "CACHE_DIR", "")
    monkeypatch.setattr(compiling, "__file__", str(tmp_path / "a file, not a folder" / "compile.py"))
    (tmp_path / "a file, not a folder").touch()
    assert compiling._folder() == Path.home() / ".cache" / "sluicegate" / "kernels"
