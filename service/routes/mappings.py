"""Names the mappings of foreign records there are, and tries one on records that are pasted. Sends nothing."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from models.records import EventMapping
from service.context import Context
from service.http import (
    MappingAsk,
    MappingsAnswer,
    MappingTried,
    NamedMapping,
    Problem,
    TriedRecord,
    decode_body,
    operation,
)
from service.ingest import split
from service.routes.common import admit, answer, context
from streaming.files import Layout, Sample, SampleRows, on_mapping, presets, surveyed, tried

router = APIRouter(tags=["data"])


@router.get("/mappings", **operation("list_mappings", answer=MappingsAnswer))
async def list_mappings(request: Request) -> Response:
    """The mappings that records can be read by: those of the settings, then the presets."""
    admit(request, "read")
    settings = context(request).settings
    own = {each.called for each in settings.mapping}
    known = presets()
    return answer(
        MappingsAnswer([
            NamedMapping(name, name not in own, known[name].about if name not in own else "")
            for name in settings.mapping_names
        ])
    )


@router.post(
    "/mappings/try",
    **operation("try_mapping", body=MappingAsk, answer=MappingTried, needs="events", problems=("not-found",)),
)
async def try_mapping(request: Request) -> Response:
    """What pasted records become by a mapping, as `sluicegate check-mapping` says it: read, left out or refused."""
    admit(request, "events")
    ctx, ask = context(request), decode_body(await request.body(), MappingAsk)
    mapping = ctx.foreign.mapping(ask.mapping)
    return answer(await run_in_threadpool(_tried, ctx, ask, mapping))


def _tried(ctx: Context, ask: MappingAsk, mapping: EventMapping) -> MappingTried:
    now, key = ctx.clock(), ask.key.encode() if ask.key is not None else None
    most = ctx.settings.service.max_events_per_request
    raw = _records(ask.records)
    if len(raw) > most:
        detail = f"{len(raw)} records in one request; at most {most} are tried."
        raise Problem("too-large", detail, "Paste fewer: a few of each kind show what a mapping does.")
    samples = [Sample(f"record {number}", key, each, now * 1000) for number, each in enumerate(raw, 1)]
    how, secret = ctx.settings.how_called(ask.mapping)
    layout = on_mapping(Layout(hash_key=secret), how, ask.mapping)
    rows = SampleRows(ask.mapping, "records of a request", samples, mapping)
    ahead = now + ctx.settings.admission.max_future
    survey = surveyed(rows, layout, ctx.settings.events.rules(), ahead, one_by_one=True)
    found = tried(ask.mapping, mapping, layout, survey, samples)
    return MappingTried(
        ask.mapping,
        found["file_report"]["fields"],
        found["unread"],
        found["events"],
        found["ignored"],
        found["refused"],
        found["file_report"]["advice"],
        [_shown(each) for each in found["records"]],
    )


def _records(text: str) -> list[bytes]:
    """What was pasted, record by record: JSON, a list, or one a line where the first line is whole."""
    raw = text.encode()
    first, _, rest = raw.strip().partition(b"\n")
    lines = bool(rest.strip()) and first.strip().startswith(b"{") and first.strip().endswith(b"}")
    return split(raw, "application/x-ndjson" if lines else "application/json", "a record")


def _shown(record: dict[str, Any]) -> TriedRecord:
    if "event" in record:
        left_out, facts = record.get("left_out", []), record.get("facts")
        return TriedRecord(record["at"], "event", record["event"], left_out, facts=facts)
    if "refusal" in record:
        refusal = {name: text for name, text in record["refusal"].items() if name != "text"}
        return TriedRecord(record["at"], "refused", **refusal)
    return TriedRecord(record["at"], "ignored", found=record["skipped"])


__all__ = ["router"]
