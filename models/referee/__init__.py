"""Compares the learning model with models that do not learn, on each tested event."""

from models.referee.asked_ranks import Answer
from models.referee.drift import NAMES, Alarms
from models.referee.memory import FORM, NoPast, Past, kept, recalled
from models.referee.referee import NOBODY, SAVED, SHARE, Awaited, Referee
from models.referee.turns import TURN, AnchorTurns, turn_of
from models.referee.witness import DEFAULT_WITNESSES, UnknownWitnessError, Witnesses

__all__ = [
    "DEFAULT_WITNESSES",
    "FORM",
    "NAMES",
    "NOBODY",
    "SAVED",
    "SHARE",
    "TURN",
    "Alarms",
    "AnchorTurns",
    "Answer",
    "Awaited",
    "NoPast",
    "Past",
    "Referee",
    "UnknownWitnessError",
    "Witnesses",
    "kept",
    "recalled",
    "turn_of",
]
