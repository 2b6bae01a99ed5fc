"""Holds all learned state: declared tables of arrays, ids and their rows, ceilings, copies. It learns nothing."""

from models.state.ceilings import Ceilings, Limits
from models.state.copies import combined, duplicate
from models.state.keys import KeyChanges
from models.state.marks import Marks
from models.state.merges import Merge
from models.state.priors import first_curvature, set_priors
from models.state.schema import SCHEMA
from models.state.state import Changes, State, TableChanges
from models.state.tables import MODEL, Column, Schema, Table

__all__ = [
    "MODEL",
    "SCHEMA",
    "Ceilings",
    "Changes",
    "Column",
    "KeyChanges",
    "Limits",
    "Marks",
    "Merge",
    "Schema",
    "State",
    "Table",
    "TableChanges",
    "combined",
    "duplicate",
    "first_curvature",
    "set_priors",
]
