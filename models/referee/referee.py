"""Compares the learning model with the served version, the reference and the single sources. Stage 3.

Called right after each compiled call. Frozen versions may be asked later than a request would have asked them: they do
not change, and the history is that of the moment.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import numpy as np

from models import dimensions as dim
from models.arrays import Array
from models.ledger import user_hash
from models.recommender import CONTENDERS, EventBatch, FrozenModel, Tested, best_source, hits, new_scratch, recall
from models.referee.drift import SAMPLE, Alarms
from models.referee.hit_level import HitLevel
from models.state import State
from models.statistics import LENGTH, SHORTEST, Comparison, Exposed, PastQuestion, Standing, Window

SHARE: Final = 0.2
"""Largest share of the learning time that may be spent on asking frozen models. Bookkeeping takes the rest of a
quarter. The default of learner.evidence_share."""

IDLE: Final = 0.25
"""Fraction of the evidence share granted per second of wall time while the learner is idle: it has time, and few events
to compare on."""

SAVED: Final = 2.0
"""Most seconds of unused budget that may be spent later."""

DEBT: Final = 0.2
"""Most seconds by which the budget may be overdrawn."""

RECORDS: Final = 10_000
"""Records in the window over which shares are counted, about."""

DEAREST: Final = 0.005
"""Most seconds that one event is assumed to cost: a single slow call must not end the evidence."""

TESTS: Final = 2_000
"""Tested events over which the share of unknown items is counted, about."""

RENEWED: Final = 20_000
"""Tested events after which the comparison with the best source starts again, keeping its second half."""

ASKED: Final = 4
"""Most recent tested events that a version carries for the services' reservoirs: some 3 KB."""

Part = TypeVar("Part")


