"""Records of another shape and a mapping in; what each record would become, and what could be wrong, out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from models.records import Event, EventMapping, ItemFacts, Mentioned, Rejection, encode, encode_item, named
from streaming.files.layout import Layout
from streaming.files.report import as_document
from streaming.files.report import report as report_of
from streaming.files.survey import Survey


class Sampled(Protocol):
    """A record as somebody has it: of a topic, of a file, or pasted."""

    @property
    def place(self) -> str:
        """Where it stands, in words."""
        ...

    @property
    def key(self) -> bytes | None:
        """Its key."""
        ...

    @property
    def value(self) -> bytes | None:
        """Its value."""
        ...

    @property
    def timestamp(self) -> float:
        """Kafka's time of it, epoch milliseconds."""
        ...


def tried(name: str, mapping: EventMapping, samples: Sequence[Sampled], ahead: float) -> dict[str, Any]:
    """What each record becomes by a mapping; counts by outcome.

    Args:
        name: What to call the mapping.
        mapping: How the fields of the records are named.
        samples: The records.
        ahead: Epoch seconds; events later than that are too far in the future to be learned.
    """
    survey = Survey(name, "records of a topic", {field: mapping.place(field) for field in mapping.paths})
    records: list[dict[str, Any]] = []
    known: dict[str, set[str]] = {}
    for number, sample in enumerate(samples, 1):
        left_out, skipped = Counter[str](), Counter[str]()
        mentioned = Mentioned()
        answers = mapping.events(sample.value, sample.key, sample.timestamp, left_out, mentioned, skipped)
        said = mentioned.take_by_item()
        for item, facts in said.items():
            survey.items += item not in known
            survey.facts.update(name for name in named(facts) if name not in known.get(item, ()))
            known.setdefault(item, set()).update(named(facts))
        survey.see(number, answers, ahead)
        survey.skipped.update(skipped)
        why = " or ".join(skipped) if skipped.total() == answers.count(None) else ""
        for field in left_out:
            survey.leave_out(field, number, mapping.place(field))
        several = len(answers) > 1
        for part, answer in enumerate(answers, 1):
            place = f"{sample.place}, event {part} of {len(answers)}" if several else sample.place
            records.append(_result(place, answer, said, () if several else left_out, why))
    counted = {outcome: sum(outcome in each for each in records) for outcome in ("event", "refusal")}
    layout = Layout(default_type=mapping.default_type, constants=dict(mapping.constants), preset=name)
    return {
        "report": report_of(survey, layout),
        "file_report": as_document(survey, layout),
        "topic": name,
        "events": counted["event"],
        "ignored": len(records) - sum(counted.values()),
        "refused": counted["refusal"],
        "unread": list(mapping.unread),
        "records": records,
    }


def _result(
    place: str, answer: Any, said: Mapping[str, ItemFacts], left_out: Iterable[str], why: str
) -> dict[str, Any]:
    if isinstance(answer, Event):
        found = {"at": place, "event": json.loads(encode(answer))}
        if (facts := said.get(answer.item_id or "")) is not None:
            found["facts"] = json.loads(encode_item(facts))
        return found | {"left_out": list(left_out)} if left_out else found
    if isinstance(answer, Rejection):
        fields = ("reason", "path", "expected", "found")
        return {"at": place, "refusal": {name: getattr(answer, name) for name in fields}}
    return {"at": place} | ({"skipped": why} if why else {})


__all__ = ["Sampled", "tried"]
