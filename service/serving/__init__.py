"""A served version, a history and an ask in; the answer out. The GET side, stage 7."""

from service.serving.answer import PLAIN, Form
from service.serving.arrangement import RequestMoment
from service.serving.catalogue import ItemCatalogue
from service.serving.erasures import ErasureFollower
from service.serving.histories import CONNECTION_TIMEOUT, Histories
from service.serving.page import NOBODY, History, Page
from service.serving.slate_log import SlateLog
from service.serving.table_sets import TableSet, TableSets

__all__ = [
    "CONNECTION_TIMEOUT",
    "NOBODY",
    "PLAIN",
    "ErasureFollower",
    "Form",
    "Histories",
    "History",
    "ItemCatalogue",
    "Page",
    "RequestMoment",
    "SlateLog",
    "TableSet",
    "TableSets",
]
