"""The versions that the learner compares with follow the pointers in Redis, byte for byte."""

from __future__ import annotations

import threading

import pytest

from models.recommender import FrozenModel
from models.referee import TURN
from models.state.schema import SCHEMA
from streaming.evidence.frozen import KEPT, STANDS, FrozenVersions
from streaming.store import Pointer
from streaming.versions import loading as versions
from tests.support.processes.serving import Learner

CEILINGS = {"item": 300_000, "user": 10_000, "category": 100, "brand": 100}
PLENTY = 1 << 30


class Hand:
    """A clock that is moved by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def point(
    taught: Learner, serving: str | None = None, reference: str | None = None, anchors: tuple[str, ...] = ()
) -> None:
    revision = taught.store.gate().revision
    stand = [Pointer(version, taught.store.manifest(version).seq) for version in anchors]
    assert taught.store.decide(revision, b"{}", b"", serving, reference=reference, anchors=stand)


def digest(taught: Learner, version: str) -> str:
    loaded = versions.load(taught.store, version, SCHEMA, served_only=True, ceilings=CEILINGS)
    assert loaded is not None
    return loaded.state.digest()


def opponents(taught: Learner, clock: Hand, most: int = PLENTY) -> FrozenVersions:
    return FrozenVersions(taught.store, SCHEMA, CEILINGS, most, clock)


def looked(ours: FrozenVersions) -> None:
    """Look while a learner asks for its versions all the time."""
    ended = threading.Event()
    asked = threading.Thread(target=lambda: [ours.current() for _ in iter(lambda: ended.wait(0.005), True)])
    asked.start()
    ours.look()
    ended.set()
    asked.join()


def grown(taught: Learner) -> str:
    taught.learn([("user-1", "item-1"), ("user-2", f"item-new-{taught.progress.consumed}")])
    return taught.commit()


def test_there_is_nothing_to_compare_with_before_a_version_is_served(taught: Learner) -> None:
    ours = opponents(taught, Hand())
    ours.look()
    assert ours.current()[:2] == (None, None)
    assert ours.current().paused == "no version is served yet"


def test_versions_that_are_named_and_not_at_hand_are_awaited(taught: Learner) -> None:
    first, second = taught.commit(), grown(taught)
    point(taught, second, first)
    clock = Hand()
    ours = opponents(taught, clock)
    assert ours.current().awaited is None, "nobody knows yet which versions are named"
    ours.look()
    assert ours.current().champion is None
    assert ours.current().awaited == (first, second)


def test_what_cannot_be_loaded_is_not_awaited(taught: Learner) -> None:
    first = taught.commit()
    point(taught, first, first)
    ours = opponents(taught, Hand(), 1_000)
    ours.look()
    assert ours.current().awaited == ("", "")


def test_the_reference_is_the_version_of_its_pointer_also_when_reached_by_deltas(
    taught: Learner, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = taught.commit()
    point(taught, first, first)
    ours = opponents(taught, Hand())
    ours.look()
    reference = ours.current().reference
    assert reference is not None
    assert (reference.version, reference.state.digest()) == (first, digest(taught, first))
    later = [grown(taught) for _ in range(20)][-1]
    expected = digest(taught, later)
    point(taught, later, later)
    without_bases(ours, monkeypatch)
    looked(ours)
    reference = ours.current().reference
    assert reference is not None
    assert (reference.version, reference.state.digest()) == (later, expected)


def without_bases(ours: FrozenVersions, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on a version is reached by deltas or not at all."""

    def refused(version: str) -> FrozenModel:
        raise AssertionError(f"a base was loaded for {version} although deltas reach it")

    monkeypatch.setattr(ours, "_loaded", refused)


def test_the_reference_before_stays_at_hand_until_the_next_one_has_been_for_a_while(taught: Learner) -> None:
    first = taught.commit()
    point(taught, first, first)
    clock = Hand()
    ours = opponents(taught, clock)
    ours.look()
    held = ours.current().reference
    assert held is not None
    before = held.state.digest()
    later = grown(taught)
    point(taught, later, later)
    ours.look()
    faced = ours.current()
    assert faced.reference is not None
    assert faced.reference.version == later
    assert faced.former is held
    assert held.state.digest() == before
    assert ours.held_bytes == faced.reference.state.nbytes() + held.state.nbytes()
    clock.now += KEPT + 1.0
    ours.look()
    assert ours.current().former is None
    assert ours.held_bytes == faced.reference.state.nbytes()


