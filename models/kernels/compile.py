"""A Python function in, a compiled one out: the only module that knows numba.

`kernel` may guard and change state: no fast-math, so a finite check stays a finite check.
`scoring` only reads state: sums may be reordered so that they run on vector units, but NaN and infinity keep
their meaning (neither ``nnan`` nor ``ninf`` is granted).

numba's cache looks at the file of a function only, not at those it calls or takes constants from. So everything that
shapes compiled code is hashed into the cache's folder: an edited constant or table can never meet old machine code.
"""

import hashlib
from pathlib import Path
from typing import Any

from numba import config as _config
from numba import njit

_SHAPING = ("dimensions.py", "schema.py", "scratch.py", "state.py", "tables.py")


def _fingerprint() -> str:
    models = Path(__file__).parents[1]
    sources = [*sorted(Path(__file__).parent.glob("*.py")), *(models / name for name in _SHAPING)]
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]


config: Any = _config
if config.CACHE_DIR:  # without a folder of its own numba keeps the cache beside the sources, or in the user's cache
    config.CACHE_DIR = str(Path(config.CACHE_DIR) / _fingerprint())

_SCORING = {"reassoc", "contract", "arcp", "nsz"}

# Arrays come from outside and none is made inside, so kernels are compiled without numba's reference counting: a call
# that hands on a view of all tables would otherwise touch a hundred atomic counters (it cost ten times the arithmetic).
_OPTIONS: Any = {"cache": True, "nogil": True, "boundscheck": False, "error_model": "numpy", "_nrt": False}

kernel = njit(**_OPTIONS)
scoring = njit(fastmath=_SCORING, **_OPTIONS)
