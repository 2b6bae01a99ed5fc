"""Compiles kernels before the tests that need them: it takes longer than a test may."""

from __future__ import annotations

import fcntl
import subprocess
import sys

from models import warmup
from models.kernels.core.compile import cache, config


def compile_missing() -> None:
    """Compile what the cache lacks; `make setup` has done so, a new checkout of the sources has not.

    Of several workers one compiles, and the others wait: each would compile all of it otherwise.
    """
    if cache.folder is None or config.DISABLE_JIT:
        return
    with cache.folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not warmup.compiled():
            for part in ("everything", "merging"):
                subprocess.run([sys.executable, "-m", "models.warmup", part], check=True)
