"""In: what was found while a file was read. Out: the report that every command about a file begins with."""

from __future__ import annotations

import re
import shlex
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from models.records import KINDS, ODD_IDS, ROUNDED_IDS, ROUNDED_TIMES, WHOLE_IDS, encode, encode_item
from streaming.files.encodings import proposed
from streaming.files.hints import column_for, flags, or_day_first, time_for, type_for
from streaming.files.layout import NO_TYPE, Layout
from streaming.files.survey import Survey
from streaming.mappings import suiting

_SHOWN: Final = 10


def report(survey: Survey, layout: Layout) -> str:
    """The report as text: what was recognized, a sample, counts, what was left out, what to change."""
    rows = (
        f"{survey.file}: {survey.form}; {survey.rows:,} rows: {survey.events:,} events, {survey.passed:,} passed over, "
        f"{survey.refused:,} refused"
    )
    lines = [rows]
    lines += _fields(survey)
    if survey.sample:
        lines.append(f"  line {survey.sample['line']} is read as {_sample(survey)}")
    if survey.events:
        lines.append(f"  types: {_types(survey)}")
        lines.append(f"  times: {_moment(survey.earliest)} to {_moment(survey.latest)}")
    facts = ", ".join(f"{name} {count:,}" for name, count in survey.facts.items())
    if survey.items or not survey.form.startswith("records"):
        lines.append(f"  facts of {survey.items:,} items" + (f": {facts}" if facts else ""))
    if survey.listed:
        lines.append(f"  {survey.listed_found:,} of {survey.listed:,} items of the file about items occur")
    for name, count in survey.left_out.most_common():
        line, found = survey.examples[name]
        lines.append(f"  left out: {name} of {count:,} rows, first at line {line}: {_cut(found)}")
    lines += passed_over(survey)
    for reason, count in survey.reasons.most_common(_SHOWN):
        lines.append(f"  refused: {count:,} rows, {reason.split(': expected')[0]}")
    return "\n".join(lines + [f"  ! {text}" for text in advice(survey, layout)])


def passed_over(survey: Survey) -> list[str]:
    """How many rows are skipped for what a field of theirs says, a line for each reason."""
    return [f"  passed over: {count:,} because {why}" for why, count in survey.skipped.most_common(_SHOWN)]


def advice(survey: Survey, layout: Layout) -> list[str]:
    """What could be wrong with the reading, and the flag that changes it."""
    return [
        text
        for text in (
            _on_types(survey, layout),
            on_missing(survey, layout),
            _on_preset(survey, layout),
            _on_times(survey, layout),
            _on_zone(survey),
            _on_ahead(survey),
            _on_order(survey),
            _on_users(survey),
            _on_catalogue(survey),
            _on_repeats(survey),
            *on_values(survey, layout),
        )
        if text
    ]


def on_values(survey: Survey, layout: Layout) -> list[str]:
    """What could be wrong with ids, numbers and the encoding, in files of every kind."""
    found = (
        *_on_ids(survey),
        _on_numbers(survey, layout),
        _on_encoding(survey, layout),
        *survey.remarks.values(),
        _on_nothing(survey),
    )
    return [text for text in found if text]


def as_document(survey: Survey, layout: Layout) -> dict[str, Any]:
    """The report for scripts."""
    sample = {} if not survey.sample else {"line": survey.sample["line"], "event": msgspec.json.decode(_event(survey))}
    return {
        "form": survey.form,
        "fields": survey.fields,
        "unused": list(survey.unused),
        "rows": survey.rows,
        "events": survey.events,
        "passed": survey.passed,
        "skipped": dict(survey.skipped),
        "refused": survey.refused,
        "by_type": dict(survey.by_type),
        "types": dict(survey.types),
        "left_out": dict(survey.left_out),
        "facts": dict(survey.facts),
        "items": survey.items,
        "listed": survey.listed,
        "listed_found": survey.listed_found,
        "repeated": survey.repeated,
        "out_of_order": survey.moved,
        "ahead": survey.ahead,
        "sample": sample,
        "advice": advice(survey, layout),
    }


def _fields(survey: Survey) -> list[str]:
    read = ", ".join(ours if ours == theirs else f"{ours} from {theirs}" for ours, theirs in survey.fields.items())
    unused = f"; not used: {', '.join(survey.unused[:_SHOWN])}" if survey.unused else ""
    more = f" and {len(survey.unused) - _SHOWN} more" if len(survey.unused) > _SHOWN else ""
    return [f"  fields: {read}{unused}{more}"]


def _event(survey: Survey) -> bytes:
    return encode(survey.sample["event"])


def _sample(survey: Survey) -> str:
    facts = survey.sample["facts"]
    return _event(survey).decode() + (
        f", facts of its item: {encode_item(facts).decode()}" if facts is not None else ""
    )


def _types(survey: Survey) -> str:
    spelled = ", ".join(f"{word!r} {count:,}" for word, count in survey.types.most_common(_SHOWN)) or "by the mapping"
    ours = ", ".join(f"{count:,} {kind}" for kind, count in sorted(survey.by_type.items()))
    return f"{spelled}, read as {ours}"


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _cut(text: str) -> str:
    return repr(text) if len(text) < 60 else f"{text[:60]!r}..."


