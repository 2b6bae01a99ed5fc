"""Tables of weights and one ranked list in, what each feature adds to a score out. Stage 4.

The listwise ranker: score = x . (W0 + W1[bucket of known events] + W2[bucket of seconds since the last]), trained by
-log softmax(target) over the united candidates (ListNet with one relevant item, Cao et al., ICML 2007): online Newton
steps for W0 (models/kernels/newton.py), AdaGrad per coordinate for the others. The linear regressor: x . w + intercept,
squared error against 1 for the item that came and 0 for the others. Both compiled in `models/kernels/ranking.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from models.dimensions import BLOCKS, FEATURES
from models.features import FEATURE_NAMES
from models.scratch import Scratch
from models.tables import Array


def contributions(scratch: Scratch, place: int) -> dict[str, float]:
    """What each feature adds to the ranker's score of the candidate at `place`; they sum to that score.

    `scratch` holds the last request, as ranked by the ranker.
    """
    parts = scratch.listed.features[place] * scratch.listed.weights
    return dict(zip(FEATURE_NAMES, parts.tolist(), strict=True))


def weights(served: Any) -> Array:
    """The ranker's weights, (BLOCKS, FEATURES): for all, per bucket of known events, per bucket of the pause."""
    return np.asarray(served.ranker.weight).reshape(BLOCKS, FEATURES)
