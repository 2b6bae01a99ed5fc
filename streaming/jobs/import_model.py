"""Imports a file of vectors and counts as one more version: a base that the next learner starts from. Stage 5.

The import is a version and not a record in a topic: it changes the learned state, so the gate judges it, rollback
undoes it, and a learner that starts has it before the first event.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile, is_zipfile

import numpy as np

from models.arrays import Array
from models.ledger import Receipt
from models.recommender import (
    ImportOutcome,
    ImportRefusedError,
    Knowledge,
    check,
    enlist_categories,
    take,
)
from models.state import SCHEMA
from streaming import versions
from streaming.checkpoint import Checkpointer
from streaming.intake import KnownItems, recommender_settings
from streaming.jobs.lease import lease_of
from streaming.learning import Model
from streaming.live import stored_facts
from streaming.settings import Settings
from streaming.store import Store

IDS: Final = ("ids", "id", "item_id", "item_ids")
VECTORS: Final = ("vectors", "vector", "factors", "item_factors", "embedding")
COUNTS: Final = ("counts", "count", "popularity")
"""Names under which a file may hold its parts; the first that is found counts."""

UPLOAD_SECONDS: Final = 600.0
"""Longest wait for Redis to take the version: a gigabyte at the pace of a slow link."""


class LearnerRunsError(RuntimeError):
    """A learner holds the lease."""

    def __init__(self) -> None:
        super().__init__(
            "a learner holds the lease, and two writers would undo each other. Stop it (and those that stand by), "
            "import, and start it again: it goes on from where it was, with the imported model"
        )


class NotWrittenError(RuntimeError):
    """Redis did not take the version."""


def read(path: Path) -> Knowledge:
    """Read ids, vectors and counts from an .npz or a Parquet file. Raises ImportRefusedError, OSError."""
    if path.suffix == ".npz":
        parts = _npz(path)
    elif path.suffix in {".parquet", ".pq"}:
        parts = _parquet(path)
    else:
        raise ImportRefusedError(f"{path.name}: must end in .npz or .parquet")
    ids = next((parts[name] for name in IDS if name in parts), None)
    if ids is None:
        raise ImportRefusedError(
            f"{path.name} holds {', '.join(parts) or 'nothing'}: the ids must be called {IDS[0]!r}"
        )
    found = [next((parts[name] for name in names if name in parts), None) for names in (VECTORS, COUNTS)]
    if all(part is None for part in found):
        raise ImportRefusedError(
            f"{path.name} holds {', '.join(parts)}: call vectors {VECTORS[0]!r} and counts {COUNTS[0]!r}"
        )
    return Knowledge(_strings(path, ids), *found)


def _npz(path: Path) -> dict[str, Array]:
    with path.open("rb") as opened:
        if not is_zipfile(opened):
            raise ImportRefusedError(f"{path.name} is no .npz file: write it with numpy.savez")
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except BadZipFile as error:
        raise ImportRefusedError(f"{path.name} is damaged: {error}") from error
    except ValueError as error:
        raise ImportRefusedError(
            f"{path.name}: {error}. Objects are never read: write ids as ids.astype(str), and vectors as one matrix"
        ) from error


def _parquet(path: Path) -> dict[str, Array]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise ImportRefusedError(
            f"{path.name}: reading Parquet needs pyarrow (pip install pyarrow), or use .npz"
        ) from error
    try:
        table = parquet.read_table(path)
        wanted = [name for name in table.column_names if name in {*IDS, *VECTORS, *COUNTS}]
        return {name: _column(table[name]) for name in wanted}
    except (ArrowException, ValueError) as error:
        raise ImportRefusedError(f"{path.name}: {error}") from error


def _column(column: Any) -> Array:
    from pyarrow import types

    kind = column.type
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return np.array(column.to_pylist(), np.float64)  # ValueError when lengths differ
    if column.null_count:
        raise ValueError(f"{column.null_count} cells without a value")
    return np.array(column.to_pylist())


def _strings(path: Path, ids: Array) -> list[str]:
    if ids.ndim != 1 or ids.dtype.kind not in "USiu":
        raise ImportRefusedError(f"{path.name}: ids are {ids.dtype} of shape {ids.shape}: must be a row of strings")
    if ids.dtype.kind == "S":
        return [one.decode() for one in ids.tolist()]
    return [str(one) for one in ids.tolist()]


def run(
    settings: Settings, knowledge: Knowledge, *, project: bool, dry_run: bool, wall: Callable[[], float] = time.time
) -> tuple[ImportOutcome, str]:
    """Import into the newest version, or into an empty model, and write a base.

    Args:
        settings: How to reach Redis, and the options of the recommender.
        knowledge: The ids, vectors and counts to import.
        project: Reduce vectors of another width to the width of the model.
        dry_run: Check and count only; write nothing, and need no lease.
        wall: Epoch seconds.

    Returns:
        What was imported, and the id of the base; "" for a dry run.

    Raises:
        ImportRefusedError: The knowledge does not fit the model.
        LearnerRunsError: A learner holds the lease.
        NotWrittenError: Redis did not take the version.
        NoSoundVersion, StoreUnavailable: As `versions.load` raises them.
    """
    check(knowledge, project=project)
    with contextlib.ExitStack() as stack:
        store = stack.enter_context(contextlib.closing(Store.for_learner(settings)))
        leadership = None if dry_run else stack.enter_context(lease_of(settings, "import", LearnerRunsError))
        ceilings = recommender_settings(settings).ceilings()
        loaded = versions.load(store, "head", SCHEMA, served_only=False, ceilings=ceilings)
        model = Model.of_version(settings, loaded, KnownItems()) if loaded else Model.empty(settings, KnownItems())
        outcome = take(model.state, knowledge, int(wall()))
        imported = set(knowledge.ids)
        model.recommender.describe((item, facts) for item, facts in stored_facts(store) if item in imported)
        enlist_categories(model.state, knowledge.ids)
        if leadership is None:
            return outcome, ""
        history = settings.learner.history_bytes
        checkpointer = stack.enter_context(
            contextlib.closing(Checkpointer(store, leadership.lease, SCHEMA, history_bytes=history))
        )
        return outcome, _write(checkpointer, model, outcome, loaded.manifest.receipts if loaded else ())


def _write(checkpointer: Checkpointer, model: Model, outcome: ImportOutcome, receipts: Sequence[Receipt]) -> str:
    """Write a base; its id. Raises NotWrittenError."""
    evidence: dict[str, Any] = {"imported": outcome._asdict()}
    checkpointer.cut(
        model.state,
        model.progress,
        model.admission,
        lambda: evidence,
        served_by=model.recommender.chosen,
        receipts=receipts,
        force=True,
    )
    if not checkpointer.flush(UPLOAD_SECONDS) or checkpointer.last is None:
        raise NotWrittenError("Redis did not take the version: nothing has changed, look at its log and memory")
    return checkpointer.last.id
