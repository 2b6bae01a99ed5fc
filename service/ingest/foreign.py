"""Records of another shape in the body of a request in; events of ours, and what became of the others, out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from models.records import Event, EventMapping, ItemFacts, Mentioned, Rejection, encode
from service.http import EventOutcome, Problem
from streaming.settings import Settings

PARAMETER: Final = "mapping"
"""Query parameter with the name of a mapping."""

IGNORED: Final = "ignored"

PUBLIC_FACTS: Final = "facts: a public key says nothing of items; the shop's server, or its topics, may"
"""Warning of an event whose record describes its item, sent with a public key."""


class Translated(NamedTuple):
    """The events of some records.

    Attributes:
        events: Each event as JSON of ours.
        outcomes: One for each event and each record that is none, in the order of the request.
        places: Which of the outcomes is that of each event.
        items: The item of each event.
        said: What the records say of items, by item.
    """

    events: list[bytes]
    outcomes: list[EventOutcome]
    places: list[int]
    items: list[str | None]
    said: dict[str, ItemFacts]


class ForeignRecords:
    """The mappings that a request may name: those of the settings, and the presets."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._known: dict[str, EventMapping] = {}

    def mapping(self, name: str) -> EventMapping:
        """The mapping of this name. Raises Problem 404 with the names there are, 422 for one that cannot be used."""
        found = self._known.get(name)
        if found is not None:
            return found
        names = self._settings.mapping_names
        if name not in names:
            raise Problem(
                "not-found",
                f"There is no mapping {name[:80]!r}; there are {', '.join(names)}.",
                "Name one of them, or add a [[mapping]] with this name to the settings; docs/mapping.md shows how.",
            )
        try:
            return self._known.setdefault(name, self._settings.mapping_called(name))
        except ValueError as error:
            raise Problem(
                "invalid",
                f"The mapping {name!r} cannot be used with the event types of this installation: {error}.",
                "Make a [[mapping]] with this preset and other types.",
            ) from None


def translated(mapping: EventMapping, raw: Sequence[bytes], now: float, most: int) -> Translated:
    """Read records by a mapping.

    Args:
        mapping: How their fields are named.
        raw: One piece of JSON per record.
        now: Epoch seconds; stands for Kafka's time of the record.
        most: Events that one request may hold.

    Raises:
        Problem: 413 for more events than that.
    """
    found, mentioned = Translated([], [], [], [], {}), Mentioned()
    for index, each in enumerate(raw):
        left_out: dict[int, tuple[str, ...]] = {}
        answers = mapping.events(each, None, now * 1000, mentioned=mentioned, by_line=left_out)
        if len(found.outcomes) + len(answers) > most:
            raise Problem(
                "too-large",
                f"The records of this request hold more than {most} events.",
                "Send them in several requests, or a file with `sluicegate send`.",
            )
        for part, answer in enumerate(answers, 1):
            outcome = EventOutcome(index, IGNORED, part=part if len(answers) > 1 else 0)
            if isinstance(answer, Rejection):
                outcome.outcome = "rejected"
                outcome.reason, outcome.path = answer.reason, answer.path
                outcome.expected, outcome.found = answer.expected, answer.found
            elif isinstance(answer, Event):
                outcome.left_out = left_out.get(part - 1, ())
                found.places.append(len(found.outcomes))
                found.events.append(encode(answer))
                found.items.append(answer.item_id)
            found.outcomes.append(outcome)
    found.said.update(mentioned.take_by_item())
    return found


def send_translated(
    found: Translated,
    send: Callable[[Sequence[bytes]], list[EventOutcome]],
    complete: Callable[[Mapping[str, ItemFacts]], Mapping[str, str]],
) -> list[EventOutcome]:
    """Send the events of some records, and then what they say of their items; the outcomes of everything.

    Args:
        found: What the records are translated to.
        send: Sends events.
        complete: Sends facts by item; gives a warning for each item of which it did not.

    Raises:
        KafkaUnavailable: Kafka has none of the events.
    """
    sent = send(found.events) if found.events else []
    lost = complete(found.said) if found.said else {}
    for place, item, outcome in zip(found.places, found.items, sent, strict=True):
        if item is not None and item in lost and outcome.outcome == "accepted" and not outcome.warning:
            outcome.warning = lost[item]
        before = found.outcomes[place]
        outcome.index, outcome.part = before.index, before.part
        outcome.left_out = (*before.left_out, *outcome.left_out)
        found.outcomes[place] = outcome
    return found.outcomes


__all__ = ["IGNORED", "PARAMETER", "PUBLIC_FACTS", "ForeignRecords", "Translated", "send_translated", "translated"]
