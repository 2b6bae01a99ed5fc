"""Runs Kafka, Redis, learner and service on this machine."""

from service.local.demo_client import Client, Figures
from service.local.demo_data import Purchases, purchases
from service.local.embedded import EmbeddedError, free_port
from service.local.folder import held
from service.local.stack import Stack, choose_port, default_folder, running

__all__ = [
    "Client",
    "EmbeddedError",
    "Figures",
    "Purchases",
    "Stack",
    "choose_port",
    "default_folder",
    "free_port",
    "held",
    "purchases",
    "running",
]
