"""A served version, a history and an ask in; the answer out. Stage 7."""

from service.serving.answer import Envelope, encode
from service.serving.catalogue import ItemCatalogue
from service.serving.erasures import ErasureFollower
from service.serving.experiments import Experiments, treated
from service.serving.histories import CONNECTION_TIMEOUT, Histories, UserPast
from service.serving.page import Page
from service.serving.slate_log import SlateLog
from service.serving.table_sets import TableSet, TableSets
from service.serving.visit import RequestMoment, View, Visit

__all__ = [
    "CONNECTION_TIMEOUT",
    "Envelope",
    "ErasureFollower",
    "Experiments",
    "Histories",
    "ItemCatalogue",
    "Page",
    "RequestMoment",
    "SlateLog",
    "TableSet",
    "TableSets",
    "UserPast",
    "View",
    "Visit",
    "encode",
    "treated",
]
