"""`sluicegate import FILE`: writes a version that starts from a shop's own vectors and counts.

Exit codes: 0 imported; 1 a learner runs, or Redis is away; 2 the options or the file are wrong; 130 Ctrl-C.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from service.cli.errors import broken
from streaming.settings import load_settings

if TYPE_CHECKING:
    from models.recommender import ImportOutcome

HELP: Final = (
    "An .npz file holds ids (n) and vectors (n, 32), counts (n), or both; a Parquet file has columns of these names, "
    "vectors as lists. Any factorization's item vectors will do (implicit's item_factors, say): items with a large "
    "inner product go together. Vectors of users are not used: the model represents a user by their history.\n\n"
    "Examples:\n\n"
    "python -c \"import numpy as np; np.savez('shop.npz', ids=ids.astype(str), vectors=model.item_factors)\"\n\n"
    "sluicegate import shop.npz --dry-run\n\n"
    "sluicegate import embeddings.parquet --project"
)


def register(app: typer.Typer) -> None:
    """Add `sluicegate import`."""
    app.command("import", epilog=HELP)(import_)


def import_(
    file: Annotated[Path, typer.Argument(help="Item vectors and popularity counts, .npz or .parquet.")],
    project: Annotated[
        bool, typer.Option("--project", help="Reduce vectors of another width to the model's 32 numbers.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and count only; write nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output, for scripts.")] = False,
    config: Annotated[Path | None, typer.Option("--config", help="TOML file with settings.")] = None,
) -> None:
    """Start from item vectors and popularity that a shop already has: write them as a version for the next learner."""
    from models.recommender import ImportRefusedError
    from streaming.jobs import import_model as importing
    from streaming.store import StoreError, StoreUnavailable
    from streaming.versions import NoSoundVersion

    settings = load_settings(config, os.environ)
    try:
        knowledge = importing.read(file)
        outcome, version = importing.run(settings, knowledge, project=project, dry_run=dry_run)
    except (ImportRefusedError, OSError) as error:
        raise typer.BadParameter(str(error), param_hint="FILE") from error
    except (
        importing.LearnerRunsError,
        importing.NotWrittenError,
        StoreError,
        StoreUnavailable,
        NoSoundVersion,
    ) as error:
        broken(error)
    if as_json:
        typer.echo(json.dumps(outcome._asdict() | {"version": version, "dry_run": dry_run}))
    else:
        typer.echo(_text(outcome, version))


def _text(outcome: ImportOutcome, version: str) -> str:
    done = "imported" if version else "would import"
    lines = [f"{done} {outcome.items} items, {outcome.new} new: {outcome.vectors} vectors, {outcome.counts} counts"]
    if outcome.kept < 1:
        lines.append(
            f"vectors of {outcome.width} numbers were reduced; {outcome.kept:.1%} of their squared length is left"
        )
    if outcome.left_out:
        lines.append(
            f"{outcome.left_out} found no room: raise recommender.max_items; items with the highest counts come first"
        )
    if version:
        lines.append(f"version {version}: a learner that starts now continues from it")
    return "\n".join(lines)
