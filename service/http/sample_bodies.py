"""An example of each type of body, and of the answers that callers meet most. The API's description shows them."""

from __future__ import annotations

from typing import Any, Final

from models.experiments import ExperimentAsk
from models.records import ItemFacts
from service.http.schemas import (
    Ask,
    BatchAsk,
    CompareAsk,
    EventsAnswer,
    FreezeAsk,
    GateAsk,
    IdentifyAsk,
    ItemsAnswer,
    MappingAsk,
    ModeAsk,
    RedriveAsk,
    SentEvent,
    SentItem,
    Slate,
    StopAsk,
    UserAsk,
)

_REASON: Final[dict[str, Any]] = {"reason": "odd slates since noon", "revision": 17}

EXAMPLES: Final[dict[type, dict[str, Any]]] = {
    Ask: {"user_id": "ann", "n": 5, "exclude_seen": "purchased", "recent_items": ["teapot-1"]},
    CompareAsk: {"user_id": "ann", "one": "served", "other": "popularity", "n": 8},
    RedriveAsk: {"reason": "unknown_type", "limit": 100, "dry_run": True},
    MappingAsk: {
        "mapping": "rees46",
        "records": '{"event_time":"2026-01-31 12:00:00 UTC","event_type":"view","product_id":7,"user_id":9}',
    },
    BatchAsk: {"user_ids": ["ann", "bob"], "scenario": "email", "n": 4},
    SentEvent: {
        "event_type": "purchase",
        "user_id": "ann",
        "item_id": "teapot-1",
        "timestamp": "2026-01-31T12:00:00Z",
        "event_id": "order-1001-1",
        "price": 24.9,
        "quantity": 1,
    },
    ItemFacts: {
        "category": "tea",
        "price": 24.9,
        "brand": "Kyusu",
        "title": "Teapot",
        "tags": ["clay"],
        "group_id": "teapot",
        "attributes": {"url": "https://shop.example/teapot-1", "stock": 12, "colour": "red"},
    },
    SentItem: {"item_id": "teapot-1", "category": "tea", "price": 24.9, "title": "Teapot", "stock": 12},
    ItemsAnswer: {
        "request_id": "5f0c9a8b7d6e5f4a",
        "accepted": 1,
        "rejected": 0,
        "unavailable": 0,
        "attributes": {"stock": 1},
        "outcomes": [{"index": 0, "outcome": "accepted", "item_id": "teapot-1"}],
    },
    IdentifyAsk: {"anonymous_id": "visitor-7", "user_id": "ann"},
    UserAsk: {"attributes": {"plan": "pro", "orders": 12}},
    GateAsk: _REASON,
    FreezeAsk: {**_REASON, "seconds": 7200},
    ModeAsk: {**_REASON, "mode": "strict"},
    StopAsk: {"reason": "we know enough"},
    ExperimentAsk: {
        "name": "wide-slates",
        "metric": "click",
        "arm": [{"name": "plain", "share": 0.5}, {"name": "wide", "share": 0.5, "diversity": 0.4}],
        "reason": "do people click more when slates are varied?",
    },
    Slate: {
        "request_id": "5f0c9a8b7d6e5f4a",
        "user_id": "ann",
        "model_version": "12-9f3a",
        "model_age_seconds": 0.8,
        "served_by": "ranker",
        "degraded": [],
        "items": [{"item_id": "mug-3", "score": 2.31, "rank": 1, "source": "follows", "title": "Mug"}],
    },
    EventsAnswer: {
        "request_id": "5f0c9a8b7d6e5f4a",
        "accepted": 1,
        "rejected": 0,
        "unavailable": 0,
        "outcomes": [{"index": 0, "outcome": "accepted"}],
    },
}
"""One example of each type, as JSON."""

__all__ = ["EXAMPLES"]
