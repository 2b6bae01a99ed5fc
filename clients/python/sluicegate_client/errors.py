"""The errors of this package.

SluicegateError
  Refused    the service said no: the request has to change, or the key, or the settings of the service
  Away       no useful answer came, however often it was tried
"""

from __future__ import annotations

from collections.abc import Sequence

from sluicegate_client.types import ProblemDocument, ValueProblem


class SluicegateError(Exception):
    """A call failed."""


class Refused(SluicegateError):
    """The service refused the request. `next` says what to do; `errors` names each value that does not fit."""

    def __init__(self, status: int, problem: ProblemDocument) -> None:
        super().__init__(f"{status}: {problem.detail} {problem.next}".strip())
        self.status = status
        self.detail = problem.detail
        self.next = problem.next
        self.errors: Sequence[ValueProblem] = problem.errors


class Away(SluicegateError):
    """The service, or the Kafka or Redis behind it, did not answer in time."""
