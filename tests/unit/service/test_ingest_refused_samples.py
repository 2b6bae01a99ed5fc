"""Refusals are grouped by what was sent, reason and field, within a bound."""

from __future__ import annotations

from service.http import EventOutcome, ItemOutcome
from service.ingest.refused_samples import MOST, RefusedSamples


def refused(path: str, found: str = "nothing") -> EventOutcome:
    return EventOutcome(0, "rejected", "wrong_type", path, "a string", found)


def test_keys_of_maps_and_places_in_lists_are_not_told_apart() -> None:
    samples = RefusedSamples()
    samples.note(
        "events", [refused('$.context["ann@example.org"]'), refused('$.context["]\\"x]" of 90 characters]')], 1.0
    )
    samples.note(
        "events", [refused("$.lines[7].sku", "1"), EventOutcome(1, "accepted"), refused("$.lines[8].sku", "2")], 2.0
    )
    found = samples.newest(values=True)
    assert [(each.field, each.count, each.last, each.found) for each in found] == [
        ("$.lines[].sku", 2, 2.0, "2"),
        ("$.context[]", 2, 1.0, "nothing"),
    ]
    assert [each.found for each in samples.newest(values=False)] == [None, None]


def test_the_kinds_seen_last_are_kept() -> None:
    samples = RefusedSamples()
    samples.note("items", [ItemOutcome(0, "rejected", "", "empty", "$", "an object", "no bytes")], 0.0)
    for number in range(MOST):
        samples.note("events", [refused("$.first"), refused(f"$.f{number}")], float(number))
    kept = samples.newest(values=True)
    assert len(kept) == MOST
    assert ("$.first", MOST) in {(each.field, each.count) for each in kept}
    assert "items" not in {each.sent for each in kept}
