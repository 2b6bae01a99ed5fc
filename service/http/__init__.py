"""A request in; its caller and a typed ask, or a problem document, out."""

from service.http.address import checked, identifier
from service.http.ask import NOBODY, History, PageAsk, ask_from_body, ask_from_query, filters_from_query
from service.http.auth import ApiKeys, BadKeys, Caller
from service.http.bodies import NDJSON, content_type
from service.http.cors import Origins
from service.http.edge import Edge
from service.http.local import check as check_local
from service.http.local import is_loopback
from service.http.openapi import operation
from service.http.parsing import decode_body, decode_query, whole_number
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
    "NDJSON",
    "NEXT",
    "NOBODY",
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
    "History",
    "Item",
    "ModeAsk",
    "Origins",
    "PageAsk",
    "Price",
    "Problem",
    "Share",
    "Slate",
    "Tags",
    "ask_from_body",
    "ask_from_query",
    "check_local",
    "checked",
    "content_type",
    "decode_body",
    "decode_query",
    "filters_from_query",
    "identifier",
    "invalid",
    "is_loopback",
    "operation",
    "whole_number",
]
