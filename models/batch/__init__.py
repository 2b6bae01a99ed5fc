"""A collected batch in; further passes of the factorization machine out. Used where update.mode is batch."""

from models.batch.held_out import HeldOut
from models.batch.passes import Passes, warm_passes
from models.batch.training import Goal, Trained, train

__all__ = ["Goal", "HeldOut", "Passes", "Trained", "train", "warm_passes"]
