"""The declaration of the features: places for the kernels, an order that stored versions rely on, and who computes."""

from __future__ import annotations

import hashlib
import importlib
import inspect

import numpy as np
import pytest

from models import dimensions as dim
from models import features
from models.features import FEATURE_NAMES, FRESH_NAMES, TOUCHED, UNTOUCHED
from models.recommender import RecommenderOptions, new_state

DECLARED = [("", place, each) for place, each in enumerate(TOUCHED)]
DECLARED += [("UNTOUCHED_", place, each) for place, each in enumerate(UNTOUCHED)]
IDS = [prefix.lower() + each.name for prefix, _, each in DECLARED]

HANDED_ON = {"price_features", "brand_features"}
"""Kernels of both tables, to which the caller hands the places of a group."""


@pytest.mark.parametrize(("prefix", "place", "declared"), DECLARED, ids=IDS)
def test_a_feature_is_assigned_by_its_name_in_the_kernel_of_its_declaration(prefix, place, declared) -> None:
    constant = prefix + declared.name.upper()
    assert getattr(features, constant) == place
    module, name = declared.kernel.rsplit(".", 1)
    kernel = getattr(importlib.import_module(f"models.kernels.{module}"), name)
    source = inspect.getsource(getattr(kernel, "py_func", kernel))
    if name in HANDED_ON:
        assert place in getattr(features, prefix + name.removesuffix("_features").upper())
    elif declared.of >= 0:
        assert "feature.WITHIN_LIST" in source
    else:
        assert f"x[feature.{constant}] =" in source


@pytest.mark.parametrize(
    ("names", "known", "digest"),
    [(FEATURE_NAMES, 77, "7181cc1c2ff58b40"), (FRESH_NAMES, 20, "cacd4730e1fa7d06")],
    ids=["touched", "untouched"],
)
def test_new_features_stand_behind_those_that_stored_versions_have(names, known, digest) -> None:
    assert len(set(names)) == len(names)
    assert hashlib.sha256(" ".join(names[:known]).encode()).hexdigest()[:16] == digest


def test_a_new_model_starts_from_the_declared_priors() -> None:
    state = new_state(RecommenderOptions(items=4, users=4, categories=4, brands=4))
    weights = state.tables["ranker"].columns["weight"]
    expected = {"popularity_middle": dim.RANK_PRIOR, "follows_log": dim.RANK_PRIOR, "window_log": dim.RANK_PRIOR}
    expected |= {"own_refused": dim.REFUSAL_PRIOR, "refused": dim.REFUSAL_PRIOR}
    rows = np.flatnonzero(weights)
    assert {FEATURE_NAMES[row]: float(weights[row]) for row in rows} == pytest.approx(expected)
    assert set(rows.tolist()) <= set(state.cut().tables["ranker"].rows.tolist())
