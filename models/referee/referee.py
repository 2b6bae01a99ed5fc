"""Compares the learning model with the served version, the reference and the single sources. Stage 3.

Called right after each compiled call. Frozen versions may be asked later than a request would have asked them: they do
not change, and the history is that of the moment.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

import msgspec
import numpy as np

from models import dimensions as dim
from models.arrays import Array
from models.ledger import user_hash
from models.recommender import (
    CONTENDERS,
    AskedAt,
    EventBatch,
    FrozenModel,
    Overwritten,
    Tested,
    best_source,
    hits,
    new_scratch,
    recall,
)
from models.referee.asked_ranks import Answer
from models.referee.busiest import Busiest
from models.referee.drift import SAMPLE, Alarms
from models.referee.hit_level import HitLevel
from models.referee.memory import Memory, Past
from models.referee.recent_counts import count
from models.state import State
from models.statistics import (
    LENGTH,
    SHORTEST,
    Anchored,
    Clusters,
    Comparison,
    Exposed,
    PastQuestion,
    Standing,
    Window,
)

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

ENOUGH: Final = 200
"""Compared events of a new reference after which the one before it is no longer asked: twice what an alarm asks for."""

PLENTY: Final = SAVED / 4
"""Seconds of unused budget from which on the anchor is asked about each compared event."""

SELDOM: Final = 4
"""Below that it is asked about each so many: a slow loss has time, and a sudden one shows against the reference."""


class Awaited(NamedTuple):
    """Ids of the versions that are named and not at hand yet; "" for none. Their sums wait for them."""

    reference: str = ""
    champion: str = ""


NOBODY: Final = Awaited()


class Referee:
    """Keeps the sums of all comparisons. For one thread, the learner's.

    Args:
        seconds: A monotonic clock.
        share: Largest share of the learning time that asking frozen models may take.
        tell: Called with what they answered about an event, in place of adding it to the sums.
    """

    def __init__(
        self, seconds: Callable[[], float], share: float = SHARE, tell: Callable[[Answer], None] | None = None
    ) -> None:
        self._seconds, self._share, self._tell = seconds, share, tell or self._add
        self.alarms = Alarms()
        self.level = HitLevel()
        self._asked: deque[PastQuestion] = deque(maxlen=ASKED)
        self._scratch = new_scratch()
        self._reference: FrozenModel | None = None
        self._champion: FrozenModel | None = None
        self._former: FrozenModel | None = None
        self._comparisons: dict[str, Comparison | None] = dict.fromkeys((
            "reference",
            "champion",
            "probation",
            "former",
        ))
        self._anchor: FrozenModel | None = None
        self._anchored: dict[str, Anchored] = {}
        self._alike: dict[str, Clusters] = {}
        self._stood, self._left = "", True
        self._paused = "no version is served yet"
        self.began = ""
        self._learned, self._younger = Comparison(""), Comparison("")
        self._best = dim.MIDDLE
        self._purse, self._price, self._filled_at = 0.0, 0.0005, seconds()
        self.compared = self.passed_over = self._asked_about = 0
        self.spent = 0.0
        self._records: deque[tuple[int, int, int]] = deque()
        self._tests: deque[tuple[int, int]] = deque()
        self._users = Busiest()

    def memory(self) -> Memory:
        """Return what the next term must know beyond the standing. Store it before the next event."""
        return Memory(
            younger=self._younger,
            best=CONTENDERS[self._best],
            stood=self._stood,
            level=self.level.memory(),
            alarms=self.alarms.memory(),
            records=list(self._records),
            tests=list(self._tests),
            users=self._users,
            purse=self._purse,
            price=self._price,
            clusters={name: clusters for name, clusters in self._clusters() if clusters is not None},
            left=self._left,
        )

    def _clusters(self) -> Iterator[tuple[str, Clusters | None]]:
        """Yield what says how alike events are, by the name of the comparison; of an anchor, by its version."""
        yield from ((name, one.clusters) for name, one in self._named().items())
        yield from self._alike.items()

    def _named(self) -> dict[str, Comparison]:
        """Return all comparisons that a standing carries, by name."""
        known = {name: one for name, one in self._comparisons.items() if one is not None}
        return {**known, "learnt": self._learned}

    def take_up(self, past: Past, *, same_model: bool = True) -> None:
        """Go on where another term stopped; for a referee that has watched nothing yet.

        Args:
            past: The evidence of the version that the model was loaded from.
            same_model: Whether the model is the one that the evidence is about. What it says of the stream and of two
                frozen versions holds for any model; the rest is left out for another one.
        """
        standing, memory = past
        self.level.take_up(memory.level)
        self.alarms.take_up(memory.alarms)
        self._records.extend(memory.records)
        self._stood, self._left = memory.stood, memory.left
        self._comparisons["probation"] = standing.probation
        probation = memory.clusters.get("probation")
        if standing.probation is not None:
            standing.probation.clusters = probation
        self._purse, self._price = min(SAVED, memory.purse), min(memory.price, DEAREST)
        if not same_model:
            if probation is not None:
                probation.close()
            return
        # Users and items are told apart by their rows, which are the model's.
        self._tests.extend(memory.tests)
        self._users = memory.users
        self._comparisons |= {
            "reference": standing.reference,
            "champion": standing.champion,
            "former": standing.former,
        }
        self._anchored = {found.against: found for found in standing.anchors}
        self._alike = {version: memory.clusters[version] for version in self._anchored if version in memory.clusters}
        self._learned, self._younger = standing.learnt or Comparison(""), memory.younger
        for name, comparison in self._named().items():
            comparison.clusters = memory.clusters.get(name)
        self._best = CONTENDERS.index(memory.best) if memory.best in CONTENDERS else dim.MIDDLE

    def renew(self) -> None:
        """Start every sum again: from now on another model learns."""
        self._comparisons = dict.fromkeys(self._comparisons)
        self._anchored, self._alike = {}, {}
        self._learned, self._younger = Comparison(""), Comparison("")

    def compare_with(
        self,
        reference: FrozenModel | None,
        champion: FrozenModel | None,
        paused: str = "",
        awaited: Awaited | None = NOBODY,
        former: FrozenModel | None = None,
        anchor: FrozenModel | None = None,
        anchors: Sequence[str] = (),
    ) -> None:
        """Choose the frozen models to compare with from now on.

        The sums of a pair continue as long as both models stay; a rollback starts all sums again. When another version
        becomes the reference, the comparison with the one before it goes on until the new one is compared as well. The
        sums of an anchor continue while it is named, also when it is another one's turn.

        Args:
            reference: The version that a rollback would serve; None for none.
            champion: The served version; None for none.
            paused: Why nothing is compared, if so.
            awaited: Versions that are named and not at hand yet; None while nobody knows which are named.
            former: The reference before this one; None when it is not at hand.
            anchor: The anchor whose turn it is; None for none.
            anchors: Ids of all anchors, the youngest first.
        """
        self._reference, self._champion, self._former, self._paused = reference, champion, former, paused
        self._anchor = anchor
        if awaited is None:
            return
        back = reference.version if reference is not None else awaited.reference
        # A champion that is not at hand counts when it stood before, in an earlier term.
        served = champion.version if champion is not None else awaited.champion
        if champion is None and served != self._stood:
            served = ""
        if served and served == back and served != self._stood and self._left:
            self._comparisons, self._anchored = dict.fromkeys(self._comparisons), {}
            self._alike = {}
        self._stood = served
        self._anchored = {version: self._anchored.get(version) or Anchored(version) for version in anchors}
        self._alike = {version: found for version, found in self._alike.items() if version in self._anchored}
        self._succeed(back)
        named = champion.version if champion is not None else awaited.champion
        # A reference that is served from its promotion on was not returned to.
        self._left = self._left or named not in ("", back)
        self._pair("reference", "", back)
        self._pair("champion", "", served)
        self._pair("probation", served, back if served and served != back else "")

    def _succeed(self, back: str) -> None:
        """Keep the comparison with a reference that another version takes the place of, and drop it when it has."""
        known = self._comparisons["reference"]
        if not back or (known is not None and known.against == back and known.n >= ENOUGH):
            self._comparisons["former"] = None
        if not back or known is None or known.against == back:
            return
        self._left, self._comparisons["former"] = False, known

    def _pair(self, name: str, of: str, against: str) -> None:
        known = self._comparisons[name]
        if not against:
            self._comparisons[name] = None
        elif known is None or (known.of, known.against) != (of, against):
            self._comparisons[name] = Comparison(against, of)

    def watch(self, state: State, batch: EventBatch, tested: Tested, found: Overwritten) -> None:
        """Compare models on the tested events of a batch that was just learned, within the time budget.

        The lines of an order are one question: only the first of several events of one user and one second is compared.

        Args:
            state: The learner's state, which has learned the batch.
            batch: The batch.
            tested: Its tested events.
            found: What it overwrote in the histories of its users.
        """
        asked = self.note(state, batch, tested, found.before[tested.places])
        if not self.level.fallen:
            self.ask(state, batch, tested, found, asked)

    def ask(self, state: State, batch: EventBatch, tested: Tested, found: Overwritten, asked: Array) -> None:
        """The part of `watch` that asks frozen models. asked: what `note` returns."""
        places = np.flatnonzero(asked)
        self._remember(state, batch, found, tested.places[places])
        if all(one is None for one in (self._reference, self._champion, self._former, self._anchor)):
            return
        chosen = self._affordable(places)
        self.passed_over += len(places) - len(chosen)
        started, users = self._seconds(), batch.user[tested.places]
        for at in chosen.tolist():
            moment = recall(state, batch, found, int(tested.places[at]))
            self._tell(Answer(int(tested.ranks[at, dim.SERVED]), int(users[at]), self._ranked(state, moment)))
        self._pay(self._seconds() - started, len(chosen))

    def note(self, state: State, batch: EventBatch, tested: Tested, before: Array) -> Array:
        """Take what needs no frozen model: the window, the drift alarms, and the comparison with the single sources.

        Args:
            state: As for `watch`.
            batch: Only its users, items, kinds and times are read.
            tested: Its tested events.
            before: Of each tested event, the second of the event before it of the same user; -1 for none.

        Returns:
            Which of the tested events versions may be compared on.
        """
        unknown = int((tested.known < 0).sum())
        count(self._tests, (len(tested.known), unknown), TESTS)
        self._users.seen(batch.user.tolist())
        known = tested.known >= 0
        hit, users = hits(tested.ranks[:, dim.SERVED]), batch.user[tested.places]
        old = known & self._old(state, batch.item[tested.places])
        seconds = batch.time[tested.places].astype(np.int64)
        self.level.tested(hit[old].tolist(), users[old].tolist(), seconds[old].tolist(), before[old].tolist())
        asked: Array = known & (before != seconds)
        self._against_sources(state, tested.where(asked), users[asked])
        self._listen(self.alarms, batch, tested, old)
        return asked

    def _old(self, state: State, items: Array) -> Array:
        """Whether the reference knows items, given by their rows; all are old while it is not at hand.

        A new catalogue is found seldom until it is learned, by no fault of labels or model. So what is usual is said of
        items that are older than the reference.
        """
        reference = self._reference or self._former
        if reference is None:
            return np.ones(len(items), bool)
        ids, rows = state.keys["item"].ids, reference.state.keys["item"].rows
        return np.array([row >= 0 and (ids[row] or "") in rows for row in items.tolist()], bool)

    def _remember(self, state: State, batch: EventBatch, found: Overwritten, places: Array) -> None:
        """Keep one of a batch's tested events as a question, chosen independently of its result."""
        if not len(places):
            return
        place = int(places[len(places) // 2])
        moment = recall(state, batch, found, place)
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

    def erase(self, users: Collection[int]) -> None:
        """Forget the questions of users, given by the hashes of their ids."""
        left = [question for question in self._asked if question.user not in users]
        self._asked.clear()
        self._asked.extend(left)

    @staticmethod
    def _listen(alarms: Alarms, batch: EventBatch, tested: Tested, old: Array) -> None:
        found, users = hits(tested.ranks[:, dim.SERVED]), batch.user[tested.places]
        alarms.tested(found.tolist(), (tested.known < 0).tolist(), users.tolist(), old.tolist())
        count, passed = len(batch.kind), float(batch.record_time[-1] - batch.record_time[0])
        sample = batch.kind[:: max(1, count // SAMPLE)]
        # The time between a few events does not give a rate.
        alarms.consumed((sample == dim.CLICK).tolist(), count / passed if count > SAMPLE and passed > 0 else 0.0)

    @contextmanager
    def earning(self) -> Iterator[None]:
        """While a batch is learned: the time that takes, comparisons excepted, is the budget of those to come."""
        started, spent = self._seconds(), self.spent
        yield
        self.add_budget(self._seconds() - started - (self.spent - spent))

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

    def _ranked(self, state: State, moment: AskedAt) -> dict[str, int]:
        """Ranks of a moment's item in the frozen models, by version."""
        ranks: dict[str, int] = {}
        former = self._former if self._comparisons["former"] is not None else None
        anchor = self._anchor if self._purse > PLENTY or not self._asked_about % SELDOM else None
        self._asked_about += 1
        for one in (self._reference, self._champion, former, anchor):
            if one is not None and one.version not in ranks:
                ranks[one.version] = one.rank(moment, state, self._scratch)
        return ranks

    def hear(self, answers: Sequence[Answer], questions: Sequence[PastQuestion]) -> None:
        """Take what other learners asked about events that they tested, and their sample of those as questions."""
        if self.level.fallen:
            return
        self._asked.extend(questions)
        self.compared += len(answers)
        for answer in answers:
            self._add(answer)

    def _add(self, answer: Answer) -> None:
        rank, user, ranks = answer.rank, answer.user, answer.ranks
        for comparison in self._comparisons.values():
            if comparison is None or comparison.against not in ranks:
                continue
            if not comparison.of or comparison.of in ranks:
                comparison.add(ranks.get(comparison.of, rank), ranks[comparison.against], user)
        for version, found in self._anchored.items():
            # An anchor that is the reference or the champion as well costs nothing.
            if version in ranks:
                self._alike.setdefault(version, Clusters()).add(user, *found.add(rank, ranks[version]))

    def _against_sources(self, state: State, tested: Tested, users: Array) -> None:
        # The best source before these events: the choice must not depend on their outcome.
        best = self._best
        for user, ranks in zip(users.tolist(), tested.ranks.tolist(), strict=True):
            for comparison in (self._learned, self._younger):
                comparison.add(ranks[dim.RANKER], ranks[best], user)
        self._learned.against = self._younger.against = CONTENDERS[best]
        if self._learned.n >= RENEWED:
            self._learned, self._younger = self._younger, Comparison(CONTENDERS[best])
        elif self._learned.n < RENEWED // 2:
            self._younger = Comparison(CONTENDERS[best])
        self._best = best_source(state.served.race)

    def count_records(self, records: int, bad: int, duplicate: int) -> None:
        """Count the records of a batch, and how many of them were unusable or duplicates."""
        count(self._records, (records, bad, duplicate), RECORDS)

    def standing(self, lag: float, applied: int, exposed: Exposed | None = None) -> Standing:
        """Summarise all comparisons, as a version carries them.

        Args:
            lag: Seconds behind the stream.
            applied: Events learned.
            exposed: How concentrated exposure is, if it was measured.
        """
        return Standing(
            **{name: one.weighed() if one is not None else None for name, one in self._comparisons.items()},
            learnt=self._learned.weighed(),
            paused=self._paused,
            window=self._window(),
            lag=round(lag, 3),
            alarms=self.alarms.raised(),
            applied=applied,
            exposed=exposed or Exposed(),
            began=self.began,
            anchors=tuple(self._weighed(found) for found in self._anchored.values() if found.n),
        )

    def _weighed(self, found: Anchored) -> Anchored:
        """A copy for the gate, with how alike the events of a user are as it is now."""
        alike = self._alike.get(found.against)
        return found if alike is None else msgspec.structs.replace(found, design=alike.design())

    def _window(self) -> Window:
        records, bad, duplicate = (sum(column) for column in zip((0, 0, 0), *self._records, strict=True))
        tests, unknown = (sum(column) for column in zip((0, 0), *self._tests, strict=True))
        return Window(
            records,
            round(bad / max(records, 1), 4),
            round(duplicate / max(records, 1), 4),
            round(unknown / max(tests, 1), 4),
            round(self._users.share, 4),
            self._users.users,
            round(self.level.recent, 4),
            round(self.level.usual, 4),
            self.level.fallen,
            self.level.doubted,
            round(self.level.lately, 4),
            self.level.sound,
            self.level.further,
            self.level.further_hits,
        )


__all__ = ["NOBODY", "Awaited", "Referee"]
