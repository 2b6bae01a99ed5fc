"""A file and the environment in; one frozen tree of settings out."""

from streaming.settings.events import EventSettings
from streaming.settings.kafka import KafkaSettings
from streaming.settings.learner import LearnerSettings, UpdateSettings
from streaming.settings.loading import BadSettings, Settings, brief, in_force, load_settings
from streaming.settings.service import ServiceSettings

__all__ = [
    "BadSettings",
    "EventSettings",
    "KafkaSettings",
    "LearnerSettings",
    "ServiceSettings",
    "Settings",
    "UpdateSettings",
    "brief",
    "in_force",
    "load_settings",
]
