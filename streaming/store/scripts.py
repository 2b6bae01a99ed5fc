"""Loads the Lua scripts of the `lua` folder, with their SHA-1."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import NamedTuple


class Script(NamedTuple):
    """A script and the SHA-1 by which Redis knows it."""

    text: str
    sha: str


@cache
def script(name: str) -> Script:
    """The script of that name. Raises FileNotFoundError when there is none.

    >>> len(script("commit").sha)
    40
    """
    text = files("streaming.store").joinpath("lua", f"{name}.lua").read_text(encoding="utf-8")
    # Redis names scripts by SHA-1; security does not depend on it.
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())
