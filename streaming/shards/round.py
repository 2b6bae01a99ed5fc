"""One round of all shards: asks each that is ready, waits, and tells who handed in a part and who was lost."""

from __future__ import annotations

import logging
import secrets
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

from models.ledger import Progress
from models.merging import Excerpts, RoundLengths, from_arrays, round_lengths, to_arrays
from models.merging import Part as StatePart
from models.snapshot import Manifest
from streaming.learning import Model
from streaming.shards.crew import Crew, ShardLost
from streaming.shards.crew_messages import Ask, Began, Begin, Report, Rows, Told, bytes_of, packed, read, write
from streaming.shards.ownership import owner

log = logging.getLogger(__name__)

LOOK: Final = 0.05
"""Seconds between looks at the lease and the clock while shards learn."""

AGAIN: Final = 1.0
"""Seconds until a shard that could not begin is asked again."""

LOADING: Final = 120.0
"""Seconds in which a shard must have begun: it loads kernels and the version. After that it is started again."""

PIECES: Final = 16
"""Pieces of a round, at most: each is a call to every shard, in which all wait for the slowest."""

Missing = Literal["lost", "silent", "refused"]
"""Why a shard is missing from a merge; metric labels are made from it."""


class Merge(NamedTuple):
    """What the shards must take over from one merge."""

    number: int
    rows: Any
    told: Told


class Part(NamedTuple):
    """What one shard handed in."""

    shard: int
    report: Report
    rows: Rows


@dataclass(slots=True)
class _Seat:
    """One shard: what it was asked last, and which merge its tables hold.

    Attributes:
        call: What it is busy with, None when it is not.
        doing: What that is, or `away` before the first call; `told` after an excerpt, until the next piece.
        since: When it was asked, monotonic seconds.
        merged: Number of the last merge that its tables hold.
        not_before: When it may be asked to begin, monotonic seconds.
        missing_since: When it was found to be missing, None while it is there.
    """

    call: Any = None
    doing: Literal["away", "begin", "ready", "round", "told", "settle"] = "away"
    since: float = 0.0
    merged: int = 0
    not_before: float = 0.0
    missing_since: float | None = None


