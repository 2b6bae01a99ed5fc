"""Writes the report that `sluicegate items` begins with, from the findings about a file of items."""

from __future__ import annotations

import difflib
import shlex
from typing import Any, Final

import msgspec

from models.records import encode_item
from streaming.files.catalogues.item_columns import ATTRIBUTE, ITEM_NAMES
from streaming.files.layout import Layout
from streaming.files.report import on_values, passed_over
from streaming.files.survey import Survey
from streaming.mappings import plain, suiting_items

_SHOWN = 10
_ALIKE = 0.8

_PICTURE: Final = "image_url"
"""The attribute that pages, scripts and the widget take pictures from."""

_PICTURES: Final = (
    *("imageurl", "imagelink", "imagesrc", "pictureurl", "picturelink", "photourl", "imgurl", "mainimage", "image"),
    *("picture", "photo", "img", "images", "pictures", "photos", "bild", "foto", "thumbnail", "thumbnailurl"),
)
"""What catalogues call it, the likeliest first."""


def items_report(survey: Survey, layout: Layout) -> str:
    """The report as text: what was recognized, a sample, counts, what was left out, what to change."""
    read = ", ".join(ours if ours == theirs else f"{ours} from {theirs}" for ours, theirs in survey.fields.items())
    lines = [
        f"{survey.file}: {survey.form}; {survey.rows:,} rows: {survey.items:,} items, {survey.refused:,} rows refused",
        f"  fields: {read}",
    ]
    if survey.sample:
        lines.append(f"  line {survey.sample['line']} is read as {survey.sample['item_id']}: {_sample(survey)}")
    for what, counts in (("facts", survey.facts), ("attributes", survey.attributes)):
        said = ", ".join(f"{name} {count:,}" for name, count in counts.most_common())
        lines.append(f"  {what}: {said or 'none'}")
    for name, count in survey.left_out.most_common(_SHOWN):
        line, found = survey.examples[name]
        lines.append(f"  left out: {name} of {count:,} rows, first at line {line}: {_cut(found)}")
    if len(survey.left_out) > _SHOWN:
        lines.append(f"  left out as well: {', '.join(sorted(survey.left_out)[_SHOWN:])}")
    lines += passed_over(survey)
    for reason, count in survey.reasons.most_common(_SHOWN):
        lines.append(f"  refused: {count:,} rows, {reason.split(': expected')[0]}")
    return "\n".join(lines + [f"  ! {text}" for text in items_advice(survey, layout)])


def items_advice(survey: Survey, layout: Layout) -> list[str]:
    """What could be wrong with the reading, and the flag that changes it."""
    name = "" if layout.preset else suiting_items(survey.names)
    found = [f"this looks like a catalogue of {name}: --preset {name} knows its fields"] if name else []
    found += on_values(survey, layout)
    found += [text for attribute in survey.attributes if (text := _on_name(attribute, survey))]
    found += _on_picture(survey)
    if survey.repeated:
        found.append(f"{survey.repeated:,} rows name an item that came before: the last row of an item counts")
    if survey.items and not survey.facts:
        found.append("no fact is read of any item: name the columns, for example --column NAME=category")
    return found


def items_document(survey: Survey, layout: Layout) -> dict[str, Any]:
    """The report for scripts."""
    sample = survey.sample
    return {
        "form": survey.form,
        "fields": survey.fields,
        "rows": survey.rows,
        "items": survey.items,
        "refused": survey.refused,
        "skipped": dict(survey.skipped),
        "facts": dict(survey.facts),
        "attributes": dict(survey.attributes),
        "left_out": dict(survey.left_out),
        "repeated": survey.repeated,
        "sample": {"line": sample["line"], "item_id": sample["item_id"], "facts": msgspec.Raw(_sample(survey).encode())}
        if sample
        else {},
        "advice": items_advice(survey, layout),
    }


def _sample(survey: Survey) -> str:
    return encode_item(survey.sample["facts"]).decode()


def _on_name(attribute: str, survey: Survey) -> str:
    """Whether an attribute is spelled almost like a fact that the file does not have."""
    free = {plain(name): name for name in ITEM_NAMES if name not in survey.fields}
    near = difflib.get_close_matches(plain(attribute), free, n=1, cutoff=_ALIKE)
    if not near:
        return ""
    flag = shlex.quote(f"{attribute}={free[near[0]]}")
    return f"{attribute!r} is kept as an attribute: if it is the {free[near[0]]}, add --column {flag}"


def _on_picture(survey: Survey) -> list[str]:
    """Which attribute looks like the address of a picture, where none is called as pages look for it."""
    if _PICTURE in survey.attributes:
        return []
    likely = min((name for name in survey.attributes if plain(name) in _PICTURES), key=_likeliest, default=None)
    if likely is None:
        return []
    flag = shlex.quote(f"{likely}={ATTRIBUTE}{_PICTURE}")
    return [f"{likely!r} is kept as an attribute: if it is the address of a picture, add --column {flag}"]


def _likeliest(name: str) -> int:
    return _PICTURES.index(plain(name))


def _cut(text: str) -> str:
    return repr(text) if len(text) < 60 else f"{text[:60]!r}..."


__all__ = ["items_advice", "items_document", "items_report"]
