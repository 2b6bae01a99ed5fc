"""Variants of a product: one that nobody has touched begins where the others are, however the stream was cut."""

from __future__ import annotations

import numpy as np
import pytest

from models.recommender.groups import MOST_KIN, Groups
from models.recommender.recommender import Recommender, new_state
from models.recommender.types import RecommenderOptions
from models.records.events import Event
from models.records.items import ItemFacts
from streaming.intake.catalogue import KnownItems

NOW = 1_700_000_000.0
OPTIONS = RecommenderOptions(items=200, users=50, categories=5, brands=5)


def catalogue_of(recommender: Recommender, **groups: str | None) -> KnownItems:
    known = KnownItems()
    take(recommender, known, {item: ItemFacts(group_id=group) for item, group in groups.items()})
    return known


def take(recommender: Recommender, known: KnownItems, changes: dict[str, ItemFacts | None]) -> None:
    known.take(recommender, [(0, at, item, facts) for at, (item, facts) in enumerate(changes.items())])


def clicks(*items: str, start: int = 0) -> list[Event]:
    return [Event(0, f"u{at % 7}", item, NOW + start + at) for at, item in enumerate(items)]


def learn(recommender: Recommender, known: KnownItems, events: list[Event]) -> None:
    recommender.learn_events(events, [each.timestamp for each in events], known.facts, groups=known.groups)


def vector(recommender: Recommender, item: str) -> np.ndarray:
    return recommender.state.tables["item_factors"].columns["q"][recommender.state.keys["item"].rows[item]].copy()


@pytest.fixture
def recommender() -> Recommender:
    return Recommender(new_state(OPTIONS), OPTIONS)


LEARNED = ("red", "cup", "pot", "red", "cup", "jug") * 6


def test_a_new_variant_begins_with_the_vectors_of_its_most_touched_one(recommender: Recommender) -> None:
    known = catalogue_of(recommender, red="g", green="g", cup=None, pot=None, jug=None)
    learn(recommender, known, clicks(*LEARNED))
    learn(recommender, known, clicks("green", start=100))
    take(recommender, known, {"blue": ItemFacts(group_id="g"), "other": ItemFacts(group_id="h")})
    assert vector(recommender, "blue").any()
    np.testing.assert_array_equal(vector(recommender, "blue"), vector(recommender, "red"))
    assert not vector(recommender, "other").any()


def test_its_first_event_starts_from_what_the_others_have_learned_by_then(recommender: Recommender) -> None:
    known = catalogue_of(recommender, red="g", blue="g", cup=None, pot=None, jug=None)
    twin = Recommender(new_state(OPTIONS), OPTIONS)
    alone = catalogue_of(twin, red=None, blue=None, cup=None, pot=None, jug=None)
    for each, items in ((recommender, known), (twin, alone)):
        learn(each, items, clicks(*LEARNED))
        learn(each, items, clicks("blue", start=100))
    near = vector(recommender, "red")
    grouped, drawn = (float(np.linalg.norm(vector(each, "blue") - near)) for each in (recommender, twin))
    assert grouped < 0.6 * drawn


@pytest.mark.parametrize("cuts", [(1,), (7, 2), (40,)])
def test_how_the_stream_is_cut_changes_nothing(cuts: tuple[int, ...]) -> None:
    events = clicks(*LEARNED, "blue", "red", "blue", "green", "mug", "mug2", *LEARNED, "green")
    digests = []
    for lengths in ((1000,), cuts):
        made = Recommender(new_state(OPTIONS), OPTIONS)
        groups = dict.fromkeys(("red", "blue", "green"), "g") | {"mug": "m", "mug2": "m", "cup": None}
        known = catalogue_of(made, **groups)
        start = turn = 0
        while start < len(events):
            stop = start + lengths[turn % len(lengths)]
            learn(made, known, events[start:stop])
            start, turn = stop, turn + 1
        digests.append(made.state.digest())
    assert digests[0] == digests[1]


@pytest.mark.parametrize("gone", [None, ItemFacts(group_id="g", available=False)])
def test_a_variant_that_leaves_the_pages_hands_on_what_it_learned(
    recommender: Recommender, gone: ItemFacts | None
) -> None:
    known = catalogue_of(recommender, red="g", blue="g", cup=None, pot=None, jug=None)
    learn(recommender, known, clicks(*LEARNED))
    before = vector(recommender, "red")
    assert not vector(recommender, "blue").any()
    take(recommender, known, {"red": gone})
    np.testing.assert_array_equal(vector(recommender, "blue"), before)


def test_a_product_of_many_variants_that_leave_together_is_handed_on_once(
    recommender: Recommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each variant would otherwise be looked at for each that leaves: seconds for a batch, and SIGTERM waits."""
    variants = [f"v{number}" for number in range(3 * MOST_KIN)]
    known, asked = catalogue_of(recommender, **dict.fromkeys(variants, "g")), list[str]()
    monkeypatch.setattr(recommender, "borrow", lambda item, _: asked.append(item))
    take(recommender, known, dict.fromkeys(variants, ItemFacts(group_id="g", available=False)))
    assert len(asked) <= len(variants) + MOST_KIN
    asked.clear()
    take(recommender, known, dict.fromkeys(variants))
    assert len(asked) <= MOST_KIN + 1


def test_an_item_that_was_touched_keeps_its_own(recommender: Recommender) -> None:
    known = catalogue_of(recommender, red=None, cup=None, pot=None, jug=None)
    learn(recommender, known, clicks(*LEARNED))
    before = vector(recommender, "cup")
    take(recommender, known, {"cup": ItemFacts(group_id="g"), "red": ItemFacts(group_id="g")})
    np.testing.assert_array_equal(vector(recommender, "cup"), before)


def test_without_groups_nothing_is_different(recommender: Recommender) -> None:
    twin = Recommender(new_state(OPTIONS), OPTIONS)
    learn(recommender, catalogue_of(recommender, red=None, cup=None), clicks(*LEARNED))
    catalogue_of(twin, red=None, cup=None)
    events = clicks(*LEARNED)
    facts = {item: ItemFacts() for item in ("red", "cup")}
    twin.learn_events(events, [each.timestamp for each in events], facts)
    assert recommender.state.digest() == twin.state.digest()


def test_groups_follow_what_the_shop_says_and_a_group_of_all_items_is_not_walked_through() -> None:
    groups = Groups()
    for at in range(1_000):
        groups.put(f"i{at}", "all")
    assert len(groups.kin("i999")) == MOST_KIN
    assert len(groups.kin("i0")) == MOST_KIN - 1
    groups.put("i0", None)
    groups.put("i1", "other")
    assert groups.kin("i1") == []
    assert "i0" not in groups
    assert "i1" not in groups.kin("i2")