class Referee:
    """Keeps the sums of all comparisons. For one thread, the learner's.

    Args:
        seconds: A monotonic clock.
        share: Largest share of the learning time that asking frozen models may take.
    """

    def __init__(self, seconds: Callable[[], float], share: float = SHARE) -> None:
        self._seconds, self._share = seconds, share
        self.alarms: Alarms | None = None
        self.level = HitLevel()
        self._asked: deque[PastQuestion] = deque(maxlen=ASKED)
        self._scratch = new_scratch()
        self._reference: FrozenModel | None = None
        self._champion: FrozenModel | None = None
        self._comparisons: dict[str, Comparison | None] = dict.fromkeys(("reference", "champion", "probation"))
        self._paused = "no version is served yet"
        self._learned, self._younger = Comparison(""), Comparison("")
        self._best = dim.MIDDLE
        self._purse, self._price, self._filled_at = 0.0, 0.0005, seconds()
        self.compared = self.passed_over = 0
        self.spent = 0.0
        self._records: deque[tuple[int, int, int]] = deque()
        self._tests: deque[tuple[int, int]] = deque()
        self._users: deque[Array] = deque()

    def renew(self) -> None:
        """Start every sum again: from now on another model learns."""
        self._comparisons = dict.fromkeys(self._comparisons)
        self._learned, self._younger = Comparison(""), Comparison("")

    def compare_with(self, reference: FrozenModel | None, champion: FrozenModel | None, paused: str = "") -> None:
        """Choose the frozen models to compare with from now on.

        The sums of a pair continue as long as both models stay; a roll-back starts all sums again.

        Args:
            reference: The version that a roll-back would serve; None for none.
            champion: The served version; None for none.
            paused: Why nothing is compared, if so.
        """
        went_back = (
            champion is not None
            and reference is not None
            and champion.version == reference.version
            and (self._champion is None or self._champion.version != champion.version)
        )
        if went_back:
            self._comparisons = dict.fromkeys(self._comparisons)
        self._reference, self._champion, self._paused = reference, champion, paused
        self._pair("reference", "", reference)
        self._pair("champion", "", champion)
        self._pair("probation", champion.version if champion is not None else "", reference)
        if champion is None or champion is reference:
            self._comparisons["probation"] = None

    def _pair(self, name: str, of: str, against: FrozenModel | None) -> None:
        known = self._comparisons[name]
        if against is None:
            self._comparisons[name] = None
        elif known is None or (known.of, known.against) != (of, against.version):
            self._comparisons[name] = Comparison(against.version, of)

    def watch(self, state: State, batch: EventBatch, tested: Tested) -> None:
        """Compare models on the tested events of a batch that was just learned, within the time budget."""
        self._tests.append((len(tested.known), int((tested.known < 0).sum())))
        _trim(self._tests, TESTS, _first)
        self._users.append(batch.user)
        _trim(self._users, RECORDS, len)
        known = tested.known >= 0
        found, users = hits(tested.ranks[:, dim.SERVED]), batch.user[tested.places]
        self.level.tested(found[known].tolist(), users[known].tolist())
        self._against_sources(state, tested)
        if self.alarms is not None:
            self._listen(self.alarms, batch, tested)
        if self.level.fallen:
            return
        places = np.flatnonzero(known)
        self._remember(state, batch, tested.places[places])
        if self._reference is None and self._champion is None:
            return
        chosen = self._affordable(places)
        self.passed_over += len(places) - len(chosen)
        started = self._seconds()
        for at in chosen.tolist():
            self._against_versions(state, batch, int(tested.places[at]), int(tested.ranks[at, dim.SERVED]))
        self._pay(self._seconds() - started, len(chosen))

    def _remember(self, state: State, batch: EventBatch, places: Array) -> None:
        """Keep one of a batch's tested events as a question, chosen independently of its result."""
        if not len(places):
            return
        place = int(places[len(places) // 2])
        moment = recall(state, batch.user, batch.item, batch.kind, batch.time, place)
        ids, user = state.keys["item"].ids, state.keys["user"].ids[int(batch.user[place])]
        known = [at for at, row in enumerate(moment.items[:LENGTH].tolist()) if row >= 0 and ids[row] is not None]
        wanted = ids[moment.item]
        if len(known) < SHORTEST or wanted is None or user is None:
            return
        items = [ids[row] or "" for row in moment.items[known].tolist()]
        times, kinds = moment.times[known].astype(float).tolist(), moment.kinds[known].tolist()
        self._asked.append(PastQuestion(items, times, kinds, float(moment.now), wanted, user_hash(user)))

    def asked(self) -> list[PastQuestion]:
        """Return a sample of the tested events since the last call."""
        found = list(self._asked)
        self._asked.clear()
        return found

    @staticmethod
    def _listen(alarms: Alarms, batch: EventBatch, tested: Tested) -> None:
        found, users = hits(tested.ranks[:, dim.SERVED]), batch.user[tested.places]
        alarms.tested(found.tolist(), (tested.known < 0).tolist(), users.tolist())
        count, passed = len(batch.kind), float(batch.record_time[-1] - batch.record_time[0])
        sample = batch.kind[:: max(1, count // SAMPLE)]
        # The time between a few events does not give a rate.
        alarms.consumed((sample == dim.CLICK).tolist(), count / passed if count > SAMPLE and passed > 0 else 0.0)

    def add_budget(self, learning: float) -> None:
        """Grant a share of the seconds that learning a batch took, without the comparisons, to the next batch."""
        now = self._seconds()
        earned = self._share * max(learning, IDLE * (now - self._filled_at))
        self._filled_at, self._purse = now, min(SAVED, self._purse + earned)

    def _affordable(self, places: Array) -> Array:
        count = min(len(places), int(self._purse / self._price))
        return places[np.arange(count) * len(places) // count] if count else places[:0]

    def _pay(self, seconds: float, count: int) -> None:
        self.spent += seconds
        # One slow call, on a machine that was busy elsewhere, must not end the evidence for a minute.
        self._purse = max(-DEBT, self._purse - seconds)
        if count:
            self.compared += count
            self._price += 0.05 * (min(max(seconds / count, 1e-5), DEAREST) - self._price)

    def _against_versions(self, state: State, batch: EventBatch, place: int, rank: int) -> None:
        moment = recall(state, batch.user, batch.item, batch.kind, batch.time, place)
        moment = moment._replace(query=int(batch.query[place]))
        ranks: dict[str, int] = {}
        for one in (self._reference, self._champion):
            if one is not None and one.version not in ranks:
                ranks[one.version] = one.rank(moment, state, self._scratch)
        for comparison in self._comparisons.values():
            if comparison is not None:
                comparison.add(ranks.get(comparison.of, rank), ranks[comparison.against])

    def _against_sources(self, state: State, tested: Tested) -> None:
        # The best source before these events: the choice must not depend on their outcome.
        best = self._best
        for known, ranks in zip(tested.known.tolist(), tested.ranks.tolist(), strict=True):
            if known >= 0:
                for comparison in (self._learned, self._younger):
                    comparison.add(ranks[dim.RANKER], ranks[best])
        self._learned.against = self._younger.against = CONTENDERS[best]
        if self._learned.n >= RENEWED:
            self._learned, self._younger = self._younger, Comparison(CONTENDERS[best])
        elif self._learned.n < RENEWED // 2:
            self._younger = Comparison(CONTENDERS[best])
        self._best = best_source(state.served.race)

    def count_records(self, records: int, bad: int, duplicate: int) -> None:
        """Count the records of a batch, and how many of them were unusable or duplicates."""
        self._records.append((records, bad, duplicate))
        _trim(self._records, RECORDS, _first)

    def standing(self, lag: float, applied: int, exposed: Exposed | None = None) -> Standing:
        """Summarise all comparisons, as a version carries them.

        Args:
            lag: Seconds behind the stream.
            applied: Events learned.
            exposed: How concentrated exposure is, if it was measured.
        """
        return Standing(
            **self._comparisons,
            learnt=self._learned,
            paused=self._paused,
            window=self._window(),
            lag=round(lag, 3),
            alarms=self.alarms.raised() if self.alarms is not None else (),
            applied=applied,
            exposed=exposed or Exposed(),
        )

    def _window(self) -> Window:
        records, bad, duplicate = (sum(column) for column in zip((0, 0, 0), *self._records, strict=True))
        users = np.concatenate([*self._users, np.zeros(0, np.int32)])
        counts = np.unique(users, return_counts=True)[1]
        busiest = int(counts.max()) if len(counts) else 0
        tests, unknown = (sum(column) for column in zip((0, 0), *self._tests, strict=True))
        return Window(
            records,
            round(bad / max(records, 1), 4),
            round(duplicate / max(records, 1), 4),
            round(unknown / max(tests, 1), 4),
            round(busiest / max(len(users), 1), 4),
            len(counts),
            round(self.level.recent, 4),
            round(self.level.usual, 4),
            self.level.fallen,
            self.level.doubted,
        )


def _first(part: Sequence[int]) -> int:
    return part[0]


def _trim(parts: deque[Part], enough: int, size: Callable[[Part], int]) -> None:
    """Drop the oldest parts while the rest still adds up to `enough`."""
    total = sum(map(size, parts))
    while len(parts) > 1 and total - size(parts[0]) >= enough:
        total -= size(parts.popleft())


__all__ = ["Referee"]
