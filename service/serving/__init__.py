"""A served version, a history and an ask in; the answer out. Stage 7."""

from service.serving.answer import Envelope, encode, slate
from service.serving.catalogue import ItemCatalogue
from service.serving.coverage import PICTURE, SPAN, RecommendedLately
from service.serving.erasures import ErasureFollower
from service.serving.experiments import Experiments, treated
from service.serving.histories import CONNECTION_TIMEOUT, Histories, UserPast
from service.serving.messages import BadLanguage, Languages, read
from service.serving.page import Page
from service.serving.reasons import reasons
from service.serving.slate_log import SlateLog
from service.serving.table_sets import TableSet, TableSets
from service.serving.visit import RequestMoment, View, Visit

__all__ = [
    "CONNECTION_TIMEOUT",
    "PICTURE",
    "SPAN",
    "BadLanguage",
    "Envelope",
    "ErasureFollower",
    "Experiments",
    "Histories",
    "ItemCatalogue",
    "Languages",
    "Page",
    "RecommendedLately",
    "RequestMoment",
    "SlateLog",
    "TableSet",
    "TableSets",
    "UserPast",
    "View",
    "Visit",
    "encode",
    "read",
    "reasons",
    "slate",
    "treated",
]
