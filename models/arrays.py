"""The type of every array, and whether row numbers are one run."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]


def unbroken(rows: Array) -> bool:
    """Whether ascending row numbers, one at least, are one run without a gap.

    >>> import numpy as np
    >>> unbroken(np.array([4, 5, 6])), unbroken(np.array([4, 6]))
    (True, False)
    """
    return int(rows[-1]) - int(rows[0]) + 1 == len(rows)


__all__ = ["Array", "unbroken"]
