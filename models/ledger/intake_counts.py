"""Counts the events of one term by type and outcome, and what was refused or left out. Stage 5."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from models.records import KINDS
from models.structs import Prepared


class IntakeCounts(msgspec.Struct, metaclass=Prepared):
    """What became of the records that a learner has read since it began its term.

    The counts of `Progress` go back to the beginning of the model; these have the types and the reasons as well.

    Attributes:
        since: when the term began, epoch seconds.
        types: event type -> outcome -> events. Records that are no event have no type.
        refused: reason -> records refused as unusable.
        left_out: optional field -> values that could not be used.

    >>> counts = IntakeCounts(17.0)
    >>> counts.add([0, 0, 3], {(0, "late"): 1}, {"not_json": 2}, {"price": 1})
    >>> counts.types["click"], counts.types["purchase"], counts.refused, counts.left_out
    ({'learnt': 2, 'late': 1}, {'learnt': 1}, {'not_json': 2}, {'price': 1})
    """

    since: float = 0.0
    types: dict[str, dict[str, int]] = {}
    refused: dict[str, int] = {}
    left_out: dict[str, int] = {}

    def add(
        self,
        learned: Iterable[int],
        turned_away: Mapping[tuple[int, str], int],
        refused: Mapping[str, int],
        left_out: Mapping[str, int],
    ) -> None:
        """Adds one batch.

        Args:
            learned: codes of the types of its events.
            turned_away: (code of the type, outcome) -> events that are not learned.
            refused: reason -> records.
            left_out: field -> values.
        """
        for kind, count in Counter(learned).items():
            self._count(kind, "learnt", count)
        for (kind, outcome), count in turned_away.items():
            self._count(kind, outcome, count)
        for found, more in ((self.refused, refused), (self.left_out, left_out)):
            for name, count in more.items():
                found[name] = found.get(name, 0) + count

    def _count(self, kind: int, outcome: str, count: int) -> None:
        outcomes = self.types.setdefault(KINDS[kind], {})
        outcomes[outcome] = outcomes.get(outcome, 0) + count


__all__ = ["IntakeCounts"]