@dataclass(slots=True)
class Rounds:
    """Keeps all shards in step. For the coordinator's thread.

    Attributes:
        crew: Carries the calls.
        model: The coordinator's; a shard that begins is told what it has and the version lacks.
        shards: How many there are.
        interval: Seconds of one round, at most.
        events: Events of all shards together in one round, at most.
        patience: Seconds beyond a round after which a silent shard is started again.
        partial: Events of all shards after which they tell each other of some columns within a round, at most; 0 for
            never.
        share: Of the events that the model has learned, which a round has at most.
        topic: Name of topic `events`.
        missing: Called with each shard that was found to be missing, and why.
        recovered: Called with each shard that began again, and after how many seconds.
        told: Called after each partial merge, with its seconds, and the bytes of the excerpts and of what each gets.
        excerpts: What the shards told each other in the last round; None where it had one piece.
    """

    crew: Crew
    model: Model
    shards: int
    interval: float
    events: int
    patience: float
    partial: int
    share: float
    topic: str
    missing: Callable[[int, Missing], None] = lambda _shard, _why: None
    recovered: Callable[[int, float], None] = lambda _shard, _seconds: None
    told: Callable[[float, int, int], None] = lambda _seconds, _up, _down: None
    clock: Callable[[], float] = time.monotonic
    excerpts: Excerpts | None = None
    term: str = field(default_factory=lambda: secrets.token_hex(8))
    number: int = 0
    _seats: list[_Seat] = field(default_factory=list)
    _merges: deque[Merge] = field(default_factory=deque)
    _version: Manifest | None = None
    _version_merge: int = 0
    _cuts: deque[tuple[int, Progress]] = field(default_factory=deque)
    _told: list[StatePart] = field(default_factory=list)
    _told_bytes: int = 0
    _events: int = 0
    _lengths: RoundLengths = field(default_factory=lambda: RoundLengths(0, 0))

    def __post_init__(self) -> None:
        self._seats = [_Seat() for _ in range(self.shards)]

    @property
    def learning(self) -> int:
        """How many shards hold the newest merge or are catching up with it."""
        return sum(seat.doing in {"ready", "round", "told", "settle"} for seat in self._seats)

    def start(self, version: Manifest) -> None:
        """Ask every shard to begin from a version, which the coordinator's model holds exactly."""
        self._version = version
        for shard in range(self.shards):
            self._begin(shard)

    def committed(self, version: Manifest | None) -> None:
        """Note the newest version in Redis: shards begin from it from now on, and older merges are let go."""
        if version is None or (self._version is not None and version.id == self._version.id):
            return
        while self._cuts:
            merge, progress = self._cuts.popleft()
            if progress == version.progress:
                self._version, self._version_merge = version, merge
                break
        needed = min([self._version_merge, *(seat.merged for seat in self._seats if seat.doing != "away")])
        while self._merges and self._merges[0].number <= needed:
            self._merges.popleft()

    def cut(self) -> None:
        """Note that a version may have been cut from the model as it is now."""
        self._cuts.append((self.number, self.model.progress.copy()))

    def merged(self, rows: Rows, told: Told) -> None:
        """Note a merge: the shards take it over with the next round."""
        self.number += 1
        self._merges.append(Merge(self.number, self.crew.share(rows), told))

    def learn(self, alive: Callable[[], bool]) -> list[Part]:
        """Run one round; the parts of the shards that ended it in time.

        Args:
            alive: Whether to go on waiting, asked often; may raise.

        Returns:
            Parts, by number of the shard. None of them when `alive` said no: the round is void then.
        """
        begun = self.clock()
        asked = [shard for shard, seat in enumerate(self._seats) if seat.doing == "ready"]
        learned = self.model.recommender.counters()["applied"]
        self._lengths = round_lengths(learned, self.events, self.partial, self.share)
        pieces, piece = self._pieces(), 1
        self.excerpts = Excerpts(self.model.state) if pieces > 1 else None
        self._forget_told()
        for shard in asked:
            self._ask(shard, len(asked), pieces)
        parts: dict[int, Part] = {}
        while alive():
            self._look(parts)
            busy = [shard for shard in asked if self._seats[shard].doing in {"round", "settle"}]
            told = [shard for shard in asked if self._seats[shard].doing == "told"]
            waited = self.clock() - begun
            if told and not busy:
                piece += 1
                self._go_on(told, pieces, last=piece == pieces)
                continue
            if not busy and (asked or waited >= self.interval):
                self._events = sum(part.report.progress.consumed for part in parts.values())
                return [parts[shard] for shard in sorted(parts)]
            for shard in busy:
                seat = self._seats[shard]
                limit = seat.since + self.patience + (self.interval if seat.doing == "round" else 0.0)
                if self.clock() > limit:
                    self._lose(shard, "silent", f"nothing heard for {self.clock() - seat.since:.1f} s")
        return []

    def _look(self, parts: dict[int, Part]) -> None:
        """Take the answers that are there, after waiting a moment for the first."""
        now = self.clock()
        for shard, seat in enumerate(self._seats):
            if seat.doing == "away" and now >= seat.not_before:
                self._begin(shard)
            elif seat.doing == "begin" and now - seat.since > LOADING:
                self._lose(shard, "silent", f"did not begin within {LOADING:.0f} s")
        calls = {seat.call: shard for shard, seat in enumerate(self._seats) if seat.call is not None}
        for call in self.crew.wait(list(calls), LOOK):
            shard = calls[call]
            try:
                if self._seats[shard].doing == "begin":
                    self._has_begun(shard, read(self.crew.began(call), Began))
                else:
                    raw, rows = self.crew.report(call)
                    self._take(shard, read(raw, Report), rows, parts)
            except ShardLost as lost:
                self._lose(shard, "lost", str(lost))

    def _begin(self, shard: int) -> None:
        seat, version, model = self._seats[shard], self._version, self.model
        assert version is not None, "a version comes before the first shard"
        since, now = version.progress, model.progress
        offsets = {p: at for p, at in now.offsets.get(self.topic, {}).items() if owner(p, self.shards) == shard}
        admission = model.admission
        ask = Begin(
            self.term,
            version.id,
            shard,
            offsets,
            packed(admission.since(since.arrivals, now.arrivals)),
            admission.erasures.since(since.erasures, now.erasures),
            admission.identities.since(since.identities, now.identities, now.erasures),
        )
        seat.doing, seat.since, seat.merged = "begin", self.clock(), self._version_merge
        try:
            seat.call = self.crew.begin(shard, write(ask))
        except ShardLost as lost:
            self._lose(shard, "lost", str(lost))

    def _has_begun(self, shard: int, began: Began) -> None:
        seat = self._seats[shard]
        seat.call = None
        if began.trouble:
            log.warning("shard %d cannot begin: %s", shard, began.trouble)
            seat.doing, seat.not_before = "away", self.clock() + AGAIN
            return
        seat.doing = "ready"
        log.info(
            "shard %d has begun in %.1f s as process %d on %s",
            shard,
            began.seconds,
            began.pid,
            began.place or "this machine",
        )
        if seat.missing_since is not None:
            self.recovered(shard, self.clock() - seat.missing_since)
            seat.missing_since = None

    def _pieces(self) -> int:
        """Pieces of the next round, if it has as many events as the last one."""
        own = self._lengths
        return min(PIECES, max(1, round(min(self._events, own.round) / own.piece))) if own.piece else 1

    def _go_on(self, told: Sequence[int], pieces: int, *, last: bool) -> None:
        """Merge the excerpts of this piece, and ask for the next one."""
        started, excerpts = self.clock(), self.excerpts
        assert excerpts is not None, "only a round of several pieces has excerpts"
        rows = to_arrays(excerpts.merge(self._told))
        shared = self.crew.share(rows)
        self.told(self.clock() - started, self._told_bytes, bytes_of(rows))
        self._forget_told()
        ask = write(self._piece(len(told), pieces, [], last=last))
        for shard in told:
            seat = self._seats[shard]
            seat.doing, seat.since = "round", self.clock()
            try:
                seat.call = self.crew.go_on(shard, ask, shared)
            except ShardLost as lost:
                self._lose(shard, "lost", str(lost))

    def _forget_told(self) -> None:
        self._told.clear()
        self._told_bytes = 0

    def _piece(self, among: int, pieces: int, told: list[Told], *, last: bool) -> Ask:
        events = max(1, self._lengths.round // among // pieces)
        return Ask(self.term, self.number + 1, self.interval / pieces, events, told, last)

    def _ask(self, shard: int, among: int, pieces: int) -> None:
        seat = self._seats[shard]
        merges = [merge for merge in self._merges if merge.number > seat.merged]
        told = [merge.told for merge in merges]
        ask = self._piece(among, pieces, told, last=pieces == 1)
        seat.merged, seat.doing, seat.since = self.number, "round", self.clock()
        try:
            seat.call = self.crew.round(shard, write(ask), [merge.rows for merge in merges])
        except ShardLost as lost:
            self._lose(shard, "lost", str(lost))

    def _take(self, shard: int, report: Report, rows: Rows, parts: dict[int, Part]) -> None:
        seat = self._seats[shard]
        if report.excerpt:
            seat.call, seat.doing = None, "told"
            self._told.append(StatePart(shard, self.shards, from_arrays(rows)))
            self._told_bytes += bytes_of(rows)
            return
        if report.trouble or not report.settled:
            if report.trouble:
                seat.call, seat.doing = None, "ready"
                parts[shard] = Part(shard, report, {})
                return
            seat.doing, seat.since, seat.call = "settle", self.clock(), self.crew.settle(shard, self.term)
            return
        seat.call, seat.doing = None, "ready"
        if _differs(report.began, self.model.progress.offsets):
            self._lose(shard, "refused", f"it began at {report.began}, the model holds {self.model.progress.offsets}")
            return
        parts[shard] = Part(shard, report, rows)

    def _lose(self, shard: int, why: Missing, text: str) -> None:
        seat = self._seats[shard]
        if why != "lost":
            self.crew.restart(shard)
        seat.call, seat.doing, seat.not_before = None, "away", self.clock() + AGAIN / 4
        if seat.missing_since is None:  # later attempts find a process that is still on its way
            log.warning("shard %d is left out of the merge and started again (%s): %s", shard, why, text)
            seat.missing_since = self.clock()
            self.missing(shard, why)


def _differs(began: dict[str, dict[int, int]], known: dict[str, dict[int, int]]) -> bool:
    """Whether a shard began its round anywhere else than where the model has read to."""
    return any(
        known.get(topic, {}).get(partition) != offset
        for topic, places in began.items()
        for partition, offset in places.items()
    )


__all__ = ["Missing", "Part", "Rounds"]
