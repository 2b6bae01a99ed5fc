"""Keeps frozen copies of the versions that gates still need.

The newest version equals the learner's tables at the moment of the cut. A version that is needed longer is copied:
mostly by applying later changes to tables that no gate needs any more, seldom as a whole.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

from models.gate import Version
from models.recommender import AskedAt, FrozenModel, Scratch
from models.state import Changes, State

DELTAS: Final = 64
"""Cuts whose changes are kept. Tables that are further behind are replaced by a whole copy. With more of them memory
would grow, and applying them would take as long as a copy."""


class KeptVersion(FrozenModel):
    """Tables of one version. Answers are cached, because several gates ask the same questions."""

    def __init__(self, version: Version, state: State) -> None:
        super().__init__(version.id, state)
        self.record = version
        self._answers: dict[tuple[object, ...], int] = {}

    def rank(self, moment: AskedAt, learned: State, scratch: Scratch, by: int = -1) -> int:
        """Rank as `FrozenModel.rank` does, once for each moment."""
        past = (moment.items.tobytes(), moment.times.tobytes(), moment.kinds.tobytes())
        key = (*past, moment.now, moment.item, moment.query, by)
        if key not in self._answers:
            self._answers[key] = super().rank(moment, learned, scratch, by)
        return self._answers[key]

    def forget(self) -> None:
        """Clear the cached answers: the next batch has other moments."""
        self._answers.clear()


class Versions:
    """Cuts versions of a state that a learner keeps changing, and holds those that are asked for."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._deltas: deque[tuple[int, Changes]] = deque(maxlen=DELTAS)
        self._held: dict[str, KeptVersion] = {}
        self.newest = Version("", 0)
        state.cut()

    def cut(self, now: float, consumed: int) -> Version:
        """Cut a version at `now` (epoch seconds); `consumed`: records learned so far."""
        seq = self.newest.seq + 1
        self._deltas.append((seq, _served(self._state, self._state.cut())))
        self.newest = Version(str(seq), seq, now, consumed)
        return self.newest

    def hold(self, needed: Iterable[str]) -> dict[str, KeptVersion]:
        """Return the versions with these ids, each held already or the newest. All others are dropped.

        >>> from models.recommender.recommender import new_state
        >>> versions = Versions(new_state())
        >>> versions.cut(0.0, 1).id, list(versions.hold(["1"]))
        ('1', ['1'])
        >>> versions.cut(1.0, 2).id, list(versions.hold(["1", "2"]))
        ('2', ['1', '2'])
        """
        wanted = set(needed)
        spare = [held for version, held in self._held.items() if version not in wanted]
        self._held = {version: held for version, held in self._held.items() if version in wanted}
        if self.newest.id in wanted and self.newest.id not in self._held:
            state = next((one.state for one in reversed(spare) if self._forward(one)), None)
            self._held[self.newest.id] = KeptVersion(self.newest, state if state is not None else self._copy())
        return dict(self._held)

    def forget(self) -> None:
        """Clear all cached answers at the end of a batch."""
        for held in self._held.values():
            held.forget()

    def _forward(self, spare: KeptVersion) -> bool:
        """Bring unneeded tables to the newest version; False if the changes since then are no longer kept."""
        if not self._deltas or self._deltas[0][0] > spare.record.seq + 1:
            return False
        for seq, changes in self._deltas:
            if seq > spare.record.seq:
                spare.state.apply(changes)
        return True

    def _copy(self) -> State:
        ceilings = {name: keys.space.ceiling for name, keys in self._state.keys.items()}
        state = State(self._state.schema, ceilings, served_only=True)
        state.apply(_served(self._state, self._state.full()))
        return state


def _served(state: State, changes: Changes) -> Changes:
    """Drop the learner's own tables, which no service loads."""
    tables = {name: part for name, part in changes.tables.items() if state.schema.tables[name].served}
    return changes._replace(tables=tables)


__all__ = ["KeptVersion", "Versions"]
