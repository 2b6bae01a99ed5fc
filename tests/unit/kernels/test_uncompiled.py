"""The small kernels as plain Python: their results come from their text and not from how numba reads it."""

import os
import subprocess
import sys
from pathlib import Path

SMALL = [
    str(Path(__file__).with_name(f"test_{room}.py")) for room in ("core", "retrieval", "ranking", "ranking_returns")
]
ROOT = Path(__file__).parents[3]


def test_the_small_kernels_pass_their_tests_without_being_compiled():
    # Sixty-four bits wrap around in hashes by design; numpy says so where compiled code does not.
    # A memory's rows are vector instructions (models/kernels/core/vectors.py), which have no form in Python.
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *SMALL]
    command += ["-k", "not memory and not removed_neighbour"]
    result = subprocess.run(
        [*command, "-W", "ignore:overflow encountered:RuntimeWarning"],
        cwd=ROOT,
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-3000:]
    assert " passed" in result.stdout
