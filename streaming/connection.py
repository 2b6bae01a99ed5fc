"""In: the Kafka settings. Out: the arguments every Kafka client gets, and the errors that source and producer share."""

from __future__ import annotations

import importlib.util
import socket
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

from streaming.sections import KafkaSettings

T = TypeVar("T")

# Seconds one attempt to connect may take, and between two rounds of attempts.
PROBE: Final = 5.0
PAUSE: Final = 0.2

BACKFILL: Final = "sluicegate-backfill"
"""Header that marks a record of history: its own timestamp is its "now", so it is never late."""


class KafkaTrouble(Exception):
    """Base of what source and producer raise. `retriable`: the same call may work later, with nothing changed."""

    retriable = False


class BrokerAway(KafkaTrouble):
    """No broker answers, or not in time. `kind` is one of timeout, connection, full, other: a metric label."""

    retriable = True

    def __init__(self, message: str, kind: str = "other") -> None:
        super().__init__(message)
        self.kind = kind


class NotAllowed(KafkaTrouble):
    """The broker refuses our credentials or the operation: user, password or access rules have to change."""


class Refused(KafkaTrouble):
    """The broker will not take this record or request, whoever sends it and however often: too large, not valid."""


class TopicMissing(KafkaTrouble):
    """A topic does not exist. `topic` names it."""

    retriable = True

    def __init__(self, topic: str, bootstrap: str) -> None:
        super().__init__(
            f"topic {topic!r} does not exist on {bootstrap}: create it, or let `sluicegate up` or `send` do so"
        )
        self.topic = topic


class OffsetsGone(KafkaTrouble):
    """The log has no such offset: retention removed it, or the topic was truncated or made anew.

    `wanted` is the offset asked for; the log of `topic`, `partition` reaches from `first` up to `end`, exclusive.
    """

    def __init__(self, topic: str, partition: int, wanted: int, first: int, end: int) -> None:
        what = "the oldest were removed by retention" if wanted < first else "the log is shorter than it was"
        super().__init__(
            f"offset {wanted} of {topic}[{partition}] is gone, {what}: the log has {first} to {end}. "
            "learner.on_lost_offsets = 'earliest' counts the loss and goes on"
        )
        self.topic, self.partition, self.wanted, self.first, self.end = topic, partition, wanted, first, end


class TopicRecreated(KafkaTrouble):
    """A topic was deleted and made again while we read it: its offsets mean other records now."""

    def __init__(self, topic: str, before: str, after: str) -> None:
        super().__init__(
            f"topic {topic!r} was made anew (id {before} became {after}): offsets of the old one do not apply"
        )
        self.topic, self.before, self.after = topic, before, after


def client_arguments(settings: KafkaSettings, client_id: str) -> dict[str, Any]:
    """Arguments common to consumer, producer and admin client, in kafka-python's names.

    Raises OSError when the password file cannot be read.
    """
    arguments: dict[str, Any] = {
        "bootstrap_servers": [server.strip() for server in settings.bootstrap.split(",") if server.strip()],
        "client_id": client_id,
        "security_protocol": settings.security_protocol,
        "bootstrap_timeout_ms": int(settings.bootstrap_timeout * 1000),
        "request_timeout_ms": int(settings.request_timeout * 1000),
        "metadata_max_age_ms": int(settings.refresh_interval * 1000),
        "reconnect_backoff_max_ms": 1_000,
    }
    if settings.security_protocol.startswith("SASL"):
        arguments |= {
            "sasl_mechanism": settings.sasl_mechanism,
            "sasl_plain_username": settings.username,
            "sasl_plain_password": settings.secret(),
        }
    if settings.security_protocol.endswith("SSL"):
        arguments |= {
            "ssl_cafile": _path(settings.cafile),
            "ssl_certfile": _path(settings.certfile),
            "ssl_keyfile": _path(settings.keyfile),
            "ssl_check_hostname": settings.check_hostname,
        }
    return arguments


def open_client(kind: Callable[..., T], **arguments: Any) -> T:
    """`kind(**arguments)`, with nothing left behind when that raises.

    kafka-python starts the network thread before it looks for a broker, and leaves it running, with a socket per
    attempt, when there is none: a service that tries every other second would collect both. So a plain connection is
    tried first. Raises BrokerAway when that fails until `bootstrap_timeout_ms`.
    """
    _await_listener(arguments["bootstrap_servers"], arguments["bootstrap_timeout_ms"] / 1000)
    started: list[Any] = []
    network = getattr(kind, "DEFAULT_CONFIG")["kafka_client"]  # noqa: B009

    def remembered(**configuration: Any) -> Any:
        started.append(network(**configuration))
        return started[-1]

    try:
        return kind(**arguments, kafka_client=remembered)
    except BaseException:
        for client in started:
            client.close()
        raise


def _await_listener(servers: list[str], timeout: float) -> None:
    limit = time.monotonic() + timeout
    while True:
        for server in servers:
            host, _, port = server.rpartition(":")
            try:
                socket.create_connection((host.strip("[]") or server, int(port)), min(timeout, PROBE)).close()
            except (OSError, ValueError) as error:
                reason = error
            else:
                return
        if time.monotonic() + PAUSE > limit:
            raise BrokerAway(
                f"no Kafka broker answers at {','.join(servers)} ({reason}): is it running, is kafka.bootstrap right?",
                "connection",
            )
        time.sleep(PAUSE)


def _path(file: Any) -> str | None:
    return str(file) if file is not None else None


def compression() -> str | None:
    """The codec batches are written with: lz4 where its package is installed, otherwise none."""
    return "lz4" if importlib.util.find_spec("lz4") is not None else None


_DENIED: Final = {"AuthorizationError", "SaslAuthenticationFailedError"}
_UNREACHED: Final = {"KafkaConnectionError", "NodeNotReadyError"}
_REFUSED: Final = {
    "InvalidRecordError",
    "InvalidTimestampError",
    "InvalidTopicError",
    "MessageSizeTooLargeError",
    "RecordListTooLargeError",
    "UnsupportedCompressionTypeError",
    "UnsupportedVersionError",
}


def trouble(error: Exception, bootstrap: str, topic: str = "") -> KafkaTrouble:
    """The error of ours for one of kafka-python's: what happened, to which broker, what to do.

    By class names, so that this module needs no Kafka library.
    """
    names = {cls.__name__ for each in (error, error.__cause__) for cls in type(each).__mro__}
    if names & _DENIED:
        return NotAllowed(f"Kafka at {bootstrap} refuses us ({error}): check kafka.username, password and access rules")
    if topic and "UnknownTopicOrPartitionError" in names:
        return TopicMissing(topic, bootstrap)
    if names & _REFUSED:
        return Refused(f"Kafka at {bootstrap} does not take this: {error}")
    if "KafkaTimeoutError" in names:
        return BrokerAway(
            f"no Kafka broker answers at {bootstrap} in time ({error}): is it running, is kafka.bootstrap right?",
            "timeout",
        )
    return BrokerAway(
        f"Kafka at {bootstrap} cannot be used now: {error}", "connection" if names & _UNREACHED else "other"
    )
