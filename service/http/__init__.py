"""A request in; who asks, a typed ask and problem documents out."""

from service.http.auth import ApiKeys, BadKeys, Caller, is_loopback
from service.http.cors import Origins
from service.http.edge import Edge
from service.http.openapi import operation
from service.http.parsing import body, pins, query, recent, sensible, whole
from service.http.problems import NEXT, TITLES, Problem, invalid
from service.http.schemas import (
    MAX_CANDIDATES,
    Ask,
    Count,
    EventOutcome,
    EventsAnswer,
    FreezeAsk,
    GateAsk,
    Item,
    ModeAsk,
    Price,
    Share,
    Slate,
    Tags,
)

__all__ = [
    "MAX_CANDIDATES",
    "NEXT",
    "TITLES",
    "ApiKeys",
    "Ask",
    "BadKeys",
    "Caller",
    "Count",
    "Edge",
    "EventOutcome",
    "EventsAnswer",
    "FreezeAsk",
    "GateAsk",
    "Item",
    "ModeAsk",
    "Origins",
    "Price",
    "Problem",
    "Share",
    "Slate",
    "Tags",
    "body",
    "invalid",
    "is_loopback",
    "operation",
    "pins",
    "query",
    "recent",
    "sensible",
    "whole",
]
