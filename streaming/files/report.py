"""Writes the report that every command about a file begins with, from the findings of the survey."""

from __future__ import annotations

import difflib
import json
import re
import shlex
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from models.records import KEY, KINDS, ODD_IDS, ROUNDED_IDS, ROUNDED_TIMES, TIME, WHOLE_IDS, encode, encode_item
from streaming.files.columns import MAIL_IDS
from streaming.files.encodings import proposed
from streaming.files.hints import column_for, flags, or_day_first, other_order, time_for, type_for
from streaming.files.item_facts import NOT_UTF8_LINE, not_utf8
from streaming.files.layout import NO_TYPE, Layout, literal
from streaming.files.survey import Survey
from streaming.mappings import suiting

_SHOWN: Final = 10
_MOST_TYPES: Final = 20
_ALIKE: Final = 0.6


def report(survey: Survey, layout: Layout) -> str:
    """The report as text: what was recognized, a sample, counts, what was left out, what to change."""
    unit, place = _unit(survey), "line" if survey.from_file else "record"
    lines = [f"{survey.file}: {survey.form}; {_counts(survey)}"]
    lines += _fields(survey)
    if survey.sample:
        lines.append(f"  {place} {survey.sample['line']} is read as {_sample(survey)}")
    if survey.events:
        lines.append(f"  types: {_types(survey)}")
    lines += _unlisted(survey, layout)
    if survey.events:
        lines.append(f"  times: {_moment(survey.earliest)} to {_moment(survey.latest)}")
    facts = ", ".join(f"{name} {count:,}" for name, count in survey.facts.items())
    if survey.items or not survey.one_by_one:
        lines.append(f"  facts of {survey.items:,} items" + (f": {facts}" if facts else ""))
    if survey.listed:
        lines.append(f"  {survey.listed_found:,} of {survey.listed:,} items of the file about items occur")
    for name, count in survey.filled.items():
        lines.append(f"  filled: {name} of {count:,} rows, from the row above of the same {_key_of(name, layout)}")
    for name, count in survey.left_out.most_common():
        line, found = survey.examples[name]
        lines.append(f"  left out: {name} of {count:,} {unit}, first at {place} {line}: {_cut(found)}")
    lines += passed_over(survey)
    for reason, count in survey.reasons.most_common(_SHOWN):
        lines.append(f"  refused: {count:,} {unit}, {reason.split(': expected')[0]}")
    return "\n".join(lines + [f"  ! {text}" for text in advice(survey, layout)])


def _key_of(name: str, layout: Layout) -> str:
    return next(key for key, columns in layout.fill.items() if name in columns)


def _unit(survey: Survey) -> str:
    """What is counted: rows, or the lines of the list that each of them holds."""
    return "lines" if survey.lists else "rows"


def passed_over(survey: Survey) -> list[str]:
    """How many rows are skipped for what a field of theirs says, a line for each reason."""
    unit = _unit(survey)
    return [f"  passed over: {count:,} {unit} because {why}" for why, count in survey.skipped.most_common(_SHOWN)]