def _on_types(survey: Survey, layout: Layout) -> str:
    unknown = sorted({
        text.rsplit("found string ", 1)[-1].strip('"') for _, text in survey.refusals if "unknown_type" in text
    })
    if not unknown or layout.unknown_type is not None:
        return ""
    if survey.form.startswith("records"):
        return f"no type of ours is called {', '.join(map(repr, unknown))}: add them to the mapping's types"
    add = " ".join(f"--map {shlex.quote(f'{word}={type_for(word)}')}" for word in unknown)
    ours = f"ours: {', '.join(KINDS)}, {NO_TYPE}; --map '*={NO_TYPE}' leaves all others out"
    return f"no type of ours is called {', '.join(map(repr, unknown))}: add {add} ({ours})"


def on_missing(survey: Survey, layout: Layout) -> str:
    """Which fields nothing is read from, and the flags for them; "" for none."""
    needed = ["user_id", "timestamp"] if "query" in survey.fields else ["user_id", "item_id", "timestamp"]
    if layout.default_type is None:
        needed.append("event_type")
    missing = [field for field in needed if field not in survey.fields and field not in layout.constants]
    if not missing:
        return ""
    alike = ", or give all rows one type, for example with --type click" if "event_type" in missing else ""
    return f"nothing is read as {' or '.join(missing)}: try {flags(missing, survey.paths)}{alike}"


def _on_preset(survey: Survey, layout: Layout) -> str:
    name = "" if layout.preset else suiting(survey.names)
    return f"this looks like an export of {name}: --preset {name} knows its fields and types" if name else ""


def _on_times(survey: Survey, layout: Layout) -> str:
    rounded = survey.notes.counts["timestamp", ROUNDED_TIMES]
    if rounded:
        example = survey.notes.examples["timestamp", ROUNDED_TIMES]
        return f"{rounded:,} times are {ROUNDED_TIMES} ({example}): export the column as text"
    if not survey.unread_times:
        return ""
    form = time_for(survey.unread_times)
    if not form or form == layout.time:
        example = survey.unread_times[0]
        return f"times such as {example!r} cannot be read: say how they are written, as in --time '%d.%m.%Y %H:%M'"
    either = or_day_first(survey.unread_times, form)
    return f"times such as {survey.unread_times[0]!r} cannot be read: add --time {shlex.quote(form)}{either}"


def _on_zone(survey: Survey) -> str:
    if not survey.zoneless:
        return ""
    return (
        f"times such as {survey.zoneless} name no zone and are read as UTC here: add --zone UTC, or the shop's, for "
        "example --zone Europe/Berlin"
    )


def _on_ahead(survey: Survey) -> str:
    if not survey.ahead:
        return ""
    return (
        f"{survey.ahead:,} events are ahead of now, up to {_moment(survey.latest)}, and will not be learned: "
        "is the zone (--zone) or the unit (--time) another?"
    )


def _on_order(survey: Survey) -> str:
    return (
        f"{survey.moved:,} events are older than the one before them: they are sorted by time" if survey.moved else ""
    )


def _on_users(survey: Survey) -> str:
    without = survey.reasons["missing_field at $.user_id"]
    where = survey.fields.get("user_id")
    other = column_for("user_id", survey.paths)
    if not without or where is None or other is None:
        return ""
    both = shlex.quote(f"{where.replace(' or ', '|')}|{other}=user_id")
    return f"{without:,} rows have no user: --column {both} takes {other} where {where} is empty"


def _on_ids(survey: Survey) -> list[str]:
    texts = []
    for (field, remark), count in survey.notes.counts.items():
        example = survey.notes.examples[field, remark]
        if remark == WHOLE_IDS:
            texts.append(f"{count:,} values of {field} are {WHOLE_IDS}: {example} is {example[:-2]}")
        if remark == ODD_IDS:
            texts.append(f"{count:,} values of {field} are {ODD_IDS}: {example}. Others may look the same")
        if remark == ROUNDED_IDS:
            texts.append(
                f"{count:,} values of {field} look {ROUNDED_IDS} ({example}): different ones have become the same. "
                "Export the column as text"
            )
    return texts


def _on_nothing(survey: Survey) -> str:
    return "the file has names, and no rows below them" if survey.names and not survey.rows else ""


_TWO_WAYS: Final = re.compile(r"\D*\d{1,3}((,\d{3})+|\.\d{3})\D*")
"""Numbers whose comma or point may be that of decimals or of thousands."""


def _on_numbers(survey: Survey, layout: Layout) -> str:
    for name in ("price", "quantity", "item facts: price", "item facts: rating"):
        found = survey.examples.get(name)
        if found is not None and layout.decimal is None and _TWO_WAYS.fullmatch(found.found):
            return f"{name} such as {found.found!r} can be read in two ways: add --decimal ',' or --decimal ."
    return ""


def _on_catalogue(survey: Survey) -> str:
    if not survey.listed or survey.listed_found or not survey.events:
        return ""
    listed, seen = survey.listed_example
    return f"no item of the file about items occurs: ids there look like {listed!r}, here like {seen!r}"


def _on_encoding(survey: Survey, layout: Layout) -> str:
    if layout.encoding is not None or not (
        survey.not_utf8 or any("UTF-8" in found for _, found in survey.examples.values())
    ):
        return ""
    names = [f"--encoding {name}, with which it says {example!r}" for name, example in proposed(survey.file)]
    if not names:
        return "the file is not UTF-8: name its encoding, for example --encoding cp1252"
    return f"the file is not UTF-8: add {', or '.join(names)}"


def _on_repeats(survey: Survey) -> str:
    if not survey.repeated:
        return ""
    return (
        f"{survey.repeated:,} rows have an event_id that came before, and count once: if it is the order's, "
        f"leave it out with --column {shlex.quote(survey.fields.get('event_id', 'event_id'))}=none"
    )


__all__ = ["advice", "as_document", "on_missing", "on_values", "passed_over", "report"]
