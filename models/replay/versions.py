"""In: one learner's tables, and which of its versions are needed. Out: those versions, as tables that stand still.

The newest version is what the learner holds at the moment of the cut, so only what outlives it is copied: mostly by
applying what changed since to tables that nobody needs any more, seldom as a whole.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

from models.gate import Version
from models.recommender import AskedAt, FrozenModel, Scratch
from models.state import Changes, State

DELTAS: Final = 64
"""Cuts whose changes are kept: tables that are further behind are copied as a whole instead. With more of them memory
grows, and applying them takes as long as a copy."""


class Held(FrozenModel):
    """Tables of one version. What it answered is remembered: several gates ask it the same."""

    def __init__(self, version: Version, state: State) -> None:
        super().__init__(version.id, state)
        self.record = version
        self._answers: dict[tuple[object, ...], int] = {}

    def rank(self, moment: AskedAt, learned: State, scratch: Scratch, by: int = -1) -> int:
        """As `FrozenModel.rank`, asked of the tables once for each moment."""
        past = (moment.items.tobytes(), moment.times.tobytes(), moment.kinds.tobytes())
        key = (*past, moment.now, moment.item, moment.query, by)
        if key not in self._answers:
            self._answers[key] = super().rank(moment, learned, scratch, by)
        return self._answers[key]

    def forget(self) -> None:
        """The moments that come next are others."""
        self._answers.clear()


class Versions:
    """Cuts versions of `state`, which one learner goes on learning, and holds those that are asked for."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._deltas: deque[tuple[int, Changes]] = deque(maxlen=DELTAS)
        self._held: dict[str, Held] = {}
        self.newest = Version("", 0)
        state.cut()

    def cut(self, now: float, consumed: int) -> Version:
        """A version of what is learnt up to now (epoch seconds); `consumed`: records in it."""
        seq = self.newest.seq + 1
        self._deltas.append((seq, _served(self._state, self._state.cut())))
        self.newest = Version(str(seq), seq, now, consumed)
        return self.newest

    def hold(self, needed: Iterable[str]) -> dict[str, Held]:
        """The versions of those ids: held already, or the newest one. What is not needed any more is let go.

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
            self._held[self.newest.id] = Held(self.newest, state if state is not None else self._copy())
        return dict(self._held)

    def forget(self) -> None:
        """A batch is over."""
        for held in self._held.values():
            held.forget()

    def _forward(self, spare: Held) -> bool:
        """Bring tables that nobody needs to the newest version; False when the changes since are not there any more."""
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
    """Without the learner's own tables, which nobody who serves has."""
    tables = {name: part for name, part in changes.tables.items() if state.schema.tables[name].served}
    return changes._replace(tables=tables)


__all__ = ["Held", "Versions"]
