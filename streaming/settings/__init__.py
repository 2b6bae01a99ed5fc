"""Reads a TOML file and the environment into one frozen tree of settings."""

from streaming.settings.events import AdmissionSettings, EventSettings
from streaming.settings.gate import MOST_ANCHORS
from streaming.settings.handing import handed_over, taken_over
from streaming.settings.kafka import KafkaSettings
from streaming.settings.learner import LearnerSettings, UpdateSettings
from streaming.settings.loading import MASK, BadSettings, in_force, load_settings
from streaming.settings.log import LOG_FORMAT, log_format
from streaming.settings.mapping import event_mapping
from streaming.settings.redis import SentinelAddress, sentinels
from streaming.settings.schema_registry import SchemaRegistrySettings
from streaming.settings.service import ServiceSettings
from streaming.settings.tree import Settings, TopicRole, brief

__all__ = [
    "LOG_FORMAT",
    "MASK",
    "MOST_ANCHORS",
    "AdmissionSettings",
    "BadSettings",
    "EventSettings",
    "KafkaSettings",
    "LearnerSettings",
    "SchemaRegistrySettings",
    "SentinelAddress",
    "ServiceSettings",
    "Settings",
    "TopicRole",
    "UpdateSettings",
    "brief",
    "event_mapping",
    "handed_over",
    "in_force",
    "load_settings",
    "log_format",
    "sentinels",
    "taken_over",
]
