"""An estimator in, bytes out, and back: arrays and names as npz. Reading executes nothing. Stage 5."""

from __future__ import annotations

import io
import json
from collections.abc import Hashable
from typing import Any

import numpy as np

from models.arrays import Array
from models.estimators.feature_table import FeatureTable
from models.kernels.regression.examples import Rows, Whole


class SnapshotError(ValueError):
    """The bytes do not fit the estimator. The message says where."""


def dump(model: FeatureTable) -> bytes:
    """Write the learned state of a model, not its parameters. Names must be strings, integers or tuples of these."""
    used = len(model._rows.table) if model._hashed else len(model._names)
    arrays = {f"rows.{name}": array[:used] for name, array in model._rows._asdict().items()}
    arrays |= {f"whole.{name}": array for name, array in model._whole._asdict().items()}
    head = {"keys": model._names.keys, "hand": model._names.hand, "evicted": model._names.evicted}
    text = json.dumps(head | {"hashed": model._hashed}).encode()
    out = io.BytesIO()
    np.savez(out, head=np.frombuffer(text, np.uint8), **arrays)
    return out.getvalue()


def load(model: FeatureTable, data: bytes) -> None:
    """Restore the state that `dump` wrote: the scores are then equal to the last bit.

    Args:
        model: A model with the same parameters as the one that was written.
        data: The bytes of `dump`.

    Raises:
        SnapshotError: When an array has another shape or type or is not finite. The model is then unchanged.
    """
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        head = json.loads(file["head"].tobytes())
        size = len(file["rows.table"])
        expected = model._new_rows(size, head["hashed"])
        rows = Rows(*(_fitting(file, f"rows.{name}", old) for name, old in expected._asdict().items()))
        whole = Whole(*(_fitting(file, f"whole.{name}", old) for name, old in model._whole._asdict().items()))
    if not head["hashed"] and not size == len(head["keys"]) <= model.max_features:
        raise SnapshotError(f"{len(head['keys'])} names for {size} rows of at most {model.max_features}")
    model._names.put([_key(key) for key in head["keys"]], head["hand"], head["evicted"])
    model._rows, model._whole, model._hashed = rows, whole, head["hashed"]


def _fitting(file: Any, name: str, old: Array) -> Array:
    found: Array = file[name]
    if found.shape != old.shape or found.dtype != old.dtype:
        raise SnapshotError(f"{name} is {found.dtype}{found.shape} instead of {old.dtype}{old.shape}")
    if found.dtype.kind == "f" and not np.isfinite(found).all():
        raise SnapshotError(f"{name} holds a NaN or an infinity")
    return found


def _key(stored: Any) -> Hashable:
    return tuple(_key(part) for part in stored) if isinstance(stored, list) else stored
