"""Talks to a Sluicegate: sends events in batches that survive outages, and asks for recommendations."""

from sluicegate_client.async_client import AsyncClient
from sluicegate_client.client import Client
from sluicegate_client.errors import Away, Refused, SluicegateError
from sluicegate_client.outbox import Batching
from sluicegate_client.retry import Retry

__all__ = ["AsyncClient", "Away", "Batching", "Client", "Refused", "Retry", "SluicegateError"]
