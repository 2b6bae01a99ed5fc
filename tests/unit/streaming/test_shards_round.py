"""A round of several pieces: shards tell each other between them, and it ends with the shards that are left."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from models.ledger import Progress
from models.merging import Part as StatePart
from models.merging import Shard, from_arrays, merge, to_arrays
from models.merging.round_lengths import LEAST_ROUND
from models.recommender import Recommender
from models.records.events import Event
from models.snapshot import Manifest
from models.state import State, duplicate
from streaming.intake import KnownItems
from streaming.learning import Model
from streaming.settings import Settings
from streaming.shards.crew import ShardLost
from streaming.shards.crew_messages import Ask, Began, Report, Rows, Told, read, write
from streaming.shards.round import PIECES, Rounds

NOW = 1_700_000_000.0
EACH = 6
"""Events that a shard learns in each piece."""


class Crew:
    """Shards that learn when they are asked, in this thread. Those in `lost` answer nothing more."""

    def __init__(self, state: State, shards: int) -> None:
        self.shards = [Shard(duplicate(state), number, shards) for number in range(shards)]
        self._learners = [Recommender(shard.state, learners=shards) for shard in self.shards]
        self._answers: list[tuple[int, tuple[bytes, Rows]]] = []
        self._consumed = [0] * shards
        self.asked: list[tuple[int, str, bool]] = []
        self.sizes: list[int] = []
        self.lost: set[int] = set()

    def begin(self, shard: int, ask: bytes) -> int:  # noqa: ARG002 - as the protocol says
        return self._answer(shard, (write(Began(1)), {}))

    def round(self, shard: int, ask: bytes, rows: Sequence[Rows]) -> int:
        for each in rows:
            self.shards[shard].apply(from_arrays(each))
        self._consumed[shard] = 0
        return self._learn(shard, "round", read(ask, Ask))

    def go_on(self, shard: int, ask: bytes, rows: Rows) -> int:
        self.shards[shard].take_over(from_arrays(rows))
        return self._learn(shard, "go on", read(ask, Ask))

    def settle(self, shard: int, term: str) -> int:
        raise AssertionError(f"shard {shard} is settled: {term}")

    def _learn(self, shard: int, what: str, ask: Ask) -> int:
        self.asked.append((shard, what, ask.last))
        self.sizes.append(ask.events)
        start = self._consumed[shard]
        events = [Event(0, f"{shard} {at % 3}", f"i{at}", NOW + at, None) for at in range(start, start + EACH)]
        self._learners[shard].learn_events(events, [event.timestamp for event in events])
        self._consumed[shard] += EACH
        own = self.shards[shard]
        if not ask.last:
            return self._answer(shard, (write(Report(ask.number, excerpt=True)), to_arrays(own.excerpt().changes)))
        progress = Progress(consumed=self._consumed[shard])
        report = Report(ask.number, settled=True, progress=progress)
        return self._answer(shard, (write(report), to_arrays(own.take().changes)))

    def _answer(self, shard: int, answer: tuple[bytes, Rows]) -> int:
        self._answers.append((shard, answer))
        return len(self._answers) - 1

    def share(self, rows: Rows) -> Rows:
        return rows

    def wait(self, calls: Sequence[int], seconds: float) -> list[int]:  # noqa: ARG002 - all have ended
        return list(calls)

    def began(self, call: int) -> bytes:
        return self.report(call)[0]

    def report(self, call: int) -> tuple[bytes, Rows]:
        shard, answer = self._answers[call]
        if shard in self.lost:
            raise ShardLost("gone")
        return answer

    def restart(self, shard: int) -> None:
        self.lost.add(shard)


class Coordinator:
    """The rounds of two shards, and the merge after each."""

    def __init__(self, partial: int, events: int = 100, share: float = 1.0) -> None:
        self.model = Model.empty(Settings(), KnownItems())
        self.crew = Crew(self.model.state, 2)
        self.told: list[tuple[float, int, int]] = []
        self.rounds = Rounds(
            self.crew, self.model, 2, 0.01, events, 3.0, partial, share, "events", told=lambda *of: self.told.append(of)
        )
        self.model.state.forget_changes()
        self.rounds.start(Manifest("v1", 1, "base"))
        while self.rounds.learning < 2:
            self.rounds.learn(lambda: True)

    def round(self) -> list[int]:
        """Run a round; the shards that handed in a part."""
        self.crew.asked.clear()
        parts = self.rounds.learn(lambda: True)
        merge(
            self.model.state,
            [StatePart(part.shard, 2, from_arrays(part.rows)) for part in parts],
            self.rounds.excerpts,
        )
        self.rounds.merged(to_arrays(self.model.state.changed()), Told())
        self.model.state.forget_changes()
        return [part.shard for part in parts]


def test_a_round_has_as_many_pieces_as_the_one_before_had_events() -> None:
    shop = Coordinator(partial=2 * EACH // 3)
    for pieces in (1, 3, 9, PIECES):
        assert shop.round() == [0, 1]
        own = [(what, last) for shard, what, last in shop.crew.asked if shard == 1]
        assert own == [("go on" if at else "round", at == pieces - 1) for at in range(pieces)]
    assert len(shop.told) == 2 + 8 + PIECES - 1
    assert all(up > 0 and down > 0 for _, up, down in shop.told[1:])
    assert shop.model.recommender.counters()["applied"] == 2 * EACH * (1 + 3 + 9 + PIECES)


@pytest.mark.parametrize("partial", [0, 100 * EACH])
def test_a_round_without_partial_merges_is_one_call(partial: int) -> None:
    shop = Coordinator(partial)
    for _ in range(3):
        assert shop.round() == [0, 1]
        assert shop.crew.asked == [(0, "round", True), (1, "round", True)]
    assert shop.told == []


@pytest.mark.parametrize(("learned", "size"), [(0, LEAST_ROUND), (200_000, 2_000), (10_000_000, 16_000)])
def test_a_round_is_at_most_a_share_of_what_was_learned(learned: int, size: int) -> None:
    shop = Coordinator(2_000, 16_000, 0.01)
    shop.model.state.tables["clock"].columns["applied"][0] = learned
    shop.rounds.learn(lambda: True)
    assert shop.crew.sizes == [size // 2, size // 2]


def test_a_shard_that_is_lost_between_two_pieces_is_left_out_and_what_it_told_counts_for_nothing() -> None:
    shop = Coordinator(partial=4 * EACH // 4)
    shop.round()
    before = shop.model.state.tables["item_stats"].columns["events"].sum()
    lose = shop.crew.go_on

    def go_on(shard: int, ask: bytes, rows: Rows) -> int:
        if shard == 1:
            shop.crew.lost.add(1)
        return lose(shard, ask, rows)

    shop.crew.go_on = go_on  # type: ignore[method-assign]
    assert shop.round() == [0]
    assert shop.rounds.learning == 1
    learned = shop.model.state.tables["item_stats"].columns["events"].sum() - before
    assert learned == EACH * sum(shard == 0 for shard, _, _ in shop.crew.asked)
