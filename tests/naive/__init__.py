"""The same inputs as a kernel in, what it must answer out: slow, obvious twins in plain Python, by the kernel's room.

They share no code with the kernels but the sizes, and know nothing of slots, bitmaps or heaps.
"""

from tests.naive import cold_start, core, merging, ranking, regression, retrieval

__all__ = ["cold_start", "core", "merging", "ranking", "regression", "retrieval"]