def test_where_two_references_are_too_large_the_one_before_gives_way(
    taught: Learner, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = taught.commit()
    point(taught, first, first)
    once = opponents(taught, Hand())
    once.look()
    held = once.current().reference
    assert held is not None
    ours = opponents(taught, Hand(), held.state.nbytes() * 3 // 2)
    ours.look()
    held = ours.current().reference
    assert held is not None
    later = grown(taught)
    point(taught, later, later)
    without_bases(ours, monkeypatch)
    looking = threading.Thread(target=ours.look)
    before = held.state.digest()
    looking.start()
    looking.join(0.3)
    assert looking.is_alive(), "it did not wait for the learner to move on"
    assert held.state.digest() == before
    faced = ours.current()
    assert (faced.reference, faced.former) == (None, None)
    looking.join(10.0)
    faced = ours.current()
    assert faced.reference is not None
    assert (faced.reference.version, faced.reference.state is held.state) == (later, True)


def test_the_first_version_that_is_served_is_at_hand_before(taught: Learner, monkeypatch: pytest.MonkeyPatch) -> None:
    taught.commit()
    ours = opponents(taught, Hand())
    ours.look()
    first = grown(taught)
    ours.look()  # too soon to follow the newest version
    without_bases(ours, monkeypatch)
    point(taught, first, first)
    ours.look()
    reference = ours.current().reference
    assert reference is not None
    assert (reference.version, ours.current().paused) == (first, "")


def test_a_champion_is_compared_once_it_has_been_served_for_a_while(taught: Learner) -> None:
    first, second = taught.commit(), grown(taught)
    point(taught, second, first)
    clock = Hand()
    ours = opponents(taught, clock)
    ours.look()
    assert ours.current().champion is None
    clock.now += STANDS
    ours.look()
    faced = ours.current()
    assert faced.champion is not None
    assert faced.reference is not None
    assert (faced.champion.version, faced.reference.version) == (second, first)
    point(taught, first)
    ours.look()
    clock.now += STANDS
    ours.look()
    assert ours.current().champion is ours.current().reference


def test_beyond_its_bytes_evidence_pauses_and_says_why(taught: Learner) -> None:
    first = taught.commit()
    point(taught, first, first)
    ours = opponents(taught, Hand(), 1_000)
    ours.look()
    faced = ours.current()
    assert faced.reference is None
    assert "learner.evidence_bytes is less" in faced.paused


def test_a_version_that_cannot_be_loaded_pauses_and_is_tried_again_later(taught: Learner) -> None:
    first = taught.commit()
    point(taught, first, first)
    key = taught.store.key("c", first, 0)
    data = taught.store.call("GET", key)
    taught.store.call("SET", key, data[::-1])
    clock = Hand()
    ours = opponents(taught, clock)
    ours.look()
    assert ours.current().reference is None
    assert first in ours.current().paused
    taught.store.call("SET", key, data)
    ours.look()
    assert ours.current().reference is None
    clock.now += 60.0
    ours.look()
    assert ours.current().reference is not None
    assert not ours.current().paused


def test_one_anchor_after_the_other_is_at_hand_for_its_turn(taught: Learner) -> None:
    first, second, third = taught.commit(), grown(taught), grown(taught)
    point(taught, third, third, (second, first, first))
    clock = Hand()
    ours = opponents(taught, clock)
    seen = []
    for _ in range(4):
        looked(ours)
        faced = ours.current()
        assert faced.anchor is not None
        assert faced.anchors == (second, first)
        assert faced.anchor.state.digest() == digest(taught, faced.anchor.version)
        seen.append(faced.anchor.version)
        clock.now += TURN
    assert seen == [second, first, second, first]
    assert ours.current().reference is not None


def test_an_anchor_that_is_the_reference_takes_no_room_of_its_own(taught: Learner) -> None:
    first = taught.commit()
    point(taught, first, first, (first,))
    ours = opponents(taught, Hand())
    ours.look()
    assert ours.current().anchor is ours.current().reference


def test_the_reference_takes_the_room_of_an_anchor_where_bytes_are_few(taught: Learner) -> None:
    first = taught.commit()
    later = grown(taught)
    loaded = versions.load(taught.store, later, SCHEMA, served_only=True, ceilings=CEILINGS)
    assert loaded is not None
    ours = opponents(taught, Hand(), loaded.state.nbytes() * 3 // 2)
    point(taught, None, None, (first,))
    ours.look()
    assert ours.current().anchor is not None
    point(taught, later, later, (first,))
    looked(ours)
    looked(ours)
    faced = ours.current()
    assert faced.reference is not None
    assert (faced.reference.version, faced.anchor, faced.anchors) == (later, None, (first,))
    assert faced.paused == ""
