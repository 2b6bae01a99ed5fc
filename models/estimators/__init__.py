"""Estimators with River's verbs over our kernels: a public library that the service does not use."""

from models.estimators.factorization import FactorizationMachine
from models.estimators.linear import LinearRegressor
from models.estimators.listwise import ListwiseRanker
from models.estimators.options import UnsupportedOptionError
from models.estimators.snapshot import SnapshotError, dump, load

__all__ = [
    "FactorizationMachine",
    "LinearRegressor",
    "ListwiseRanker",
    "SnapshotError",
    "UnsupportedOptionError",
    "dump",
    "load",
]
