"""Compares the learning model with models that do not learn, on each tested event."""

from models.referee.drift import NAMES, Alarms
from models.referee.referee import SAVED, SHARE, Referee
from models.referee.witness import DEFAULT_WITNESSES, UnknownWitnessError, Witnesses

__all__ = ["DEFAULT_WITNESSES", "NAMES", "SAVED", "SHARE", "Alarms", "Referee", "UnknownWitnessError", "Witnesses"]
