"""Lets a step that takes long be left between two of its slices."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Look: TypeAlias = Callable[[], None]
"""Called after each slice of a long step, some tens of milliseconds apart. What it raises leaves the step."""


class Interrupted(Exception):
    """A step was left because the process is to end; the text says what that means."""


def unhurried() -> None:
    """The look of a step that nobody leaves."""


def asking(stopped: Callable[[], bool], why: str) -> Look:
    """A look that raises Interrupted, with the text `why`, as soon as `stopped` says so.

    >>> asking(lambda: True, "a model was being loaded")()
    Traceback (most recent call last):
    models.looking.Interrupted: a model was being loaded
    """

    def look() -> None:
        if stopped():
            raise Interrupted(why)

    return look


__all__ = ["Interrupted", "Look", "asking", "unhurried"]