def advice(survey: Survey, layout: Layout) -> list[str]:
    """What could be wrong with the reading, and the flag that changes it."""
    return [
        text
        for text in (
            _on_types(survey, layout),
            _on_flags(survey, layout),
            on_missing(survey, layout),
            _on_preset(survey, layout),
            _on_times(survey, layout),
            _on_zone(survey, layout),
            _on_ahead(survey),
            _on_order(survey),
            _on_users(survey),
            _on_mail(survey, layout),
            _on_catalogue(survey),
            _on_repeats(survey, layout),
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
        *_on_absent(survey),
        *_on_unmatched(survey),
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
        "unlisted": {word: survey.types[word] for word in survey.unlisted},
        "absent": survey.absent,
        "filled": dict(survey.filled),
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


def _counts(survey: Survey) -> str:
    lines = f", {survey.lines:,} lines of {survey.lists}" if survey.lists else ""
    return (
        f"{survey.rows:,} rows{lines}: {survey.events:,} events, {survey.passed:,} passed over, "
        f"{survey.refused:,} refused"
    )


def _fields(survey: Survey) -> list[str]:
    read = ", ".join(ours if ours == theirs else f"{ours} from {theirs}" for ours, theirs in survey.fields.items())
    unused = f"; not used: {', '.join(map(_written, survey.unused[:_SHOWN]))}" if survey.unused else ""
    more = f" and {len(survey.unused) - _SHOWN} more" if len(survey.unused) > _SHOWN else ""
    return [f"  fields: {read}{unused}{more}"]


def _written(name: str) -> str:
    """A name as the shop reads it, and as a mapping has to write it where that differs."""
    typed = literal(name)
    return name if typed == name else f"{name} (in a mapping {typed!r})"


def _to_change(survey: Survey, layout: Layout, flag: str, key: str) -> str:
    """What to add: a flag, or the key of the mapping that is used, or either of them."""
    if survey.one_by_one:
        return f"add {key}"
    return f"add {flag}, or {key}" if layout.preset else f"add {flag}"


def _quoted(word: str) -> str:
    return json.dumps(word, ensure_ascii=False)


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


def _unlisted(survey: Survey, layout: Layout) -> list[str]:
    """Types of the file that a mapping does not list, what becomes of them, and how to read one."""
    words = sorted(survey.unlisted, key=lambda word: -survey.types[word])
    if not words:
        return []
    named = ", ".join(f"{word!r} {survey.types[word]:,}" for word in words[:_SHOWN])
    more = f" and {len(words) - _SHOWN:,} more" if len(words) > _SHOWN else ""
    became = "left out" if layout.unknown_type == NO_TYPE else f"read as {layout.unknown_type}"
    if not layout.preset:
        return [f"  types that no --map names, {became}: {named}{more}"]
    kind = type_for(words[0])
    flag, key = f"--map {shlex.quote(f'{words[0]}={kind}')}", f"{_quoted(words[0])} = {_quoted(kind)} to [types]"
    change = _to_change(survey, layout, flag, key)
    return [f"  types that are not in [types], {became}: {named}{more}. To read one {change}"]


def _on_types(survey: Survey, layout: Layout) -> str:
    unknown = sorted(survey.unmapped)[:_MOST_TYPES]
    if not unknown:
        return ""
    more = f" and {len(survey.unmapped) - _MOST_TYPES:,} more" if len(survey.unmapped) > _MOST_TYPES else ""
    none = f"no type of ours is called {', '.join(map(repr, unknown))}{more}"
    add = " ".join(f"--map {shlex.quote(f'{word}={type_for(word)}')}" for word in unknown)
    keys = ", ".join(f"{_quoted(word)} = {_quoted(type_for(word))}" for word in unknown) + " to [types]"
    ours = f"ours: {', '.join(KINDS)}, {NO_TYPE}"
    others = "" if survey.one_by_one else f"; --map '*={NO_TYPE}' leaves all others out"
    return f"{none}: {_to_change(survey, layout, add, keys)} ({ours}{others})"


def _on_flags(survey: Survey, layout: Layout) -> str:
    """Which types flags name that no row has."""
    seen = {str(word).strip().casefold() for word in survey.types}
    absent = [word for word in layout.flagged if word.strip().casefold() not in seen]
    if not absent or not seen:
        return ""
    there = ", ".join(f"{word!r} {count:,}" for word, count in survey.types.most_common(_SHOWN))
    return f"no row has the type {' or '.join(map(repr, absent))}, which --map names; there are {there}"


def on_missing(survey: Survey, layout: Layout) -> str:
    """Which fields nothing is read from, and the flags for them; "" for none."""
    needed = ["user_id", "timestamp"] if "query" in survey.fields else ["user_id", "item_id", "timestamp"]
    if layout.default_type is None:
        needed.append("event_type")
    missing = [field for field in needed if field not in survey.fields and field not in layout.constants]
    of_record = [f"{field} = {text}" for field, text in survey.fields.items() if text in {KEY, TIME}]
    if of_record and not survey.one_by_one:
        return f"{' and '.join(of_record)} is of a record in Kafka, which a row of a file has not: name a field of it"
    if not missing:
        return ""
    if survey.one_by_one:
        keys = (f"{field} = {_quoted(column_for(field, survey.paths) or 'a.b')}" for field in missing)
        return f"nothing is read as {' or '.join(missing)}: try {', '.join(keys)} in [fields]"
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
    example = survey.unread_times[0]
    if survey.one_by_one and _names_no_zone(example):
        return f"times such as {example} name no zone, and are refused: {_zone(survey, layout)}"
    form = time_for(survey.unread_times)
    if not form or form == layout.time:
        either = _to_change(survey, layout, "--time '%d.%m.%Y %H:%M'", 'time = "%d.%m.%Y %H:%M" to the mapping')
        return f"times such as {example!r} cannot be read: say how they are written, for example {either}"
    change = _to_change(survey, layout, f"--time {shlex.quote(form)}", f"time = {_quoted(form)} to the mapping")
    either = "" if survey.one_by_one else or_day_first(survey.unread_times, form)
    if survey.one_by_one and (other := other_order(survey.unread_times, form)):
        either = f", or time = {_quoted(other)} where the day comes first"
    return f"times such as {example!r} cannot be read: {change}{either}"


def _names_no_zone(text: str) -> bool:
    if text.replace(".", "").isdigit():
        return False
    try:
        return datetime.fromisoformat(text.strip()).tzinfo is None
    except ValueError:
        return False


def _zone(survey: Survey, layout: Layout) -> str:
    shop = "or the shop's, for example"
    if survey.one_by_one:
        return f'add zone = "UTC", {shop} zone = "Europe/Berlin", to the mapping'
    key = ' (zone = "Europe/Berlin" in a mapping)' if layout.preset else ""
    return f"add --zone UTC, {shop} --zone Europe/Berlin{key}"


def _on_zone(survey: Survey, layout: Layout) -> str:
    if not survey.zoneless:
        return ""
    return f"times such as {survey.zoneless} name no zone and are read as UTC here: {_zone(survey, layout)}"


def _on_ahead(survey: Survey) -> str:
    if not survey.ahead:
        return ""
    keys = "zone or time of the mapping" if survey.one_by_one else "the zone (--zone) or the unit (--time)"
    return (
        f"{survey.ahead:,} events are ahead of now, up to {_moment(survey.latest)}, and will not be learned: "
        f"is {keys} another?"
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


def _on_mail(survey: Survey, layout: Layout) -> str:
    count = survey.notes.counts["user_id", MAIL_IDS]
    if not count:
        return ""
    change = _to_change(survey, layout, "--hash-ids KEYFILE", 'user_id = ["hash"] to [transforms] (docs/mapping.md)')
    return f"{count:,} user ids are {MAIL_IDS}: to use keyed hashes in their place, {change}"


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


def _on_absent(survey: Survey) -> list[str]:
    """Paths of a mapping of the shop's own that nothing is read from."""
    if not survey.places:
        return []
    texts = []
    for path, what in survey.absent.items():
        near = difflib.get_close_matches(path, survey.places, n=3, cutoff=_ALIKE) or survey.places[:_SHOWN]
        why = f"which {what} names" if what.startswith("[") else f"from which {what} is to be read"
        texts.append(f"no record has {path}, {why}; known: {', '.join(near)}")
    return texts


def _on_unmatched(survey: Survey) -> list[str]:
    """Values of a [skip] of the shop's own that leave nothing out."""
    texts = []
    for path, values in survey.unmatched.items():
        words = sorted(survey.skip_words.get(path, {}).items(), key=lambda each: -each[1])
        if values and words:
            known = ", ".join(f"{word!r} {count:,}" for word, count in words[:_SHOWN])
            named = " or ".join(map(repr, sorted(values)))
            texts.append(f"no record has {named} at {path}, which [skip] names; known: {known}")
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
    if layout.encoding is not None or not survey.from_file:
        return ""
    said = [found for _, found in survey.examples.values()]
    words = [word for words in survey.skip_words.values() for word in words]
    if not (survey.not_utf8 or survey.reasons[NOT_UTF8_LINE] or "UTF-8" in " ".join(said) or any(map(not_utf8, words))):
        return ""
    names = [f"--encoding {name}, with which it says {example!r}" for name, example in proposed(survey.file)]
    if not names:
        return "the file is not UTF-8: name its encoding, for example --encoding cp1252"
    return f"the file is not UTF-8: add {', or '.join(names)}"


def _on_repeats(survey: Survey, layout: Layout) -> str:
    if not survey.repeated:
        return ""
    column = "event_id" if layout.preset else survey.fields.get("event_id", "event_id")
    change = _to_change(survey, layout, f"--column {shlex.quote(column)}=none", 'event_id = "none" to [fields]')
    return (
        f"{survey.repeated:,} rows have an event_id that came before, and count once: if it is the order's, leave it "
        f"out: {change}"
    )


__all__ = ["advice", "as_document", "on_missing", "on_values", "passed_over", "report"]
