"""A user and experiments in, the user's arms out. Slates and events of those users in, results of each arm out."""

from models.experiments.assignment import Assignments
from models.experiments.changes import (
    SETTINGS,
    Kept,
    Unknown,
    decoded,
    deleted,
    encoded,
    named,
    started,
    stopped,
    with_settings,
)
from models.experiments.definition import (
    HOLDOUT,
    METRICS,
    MOST,
    ORDERS,
    Arm,
    CannotRun,
    Experiment,
    ExperimentAsk,
    check,
    experiment_of,
    read,
)
from models.experiments.results import ExperimentResults, Measures, Rate, results
from models.experiments.segments import Segment, segment_of, segments_of
from models.experiments.tallies import MEASURE_OF, Counts, Tally

__all__ = [
    "HOLDOUT",
    "MEASURE_OF",
    "METRICS",
    "MOST",
    "ORDERS",
    "SETTINGS",
    "Arm",
    "Assignments",
    "CannotRun",
    "Counts",
    "Experiment",
    "ExperimentAsk",
    "ExperimentResults",
    "Kept",
    "Measures",
    "Rate",
    "Segment",
    "Tally",
    "Unknown",
    "check",
    "decoded",
    "deleted",
    "encoded",
    "experiment_of",
    "named",
    "read",
    "results",
    "segment_of",
    "segments_of",
    "started",
    "stopped",
    "with_settings",
]
