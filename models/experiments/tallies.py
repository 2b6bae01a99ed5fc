"""Slates and events of users in arms in; sums by arm out, which travel in a version.

A sum is kept for each of 64 groups of users, so that an interval can say how alike the events of one user are
(models/statistics/clusters.py has the method and its source). Adding is all that happens, so the order in which slates
and events arrive does not matter, and each is counted once when its offset is: the offsets up to which slates and
events were counted are part of the same record.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

import msgspec
import xxhash

from models.experiments.assignment import Assignments
from models.experiments.definition import Experiment
from models.records import CART, CLICK, PURCHASE, Attributes, Event, SlateRecord
from models.statistics import CannotUnpack, pack, unpack
from models.structs import Prepared

GROUPS: Final = 64
"""Groups of users, as in models/statistics/clusters.py."""

PLACES: Final = 1 << 16
"""Places of the map of users that were seen, 8 KB at most in a version. Up to 300,000 users of an experiment are
counted to within 1 %; beyond `COUNTABLE` nearly all places are taken."""

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


class Tally(msgspec.Struct, metaclass=Prepared, array_like=True):
    """What was counted for one experiment.

    Attributes:
        arms: what was counted for each arm.
        seen: a bit for each place of the map of users.
        taken: bits that are set.

    >>> tally = Tally.empty(2)
    >>> for user in ("ann", "bob", "ann"):
    ...     tally.slate(user, 0)
    >>> tally.arms[0].slates.total, tally.arms[0].users.total, round(tally.known_users())
    (3.0, 2.0, 2)
    """

    arms: list[ArmTally]
    seen: bytearray = msgspec.field(default_factory=lambda: bytearray(PLACES // 8))
    taken: int = 0

    @classmethod
    def empty(cls, arms: int) -> Tally:
        """Returns the tally of an experiment that has not begun."""
        return cls([ArmTally() for _ in range(arms)])

    def slate(self, user: str, arm: int) -> None:
        """Counts a slate."""
        group, place = divided(user)
        self.arms[arm].slates.add(group, 1)
        byte, bit = divmod(place, 8)
        if not self.seen[byte] >> bit & 1:
            self.seen[byte] |= 1 << bit
            self.taken += 1
            self.arms[arm].users.add(group, 1)

    def event(self, event: Event, arm: int, largest: float) -> None:
        """Counts an event.

        Args:
            event: a click, a cart or a purchase that names a slate, or any purchase.
            arm: the arm of its user.
            largest: the most that a purchase counts.
        """
        group, _ = divided(event.user_id)
        tally, measure = self.arms[arm], MEASURE_OF.get(event.kind)
        if measure is None:
            return
        if event.request_id is not None:
            tally.of(measure).add(group, 1)
        if event.kind == PURCHASE:
            worth = worth_of(event, largest)
            tally.spending.add(group, worth)
            if event.request_id is not None:
                tally.revenue.add(group, worth)

    def known_users(self) -> float | None:
        """Returns about how many users were shown a slate; None when they are too many for the map.

        Linear counting (Whang, Vander-Zanden and Taylor, ACM TODS 15(2), 1990): of n users that fall on m places at
        random, m (1 - exp(-n / m)) places are taken.
        """
        free = PLACES - self.taken
        if not free:
            return None
        users = PLACES * math.log(PLACES / free)
        return users if users <= COUNTABLE else None


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
        for tally in found.tallies.values():
            sums = [measured.sums for arm in tally.arms for measured in msgspec.structs.astuple(arm)]
            if len(tally.seen) != PLACES // 8 or any(len(each) != GROUPS for each in sums):
                raise CannotUnpack("the counts of an experiment have another size")
        return found

    def keep(self, experiments: Iterable[Experiment]) -> None:
        """Forgets the counts of all other experiments."""
        ids = {each.id for each in experiments}
        self.tallies = {name: tally for name, tally in self.tallies.items() if name in ids}

    def slate(self, slate: SlateRecord, everybody: Assignments) -> None:
        """Counts a slate for the arms that its record names."""
        if not slate.experiments or slate.user_id is None:
            return
        for experiment in everybody.experiments:
            name = slate.experiments.get(experiment.name)
            if name is None or not experiment.runs(slate.timestamp):
                continue
            arm = experiment.arm(name)
            if arm >= 0:
                self._tally(experiment).slate(slate.user_id, arm)

    def event(self, event: Event, everybody: Assignments, attributes: Attributes | None = None) -> None:
        """Counts an event for the arms of its user, if the user, with these attributes, may be in one at its time."""
        for experiment, arm in everybody.of(event.user_id, event.timestamp, attributes):
            if arm >= 0:
                self._tally(experiment).event(event, arm, experiment.largest_purchase)

    def _tally(self, experiment: Experiment) -> Tally:
        found = self.tallies.get(experiment.id)
        if found is None or len(found.arms) != len(experiment.arms):
            found = self.tallies[experiment.id] = Tally.empty(len(experiment.arms))
        return found


__all__ = ["GROUPS", "MEASURE_OF", "ArmTally", "Counts", "Measured", "Tally", "divided", "worth_of"]
