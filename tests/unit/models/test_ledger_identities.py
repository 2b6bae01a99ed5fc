"""Ids of one person: joined once, never moved to somebody else, erased together, carried from version to version."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.ledger import Admission, AdmissionRules, Identities, Join, Joined, user_hash, without_erased
from models.ledger.identities import JOIN_OUTCOMES
from models.records import Erase, Event, EventRules, Identify, Rejection, decode_control, encode_control
from models.snapshot import encode
from models.snapshot.decoding import decode
from models.snapshot.manifest import Manifest
from models.state import SCHEMA, Changes
from streaming.intake.intake import Intake, PreparedBatch
from streaming.intake.text_vectors import contents_by
from streaming.live import Erased, Identified
from tests.unit.streaming.test_intake import NOW, TOPICS, Wire, event

Said = tuple[str, str]


def order(offset: int, value: Erase | Identify, at: int = NOW) -> Wire:
    return Wire("control", 0, offset, at, None, encode_control(value), [])


def identify(offset: int, anonymous: str = "v1", user: str = "ann") -> Wire:
    return order(offset, Identify(f"i{offset}", anonymous, user))


def intake(admission: Admission) -> Intake:
    return Intake(EventRules(), admission, TOPICS, lambda *_: None, contents_by("words"))


def outcomes(batch: PreparedBatch) -> list[str]:
    return [each.joined.outcome for each in batch.orders if each.joined is not None]


# -- the rules -------------------------------------------------------------------------------------------------------


def test_both_ids_mean_the_user_and_a_chain_means_its_last_user() -> None:
    known = Identities()
    assert known.join("v1", "ann").ids == ("v1",)
    assert known.join("v2", "ann").ids == ("v2",)
    assert known.join("ann", "ann@shop").ids == ("ann", "v1", "v2")
    assert {known.resolve(each) for each in ("v1", "v2", "ann", "ann@shop")} == {"ann@shop"}
    known.join("v3", "ann")
    assert known.join("v3", "ann") == Joined("repeated", "ann@shop", ("v3",))
    assert known.resolve("v3") == "ann@shop"  # joined with a name that is no longer the last one
    assert known.resolve("bob") == "bob"


def test_what_would_make_one_person_of_two_is_refused_by_name() -> None:
    known = Identities(per_user=2)
    known.join("v1", "ann")
    known.join("ann", "amy")
    said = {
        "repeated": known.join("v1", "amy"),
        "cycle": known.join("amy", "v1"),
        "taken": known.join("v1", "bob"),
        "erased": known.join("v9", "amy", {user_hash("amy")}),
        "full": known.join("v2", "ann"),
        "joined": known.join("v2", "bob"),
    }
    assert {name: each.outcome for name, each in said.items()} == {name: name for name in said}
    assert set(said) == set(JOIN_OUTCOMES)
    assert [name for name, each in said.items() if each.ids] == ["repeated", "joined"]
    assert known.ids("amy") == ("amy", "ann", "v1")


@pytest.mark.parametrize("erased", ["v1", "ann", "amy"])
def test_an_id_that_was_erased_is_never_joined(erased: str) -> None:
    known = Identities()
    known.join("ann", "amy")
    assert known.join("v1", "ann", {user_hash(erased)}).outcome == "erased"


@pytest.mark.parametrize("name", ["v1", "ann", "amy"])
def test_an_erasure_by_any_id_names_them_all_and_leaves_none_joined(name: str) -> None:
    known = Identities()
    known.join("v1", "ann")
    known.join("ann", "amy")
    known.join("v7", "bob")
    assert known.erase(name, 3) == ("amy", "ann", "v1")
    assert [known.resolve(each) for each in ("v1", "ann", "amy", "v7")] == ["v1", "ann", "amy", "bob"]


def test_the_oldest_joins_are_forgotten_and_named() -> None:
    known = Identities(limit=3)
    forgotten = [known.join(f"v{number}", f"u{number}").forgotten for number in range(5)]
    assert forgotten == [(), (), (), ("v0",), ("v1",)]
    assert [known.resolve(f"v{number}") for number in range(5)] == ["v0", "v1", "u2", "u3", "u4"]
    assert known.join("v0", "somebody").outcome == "joined"


def test_a_join_that_was_forgotten_and_made_again_is_forgotten_by_its_second_time() -> None:
    known = Identities(limit=2)
    for anonymous in ("v0", "v1", "v2", "v0"):
        known.join(anonymous, f"{anonymous} at home")
    assert known.join("v3", "x").forgotten == ("v2",)
    assert known.resolve("v0") == "v0 at home"


# -- versions --------------------------------------------------------------------------------------------------------


def test_versions_carry_joins_up_to_where_they_have_read_and_forget_the_erased() -> None:
    known = Identities()
    for number in range(4):
        known.join(f"v{number}", "ann" if number == 1 else f"u{number}")
    base = known.since(0, 2, 0)
    assert base == [Join("v0", "u0"), Join("v1", "ann")]
    known.erase("ann", 2)  # after the version that is cut next
    assert known.since(2, 3, 0) == [Join("v2", "u2")]
    assert known.since(0, 2, 0) == base
    assert known.since(3, 4, 2) == [Join("v3", "u3")]
    assert known.since(0, 4, 2) == [Join("v0", "u0"), Join("", ""), Join("v2", "u2"), Join("v3", "u3")]
    chain = without_erased([base, [Join("v2", "u2")], [Join("v3", "u3")]], [set(), set(), {user_hash("v1")}])
    assert chain == known.since(0, 4, 2)
    restored = Identities(chain, 4)
    assert (restored.position, restored.resolve("v3"), restored.resolve("v1")) == (4, "u3", "v1")


STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from("abcdef"), st.sampled_from("abcdef")).filter(lambda pair: pair[0] != pair[1]),
        st.sampled_from("abcdef"),
    ),
    max_size=40,
)


@given(STEPS, st.integers(1, 6), st.integers(1, 4), st.data())
def test_a_list_that_was_restored_goes_on_as_the_one_that_never_ended(
    steps: list[Said | str], limit: int, per_user: int, data: st.DataObject
) -> None:
    """Also from a version in the middle, cut while the list was already further on."""
    known, erased = Identities(limit=limit, per_user=per_user), set[int]()

    def go(subject: Identities, gone: set[int], part: Sequence[Said | str]) -> list[object]:
        found: list[object] = []
        for step in part:
            if isinstance(step, str):
                users = subject.erase(step, len(gone) + len(subject.ids(step)))
                gone.update(map(user_hash, users))
                found.append(users)
            else:
                found.append(subject.join(*step, gone))
        return found

    cut = data.draw(st.integers(0, len(steps)))
    go(known, erased, steps[:cut])
    stop, gone, position = known.position, set(erased), len(erased)
    ahead = data.draw(st.integers(cut, len(steps)))
    expected = go(known, erased, steps[cut:ahead])
    carried = known.since(0, stop, position)
    expected += go(known, erased, steps[ahead:])
    again = Identities(carried, stop, limit, per_user)
    assert go(again, gone, steps[cut:]) == expected
    assert [again.resolve(each) for each in "abcdef"] == [known.resolve(each) for each in "abcdef"]
    copied = known.copy()
    assert [sorted(copied.ids(each)) for each in "abcdef"] == [sorted(known.ids(each)) for each in "abcdef"]


def test_joins_survive_the_bytes_of_a_version_also_when_they_take_several_chunks() -> None:
    joins = [Join(f"visitor-{number} ✓", f"user-{number}") for number in range(3_000)] + [Join("", "")]
    nothing = Changes(False, {}, {})
    chunks = [chunk.data for chunk in encode(nothing, SCHEMA, limit=1 << 14, joins=joins)]
    assert len(chunks) > 5
    manifest = Manifest("a", 1, "delta", schema_version=SCHEMA.version)
    assert decode(manifest, chunks, SCHEMA).joins == joins
    assert decode(manifest, [], SCHEMA).joins == []


# -- the intake ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ({"kind": "identify", "id": "1", "user": "ann"}, "$.anonymous"),
        ({"kind": "identify", "id": "1", "anonymous": "v1"}, "$.user"),
        ({"kind": "identify", "id": "1", "anonymous": "ann", "user": "ann"}, "$.anonymous"),
        ({"kind": "identify", "id": "1", "anonymous": "a\nb", "user": "ann"}, "$.anonymous"),
        ({"kind": "identify", "id": "1", "anonymous": "v1", "user": "a\nb"}, "$.user"),
    ],
)
def test_an_order_to_identify_that_cannot_be_used_is_refused_by_its_path(raw: dict[str, str], path: str) -> None:
    found = decode_control(json.dumps(raw).encode())
    assert isinstance(found, Rejection)
    assert found.path == path


def test_events_of_joined_ids_are_the_users_own_from_the_order_on() -> None:
    admission = Admission(AdmissionRules())
    taking = intake(admission)
    before = taking.prepare([[event(0, user="v1")]])
    batch = taking.prepare([[event(1, user="v1"), event(2, user="ann")], [identify(7)]])
    assert [each.user_id for each in before.events + batch.events] == ["v1", "ann", "ann"]
    assert batch.histories[0] == Identified(0, 7, "ann", ("v1",))
    assert [list(part) for part in batch.histories[1:]] == [["ann"]]
    assert (outcomes(batch), batch.identities) == (["joined"], 1)
    assert outcomes(taking.prepare([[identify(8), identify(9, "v1", "bob")]])) == ["repeated", "taken"]


def test_an_erasure_takes_all_ids_along_and_later_orders_of_the_same_poll_know_it() -> None:
    admission = Admission(AdmissionRules())
    taking = intake(admission)
    admission.admit(Event(0, "v1", "tea", NOW / 1000, event_id="e1"), NOW / 1000, False)
    admission.admit(Event(0, "ann", "tea", NOW / 1000, event_id="e2"), NOW / 1000, False)
    gone = order(2, Erase("r", "v1"), NOW + 1_000)
    batch = taking.prepare([[identify(1), gone, identify(3), identify(4, "v2", "ann"), identify(5, "v2", "bob")]])
    assert batch.orders[1].users == ("ann", "v1")
    assert batch.orders[1].dedupe_entries == 2
    assert outcomes(batch) == ["joined", "erased", "erased", "joined"]
    assert batch.histories == [
        Identified(0, 1, "ann", ("v1",)),
        Erased(0, 2, "ann", "r", ("v1",)),
        Identified(0, 5, "bob", ("v2",)),
    ]
    late = taking.prepare([[event(6, user="v1", event_id="e3")]])
    assert late.outcomes == {"erased": 1}
