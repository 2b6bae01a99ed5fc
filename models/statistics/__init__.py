"""Paired numbers in; conclusions with bounds out."""

from models.statistics.anchored import Anchored
from models.statistics.attribution import VERSIONS, Attribution, Group
from models.statistics.bounds import DEPTH, RECIPROCAL_BOUND, Bounds
from models.statistics.clusters import Clusters
from models.statistics.comparison import WINDOW, Comparison, Standing, Window
from models.statistics.confidence import radius
from models.statistics.distributions import distance, stability
from models.statistics.exposure import Exposed, Exposure
from models.statistics.mcnemar import log_evidence
from models.statistics.metrics import (
    MEASURES,
    Paired,
    coverage,
    hit_rate,
    novelty,
    paired,
    personalisation,
    pointwise,
    reciprocal_rank,
    standard_error,
)
from models.statistics.packed import CannotUnpack, pack, unpack
from models.statistics.reservoir import LENGTH, SHORTEST, PastQuestion, Reservoir, asked
from models.statistics.restarts import BEGINNING, WHOLE, Start

__all__ = [
    "BEGINNING",
    "DEPTH",
    "LENGTH",
    "MEASURES",
    "RECIPROCAL_BOUND",
    "SHORTEST",
    "VERSIONS",
    "WHOLE",
    "WINDOW",
    "Anchored",
    "Attribution",
    "Bounds",
    "CannotUnpack",
    "Clusters",
    "Comparison",
    "Exposed",
    "Exposure",
    "Group",
    "Paired",
    "PastQuestion",
    "Reservoir",
    "Standing",
    "Start",
    "Window",
    "asked",
    "coverage",
    "distance",
    "hit_rate",
    "log_evidence",
    "novelty",
    "pack",
    "paired",
    "personalisation",
    "pointwise",
    "radius",
    "reciprocal_rank",
    "stability",
    "standard_error",
    "unpack",
]
