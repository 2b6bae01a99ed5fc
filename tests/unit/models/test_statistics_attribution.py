"""What came of slates: whose version an event counts for, in whatever order both arrive, within bounds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from models.records.events import CLICK, IMPRESSION, PURCHASE
from models.records.slates import MAX_SLATE_BYTES, SlateRecord, decode_slate, encode_slate
from models.statistics import attribution
from models.statistics.attribution import Attribution


def slate(number: int, sequence: int = 1, *items: str) -> SlateRecord:
    return SlateRecord(f"r{number}", float(number), list(items) or ["tea", "mug"], sequence=sequence)


def test_a_rate_is_the_share_of_slates_that_an_event_followed_however_many() -> None:
    seen = Attribution()
    for number in range(4):
        seen.slate(slate(number))
    for item in ("tea", "mug", "tea"):
        seen.event("r0", CLICK, item)
    seen.event("r1", CLICK, "tea")
    seen.event("r1", PURCHASE, "tea")
    assert seen.current.rate(CLICK) == 0.5
    assert seen.current.rate(PURCHASE) == 0.25
    assert seen.events["current"][CLICK] == 4
    assert (seen.slates, seen.current.slates) == (4, 4)


def test_an_item_that_did_not_stand_on_the_slate_is_counted_apart() -> None:
    seen = Attribution()
    seen.slate(slate(1))
    seen.event("r1", PURCHASE, "pot")
    assert seen.elsewhere == 1
    assert seen.current.rate(PURCHASE) == 0.0


def test_versions_are_counted_in_groups_that_keep_their_slates() -> None:
    seen = Attribution(group=3)
    for number in range(9):
        seen.slate(slate(number, sequence=number))
    # 0 to 2, 3 to 5, 6 to 8: a version that changes before its group has three slates stays in it.
    assert [(g.first, g.last, g.slates) for g in (seen.previous, seen.current)] == [(3, 5, 3), (6, 8, 3)]
    assert [seen.event(f"r{number}", CLICK, "tea") for number in (0, 4, 8)] == ["older", "previous", "current"]
    assert (seen.previous.rate(CLICK), seen.current.rate(CLICK)) == (1 / 3, 1 / 3)
    seen.slate(slate(9, sequence=8))
    assert seen.current.slates == 4, "a version is never split over two groups"
    seen.slate(slate(10, sequence=2))
    assert (seen.current.first, seen.previous.first) == (2, 6), "a rollback begins a group as well"


def test_events_that_come_before_their_slate_wait_for_it_and_are_given_up_after_two_ages() -> None:
    seen = Attribution()
    assert seen.event("r1", CLICK, "tea") == ""
    seen.age()
    seen.event("r2", IMPRESSION, "tea")
    seen.slate(slate(1))
    assert seen.events["current"][CLICK] == 1
    seen.age()
    assert seen.events["unknown"][IMPRESSION] == 0
    seen.age()
    assert seen.events["unknown"][IMPRESSION] == 1
    seen.slate(slate(2))
    assert seen.events["current"][IMPRESSION] == 0, "given up is given up: nothing counts twice"


def test_a_slate_that_was_counted_in_another_life_still_takes_its_events() -> None:
    seen = Attribution()
    seen.slate(slate(1), counted=False)
    assert seen.event("r1", CLICK, "tea") == "older"
    assert (seen.slates, seen.current.slates) == (0, 0)


def test_what_is_remembered_is_bounded() -> None:
    seen = Attribution(window=10)
    for number in range(100):
        seen.slate(slate(number))
    assert len(seen._shown) == 10
    assert seen.event("r99", CLICK, "tea") == "current"
    for number in range(3 * attribution.WAITING):
        seen.event(f"nobody {number}", CLICK, "tea")
    for _ in range(3 * attribution.EACH):
        seen.event("one and the same", CLICK, "tea")
    held = sum(len(waiting) for part in (seen._waiting, seen._waited) for waiting in part.values())
    assert held <= 2 * attribution.WAITING + 2 + attribution.EACH
    seen.age()
    seen.age()
    assert seen.events["unknown"][CLICK] == 3 * attribution.WAITING + 3 * attribution.EACH


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.sampled_from(["tea", "mug", "pot"])), max_size=40))
def test_totals_do_not_depend_on_whether_slates_or_events_come_first(told: list[tuple[int, bool, str]]) -> None:
    slates = [slate(number) for number in range(5)]
    events = [(f"r{number}", PURCHASE if bought else CLICK, item) for number, bought, item in told]
    first, last = Attribution(), Attribution()
    for each in slates:
        first.slate(each)
    for event in events:
        first.event(*event)
        last.event(*event)
    for each in slates:
        last.slate(each)
    for seen in (first, last):
        seen.age()
        seen.age()
    assert first.events == last.events
    assert first.elsewhere == last.elsewhere
    assert first.current == last.current


@given(st.binary(max_size=60))
def test_whatever_the_topic_holds_is_a_slate_or_none(raw: bytes) -> None:
    found = decode_slate(raw)
    assert found is None or isinstance(found, SlateRecord)


def test_a_slate_comes_back_as_it_was_written() -> None:
    written = SlateRecord(
        "5f", 1.5, ["tea"], "ann", "12-a", 12, "ranker", [0.5], 0.25, {"device": "phone", "hour": 3.0}
    )
    assert decode_slate(encode_slate(written)) == written
    assert decode_slate(b" " * MAX_SLATE_BYTES + b"{}") is None


def test_slates_and_what_followed_are_counted_by_scenario_and_unknown_ones_together() -> None:
    seen = Attribution(scenarios=["cart"])
    for request, scenario in (("1", "cart"), ("2", "cart"), ("3", None), ("4", "gone"), ("5", "lost")):
        seen.slate(SlateRecord(request, 1.0, ["tea"], scenario=scenario))
    seen.slate(SlateRecord("6", 1.0, ["tea"], scenario="cart"), counted=False)
    for request in ("1", "1", "4", "6"):
        seen.event(request, 0, "tea")
    assert seen.segments == {}
    assert {name: (group.slates, group.rate(0)) for name, group in seen.scenarios.items()} == {
        "cart": (2, 0.5), "none": (1, 0.0), "other": (2, 0.5),
    }  # fmt: skip


def test_slates_are_counted_by_the_segments_that_their_requests_name() -> None:
    seen = Attribution(segments=["tier:gold", "age:3", "tier:silver"])
    for request, context in (
        ("1", {"tier": "gold", "age": "3"}),
        ("2", {"tier": "gold"}),
        ("3", {"tier": "tin"}),
        ("4", None),
    ):
        seen.slate(SlateRecord(request, 1.0, ["tea"], context=context))
    for request in ("1", "3", "4"):
        seen.event(request, 0, "tea")
    assert {name: (group.slates, group.followed[0]) for name, group in seen.segments.items()} == {
        "tier:gold": (2, 1), "age:3": (1, 1), "tier:silver": (0, 0),
    }  # fmt: skip


def test_a_slate_is_in_a_segment_once_whether_its_request_or_its_user_says_so() -> None:
    seen = Attribution(segments=["tier:gold", "orders>3"])
    gold = {"tier": "gold"}
    seen.slate(SlateRecord("1", 1.0, ["tea"], context=gold, segments=["tier:gold", "orders>3"]))
    seen.slate(SlateRecord("2", 1.0, ["tea"], segments=["tier:gold", "gone:by"]))
    seen.event("1", 0, "tea")
    assert {name: (group.slates, group.followed[0]) for name, group in seen.segments.items()} == {
        "tier:gold": (2, 1), "orders>3": (1, 1),
    }  # fmt: skip
