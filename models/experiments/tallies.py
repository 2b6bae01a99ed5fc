"""Slates and events of users in arms in; sums by arm out, which travel in a version.

A sum is kept for each of 64 groups of users, so that an interval can say how alike the events of one user are
(models/statistics/clusters.py has the method and its source). Adding is all that happens, so the order in which slates
and events arrive does not matter, and each is counted once when its offset is: the offsets up to which slates and
events were counted are part of the same record.

The same is kept apart for each segment of users that setting `learner.segments` names. A user may be in several of
them, or in none, so that they need not add up to the whole.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from typing import Final, NamedTuple, TypeVar

import msgspec
import xxhash

from models.experiments.assignment import Assignments
from models.experiments.definition import Experiment
from models.experiments.segments import Segment, segments_of
from models.records import CART, CLICK, PURCHASE, Attributes, Event, SlateRecord
from models.statistics import CannotUnpack, pack, unpack
from models.structs import Prepared

T = TypeVar("T")

GROUPS: Final = 64
"""Groups of users, as in models/statistics/clusters.py."""

PLACES: Final = 1 << 16
"""Places of the map of users that were seen, 8 KB at most in a version. Up to 300,000 users of an experiment are
counted to within 1 %; beyond `COUNTABLE` nearly all places are taken."""

MOST_APART: Final = 48
"""Arms of segments that one experiment counts: each takes some 1.6 KB of every version. Twenty segments of two arms
fit, and six of eight. All experiments that there may be then take 1 MB; without an end they would take 2.5."""

COUNTABLE: Final = 400_000
"""Users beyond which their number is not told."""

MEASURE_OF: Final = {CLICK: "click", CART: "cart", PURCHASE: "purchase"}
"""What events are counted as, by code of their kind; others are not counted."""


class Measured(msgspec.Struct, metaclass=Prepared, array_like=True):
    """One measure of one arm.

    Attributes:
        sums: by group of users.
        squares: of all amounts.
    """

    sums: list[float] = msgspec.field(default_factory=lambda: [0] * GROUPS)
    squares: float = 0

    def add(self, group: int, amount: float) -> None:
        """Adds an amount."""
        self.sums[group] += amount
        self.squares += amount * amount

    @property
    def total(self) -> float:
        """The sum of all groups."""
        return math.fsum(self.sums)


class ArmTally(msgspec.Struct, metaclass=Prepared, array_like=True):
    """What was counted for one arm.

    Attributes:
        slates: slates shown.
        users: users counted when their first slate was shown.
        click: clicks that name a slate.
        cart: additions to a cart that name a slate.
        purchase: purchases that name a slate.
        revenue: the worth of these.
        spending: the worth of all purchases of the arm's users.
    """

    slates: Measured = msgspec.field(default_factory=Measured)
    users: Measured = msgspec.field(default_factory=Measured)
    click: Measured = msgspec.field(default_factory=Measured)
    cart: Measured = msgspec.field(default_factory=Measured)
    purchase: Measured = msgspec.field(default_factory=Measured)
    revenue: Measured = msgspec.field(default_factory=Measured)
    spending: Measured = msgspec.field(default_factory=Measured)

    def of(self, measure: str) -> Measured:
        """Returns a measure by its name."""
        found: Measured = getattr(self, measure)
        return found

    def event(self, event: Event, group: int, largest: float) -> None:
        """Counts an event of a user of this group; a purchase counts `largest` at most."""
        if event.request_id is not None:
            self.of(MEASURE_OF[event.kind]).add(group, 1)
        if event.kind == PURCHASE:
            worth = worth_of(event, largest)
            self.spending.add(group, worth)
            if event.request_id is not None:
                self.revenue.add(group, worth)


class SegmentTally(msgspec.Struct, metaclass=Prepared, array_like=True):
    """What was counted for the users of one segment.

    Attributes:
        since: epoch seconds of the first that was counted.
        turn: how often segments were forgotten before: one that comes back counts its users again.
        arms: what was counted for each arm.
    """

    since: float
    turn: int
    arms: list[ArmTally]


class BySegment(msgspec.Struct, metaclass=Prepared, array_like=True):
    """What was counted for one experiment by segment of users.

    Attributes:
        segments: by segment, as it is written.
        seen: a bit for each place of one map of pairs of a segment and a user.
        taken: bits that are set.
        turn: how often segments were forgotten.
    """

    segments: dict[str, SegmentTally] = msgspec.field(default_factory=dict)
    seen: bytearray = msgspec.field(default_factory=lambda: bytearray(PLACES // 8))
    taken: int = 0
    turn: int = 0

    def of(self, segment: str, at: float, arms: int) -> SegmentTally:
        """Returns what was counted for a segment, to count something that happened at this moment."""
        found = self.segments.get(segment)
        if found is None:
            found = self.segments[segment] = SegmentTally(at, self.turn, [ArmTally() for _ in range(arms)])
        found.since = min(found.since, at)
        return found

    def keep(self, segments: Collection[str]) -> None:
        """Forgets the counts of all other segments."""
        kept = {name: self.segments[name] for name in self.segments if name in segments}
        self.turn += len(kept) < len(self.segments)
        self.segments = kept


class Counted(NamedTuple):
    """The arms for all users of an experiment, or for those of a segment."""

    arms: Sequence[ArmTally]
    weight: float | None
    """Users for each one that was counted; None when they are too many for the map."""
    since: float | None = None
    """Epoch seconds of the first that was counted, of a segment."""


class Tally(msgspec.Struct, metaclass=Prepared, array_like=True):
    """What was counted for one experiment.

    Attributes:
        arms: what was counted for each arm.
        seen: a bit for each place of the map of users.
        taken: bits that are set.
        by_segment: the same by segment of users; None where no segment was counted.

    >>> tally = Tally.empty(2)
    >>> for user in ("ann", "bob", "ann"):
    ...     tally.slate(user, 0)
    >>> tally.arms[0].slates.total, tally.arms[0].users.total, round(tally.known_users())
    (3.0, 2.0, 2)
    """

    arms: list[ArmTally]
    seen: bytearray = msgspec.field(default_factory=lambda: bytearray(PLACES // 8))
    taken: int = 0
    by_segment: BySegment | None = None

    @classmethod
    def empty(cls, arms: int) -> Tally:
        """Returns the tally of an experiment that has not begun."""
        return cls([ArmTally() for _ in range(arms)])

    def slate(self, user: str, arm: int, at: float = 0.0, segments: Iterable[str] = ()) -> None:
        """Counts a slate.

        Args:
            user: the user's id.
            arm: the user's arm.
            at: when it was shown, epoch seconds.
            segments: those of the user that are counted.
        """
        group, place = divided(user)
        self.arms[arm].slates.add(group, 1)
        if _take(self.seen, place):
            self.taken += 1
            self.arms[arm].users.add(group, 1)
        for segment in segments:
            apart = self._apart()
            tally = apart.of(segment, at, len(self.arms))
            tally.arms[arm].slates.add(group, 1)
            if _take(apart.seen, divided(f"{segment}\n{tally.turn}\n{user}")[1]):
                apart.taken += 1
                tally.arms[arm].users.add(group, 1)

    def event(self, event: Event, arm: int, largest: float, segments: Iterable[str] = ()) -> None:
        """Counts an event.

        Args:
            event: a click, a cart or a purchase that names a slate, or any purchase.
            arm: the arm of its user.
            largest: the most that a purchase counts.
            segments: those of the user that are counted.
        """
        if event.kind not in MEASURE_OF:
            return
        group, _ = divided(event.user_id)
        self.arms[arm].event(event, group, largest)
        for segment in segments:
            self._apart().of(segment, event.timestamp, len(self.arms)).arms[arm].event(event, group, largest)

    def known_users(self) -> float | None:
        """Returns about how many users were shown a slate; None when they are too many for the map."""
        return _known(self.taken)

    def whole(self) -> Counted:
        """Returns the arms for all users."""
        return Counted(self.arms, _weight(self.taken))

    def part(self, segment: str) -> Counted:
        """Returns the arms for the users of a segment, empty ones for a segment that is not counted."""
        found = self.by_segment.segments.get(segment) if self.by_segment is not None else None
        if self.by_segment is None or found is None:
            return Counted([ArmTally() for _ in self.arms], 1.0)
        return Counted(found.arms, _weight(self.by_segment.taken), found.since)

    def keep(self, segments: Collection[str]) -> None:
        """Forgets the counts of all other segments."""
        if self.by_segment is not None:
            self.by_segment.keep(segments)

    def _apart(self) -> BySegment:
        if self.by_segment is None:
            self.by_segment = BySegment()
        return self.by_segment


def apart_of(experiment: Experiment, segments: Sequence[T]) -> Sequence[T]:
    """Returns those of the segments that are counted for an experiment: the first ones, if there are too many arms."""
    return segments[: MOST_APART // max(1, len(experiment.arms))]


def _take(seen: bytearray, place: int) -> bool:
    """Sets a bit of a map. Returns whether it was free."""
    byte, bit = divmod(place, 8)
    free = not seen[byte] >> bit & 1
    seen[byte] |= 1 << bit
    return free


def _known(taken: int) -> float | None:
    """Returns about how many there were, by the places that are taken; None when they are too many for the map.

    Linear counting (Whang, Vander-Zanden and Taylor, ACM TODS 15(2), 1990): of n users that fall on m places at
    random, m (1 - exp(-n / m)) places are taken.
    """
    free = PLACES - taken
    if not free:
        return None
    users = PLACES * math.log(PLACES / free)
    return users if users <= COUNTABLE else None


def _weight(taken: int) -> float | None:
    """Returns how many there were for each place that is taken."""
    number = _known(taken)
    return number if number is None else number / taken if taken else 1.0


def divided(user: str) -> tuple[int, int]:
    """Returns a user's group, and place on the map. Neither has to do with the user's arm."""
    number = xxhash.xxh64_intdigest(user.encode(errors="surrogatepass"))
    return number % GROUPS, (number // GROUPS) % PLACES


def worth_of(event: Event, largest: float) -> float:
    """Returns what a purchase is worth: price times quantity, 1 when none is given; 0 without a price.

    >>> worth_of(Event(PURCHASE, "ann", "tea", 0.0, price=4.0, quantity=2.0), 5.0)
    5.0
    """
    quantity = event.quantity if event.quantity is not None else 1.0
    return min(max((event.price or 0.0) * quantity, 0.0), largest)


class Counts(msgspec.Struct, metaclass=Prepared):
    """All that was counted, and up to which offsets.

    Attributes:
        tallies: by id of the experiment.
        slates: next offset of topic slates, by partition.
        events: next offset, by topic and partition.
        topics: ids of these topics.
    """

    tallies: dict[str, Tally] = msgspec.field(default_factory=dict)
    slates: dict[int, int] = msgspec.field(default_factory=dict)
    events: dict[str, dict[int, int]] = msgspec.field(default_factory=dict)
    topics: dict[str, str] = msgspec.field(default_factory=dict)

    def packed(self) -> str:
        """Returns the counts as a version carries them."""
        return pack(self)

    @classmethod
    def unpacked(cls, text: object) -> Counts:
        """Returns the counts that a version carries. Raises CannotUnpack.

        >>> Counts.unpacked(Counts({"a": Tally.empty(2)}).packed()).tallies["a"].taken
        0
        """
        found = unpack(text, Counts)
        if not all(map(_sized, found.tallies.values())):
            raise CannotUnpack("the counts of an experiment have another size")
        return found

    def keep(self, experiments: Iterable[Experiment], segments: Collection[str] = ()) -> None:
        """Forgets the counts of all other experiments, and of all other segments of users."""
        ids = {each.id for each in experiments}
        self.tallies = {name: tally for name, tally in self.tallies.items() if name in ids}
        for tally in self.tallies.values():
            tally.keep(segments)

    def slate(self, slate: SlateRecord, everybody: Assignments, segments: Sequence[str] = ()) -> None:
        """Counts a slate for the arms that its record names, and for those of the segments that it names."""
        if not slate.experiments or slate.user_id is None:
            return
        named = dict.fromkeys(slate.segments or ())
        for experiment in everybody.experiments:
            name = slate.experiments.get(experiment.name)
            if name is None or not experiment.runs(slate.timestamp):
                continue
            arm = experiment.arm(name)
            if arm >= 0:
                apart = [each for each in apart_of(experiment, segments) if each in named]
                self._tally(experiment).slate(slate.user_id, arm, slate.timestamp, apart)

    def event(
        self,
        event: Event,
        everybody: Assignments,
        attributes: Attributes | None = None,
        segments: Sequence[Segment] = (),
    ) -> None:
        """Counts an event for the arms of its user, if the user, with these attributes, may be in one at its time.

        It counts for those of the segments, too, that a user with these attributes is in.
        """
        for experiment, arm in everybody.of(event.user_id, event.timestamp, attributes):
            if arm >= 0:
                apart = segments_of(attributes, apart_of(experiment, segments))
                self._tally(experiment).event(event, arm, experiment.largest_purchase, apart)

    def _tally(self, experiment: Experiment) -> Tally:
        found = self.tallies.get(experiment.id)
        if found is None or len(found.arms) != len(experiment.arms):
            found = self.tallies[experiment.id] = Tally.empty(len(experiment.arms))
        return found


def _sized(tally: Tally) -> bool:
    """Whether all lists and maps have the size that they have in this release."""
    apart = tally.by_segment or BySegment()
    parts = [tally.arms, *(each.arms for each in apart.segments.values())]
    measures = [each for arms in parts for arm in arms for each in msgspec.structs.astuple(arm)]
    return (
        all(len(seen) == PLACES // 8 for seen in (tally.seen, apart.seen))
        and all(len(arms) == len(tally.arms) for arms in parts)
        and all(len(each.sums) == GROUPS for each in measures)
    )


__all__ = [
    "GROUPS",
    "MEASURE_OF",
    "ArmTally",
    "Counted",
    "Counts",
    "Measured",
    "Tally",
    "apart_of",
    "divided",
    "worth_of",
]
