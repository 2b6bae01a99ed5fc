"""Learns a planned stream with the models alone, without Kafka, Redis, processes or versions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from models.recommender.recommender import Recommender, new_state
from models.records.events import Event, EventRules, decode
from models.records.items import ItemFacts
from streaming.intake.parameters import recommender_settings
from streaming.settings.loading import Settings
from tests.support.streams.streams import LEARNT, Planned


def directly(settings: Settings, planned: list[Planned], facts: Mapping[str, Mapping[str, Any]]) -> Recommender:
    """Decodes the stream, and learns the events that must be learned."""
    options = recommender_settings(settings)
    recommender = Recommender(new_state(options, settings.recommender.seed), options)
    known = {item: ItemFacts(**fields) for item, fields in facts.items()}
    recommender.describe(known.items())  # facts come first: items nobody has touched are candidates too
    learnt = [each for each in planned if each.outcome == LEARNT]
    events = [decode(json.dumps(each.event).encode(), EventRules()) for each in learnt]
    assert all(isinstance(event, Event) for event in events)
    recommender.learn_events(events, [int(each.record_time * 1000) * 1e-3 for each in learnt], known)
    return recommender
