"""A Python function in, a compiled one out: the only module that knows numba.

`kernel` may guard and change state: no fast-math, so a finite check stays a finite check.
`scoring` only reads state: sums may be reordered so that they run on vector units, but NaN and infinity keep
their meaning (neither ``nnan`` nor ``ninf`` is granted).
"""

from numba import njit

_SCORING = {"reassoc", "contract", "arcp", "nsz"}

kernel = njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")
scoring = njit(cache=True, nogil=True, boundscheck=False, error_model="numpy", fastmath=_SCORING)
