"""Describes the champion: version, age, size, place in the stream, scores."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from msgspec import structs
from starlette.responses import Response

from service.http import ModelAnswer, Score, operation
from service.routes.common import admit, answer, context, degraded

router = APIRouter(tags=["model"])

UNSAID: Final = frozenset({"memory", "questions"})
"""Parts of a version's evidence that only the next learner or service reads."""


@router.get("/model", **operation("get_model", answer=ModelAnswer))
async def model(request: Request) -> Response:
    """The champion: its place in the stream, its size, and the running score of each contender."""
    admit(request, "read")
    ctx = context(request)
    head = ctx.gatekeeper.follower.head
    with ctx.tables.hold() as tables:
        document = ModelAnswer(None, degraded(ctx, tables), ctx.tables.nbytes, head.id if head is not None else None)
        if tables is not None:
            manifest = tables.manifest
            document = structs.replace(
                document,
                version=manifest.id,
                sequence=manifest.seq,
                kind=manifest.kind,
                parent=manifest.parent or None,
                created_at=manifest.created_at,
                age_seconds=round(max(0.0, ctx.clock() - manifest.created_at), 3),
                stale=ctx.clock() - manifest.created_at > ctx.settings.gate.max_version_age,
                schema_version=manifest.schema_version,
                schema=manifest.schema,
                served_by=manifest.served_by,
                counts=manifest.counts,
                progress=manifest.progress,
                evidence={name: found for name, found in manifest.evidence.items() if name not in UNSAID},
                scores={
                    name: Score(score["hr"], score["rr"], int(score["n"]))
                    for name, score in tables.recommender.scores().items()
                },
            )
        return answer(document)
