"""Trains the factorization machine in further passes over a collected batch. Used where update.mode is batch."""

from models.batch.held_out import HeldOut
from models.batch.passes import Passes, warm_passes
from models.batch.training import Goal, Trained, train

__all__ = ["Goal", "HeldOut", "Passes", "Trained", "train", "warm_passes"]
