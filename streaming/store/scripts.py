"""The name of a Lua script in, its text and SHA-1 out. The scripts are the `lua` folder beside this file."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import NamedTuple


class Script(NamedTuple):
    """One script as Redis knows it."""

    text: str
    sha: str


@cache
def script(name: str) -> Script:
    """The script of that name; KeyError-like FileNotFoundError when there is none.

    >>> len(script("commit").sha)
    40
    """
    text = files("streaming.store").joinpath("lua", f"{name}.lua").read_text(encoding="utf-8")
    # Redis names scripts by SHA-1; nothing rests on its strength.
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())
