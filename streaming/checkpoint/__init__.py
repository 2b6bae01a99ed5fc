"""State and progress in, the next version in Redis out. Never loaded by the API. Stage 5."""

from streaming.checkpoint.checkpointer import Checkpointer
from streaming.checkpoint.outcomes import FAILURES, VersionMetrics
from streaming.checkpoint.writer import BASE_BYTES_PER_SECOND, failpoint

__all__ = ["BASE_BYTES_PER_SECOND", "FAILURES", "Checkpointer", "VersionMetrics", "failpoint"]
