"""Replays a past stream under several gate policies, and reports what each would have served."""

from models.replay.replay import Pace, Replay
from models.replay.trial import Examined, Rule

__all__ = ["Examined", "Pace", "Replay", "Rule"]
