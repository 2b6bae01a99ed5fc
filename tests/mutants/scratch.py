"""Mutants put into a copy of the repository, one at a time; which test fails there is which test kills them."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.mutants.declarations import Mutant

IGNORED = shutil.ignore_patterns(
    ".git", ".venv", "__pycache__", "*.egg-info", "build", "dist", "node_modules", ".cache", ".*_cache", ".hypothesis"
)

FLAGS = ("-q", "-x", "-p", "no:cacheprovider", "--tb=short", "--hypothesis-seed=0")
"""The first failure is enough; random examples are the same in every run."""

PASSED, FAILED = 0, 1
"""Exit codes of pytest; every other says that the tests could not be run."""

FAILURE = re.compile(r"^(?:FAILED|ERROR) (\S+::.+?)(?: - .*)?$", re.MULTILINE)

TAIL = 2_000
"""Characters of pytest's output that are shown when the tests could not be run."""


@dataclass(frozen=True)
class Verdict:
    """What the tests made of a mutant.

    `late`: the time was over. It does not count as killed: a busy machine would kill every mutant. `broken`: the tests
    could not be run at all, so that nothing was tested.
    """

    state: Literal["killed", "lived", "late", "broken"]
    test: str = ""
    output: str = ""


class Scratch:
    """A copy of the repository in which files may be changed."""

    def __init__(self, root: Path, folder: Path) -> None:
        """Copy `root` to `folder`, in place of what is there. Files keep their times: compiled kernels stay valid."""
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(root, folder, ignore=IGNORED)
        self.folder = folder

    @contextlib.contextmanager
    def mutated(self, mutant: Mutant) -> Iterator[None]:
        """Have the defect in the copy until the block ends."""
        path = self.folder / mutant.file
        before, times = path.read_bytes(), path.stat()
        path.write_text(mutant.applied(before.decode()), encoding="utf-8")
        try:
            yield
        finally:
            path.write_bytes(before)
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    def judge(self, mutant: Mutant, seconds: float) -> Verdict:
        """Run the tests of a mutant with the defect in the copy."""
        with self.mutated(mutant):
            return self.test(mutant.tests, seconds)

    def test(self, tests: Sequence[str], seconds: float) -> Verdict:
        """Run tests in the copy as it is, for so many seconds at most."""
        code, output = self.run([sys.executable, "-m", "pytest", *FLAGS, *tests], seconds)
        if code is None:
            return Verdict("late", output=output[-TAIL:])
        failure = FAILURE.search(output)
        if code == FAILED and failure:
            return Verdict("killed", failure[1], output[-TAIL:])
        return Verdict("lived" if code == PASSED else "broken", output=output[-TAIL:])

    def run(self, command: Sequence[str], seconds: float) -> tuple[int | None, str]:
        """Exit code and output of a command in the copy; no code when the time was over and all of it was killed."""
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=self._environment(os.environ),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
        )
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            return None, self._killed(process)
        except BaseException:
            self._killed(process)
            raise
        return process.returncode, output

    @staticmethod
    def _killed(process: subprocess.Popen[str]) -> str:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        return process.communicate()[0]

    def _environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Ours, with the copy before every installed package, also in processes that tests start elsewhere."""
        return {**environ, "PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}
