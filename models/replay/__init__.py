"""A past stream and gate policies in; what each policy would have served, out."""

from models.replay.replay import Pace, Replay
from models.replay.trial import Examined, Rule

__all__ = ["Examined", "Pace", "Replay", "Rule"]
