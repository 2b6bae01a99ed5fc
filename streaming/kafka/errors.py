"""In: the Kafka settings. Out: the arguments every Kafka client gets, and the errors that source and producer share."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from kafka import errors as kafka_errors


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


class Untrusted(NotAllowed):
    """A broker's certificate is not one that `kafka.cafile` vouches for, or names another host."""


class UnusableFile(KafkaTrouble):
    """A file that a setting names cannot be used: it is not there, not ours to read, or holds something else."""

    def __init__(self, setting: str, path: Path, error: Exception) -> None:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
        super().__init__(f"{setting}: {path} cannot be used: {reason}")


class RecordRefused(KafkaTrouble):
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


_UNKNOWN_TO_THEM: Final = (
    kafka_errors.SaslAuthenticationFailedError,
    kafka_errors.IllegalSaslStateError,
    kafka_errors.UnsupportedSaslMechanismError,
)
_DENIED: Final = (kafka_errors.AuthorizationError,)
_UNREACHED: Final = (kafka_errors.KafkaConnectionError, kafka_errors.NodeNotReadyError)
_REFUSED: Final = (
    kafka_errors.InvalidRecordError,
    kafka_errors.InvalidTimestampError,
    kafka_errors.InvalidTopicError,
    kafka_errors.MessageSizeTooLargeError,
    kafka_errors.RecordListTooLargeError,
    kafka_errors.UnsupportedCompressionTypeError,
    kafka_errors.UnsupportedVersionError,
)


def hopeless(error: Exception) -> bool:
    """Whether another attempt with the same settings would fail of the same."""
    return isinstance(error, NotAllowed | UnusableFile) or _is(error, _UNKNOWN_TO_THEM)


def _is(error: Exception, kinds: tuple[type[Exception], ...]) -> bool:
    return isinstance(error, kinds) or isinstance(error.__cause__, kinds)


def trouble(error: Exception, bootstrap: str, topic: str = "") -> KafkaTrouble:
    """The error of ours for one of kafka-python's: what happened, to which broker, what to do."""
    if _is(error, _UNKNOWN_TO_THEM):
        return NotAllowed(
            f"Kafka at {bootstrap} refuses our login ({error}): check kafka.sasl_mechanism, kafka.username, and the "
            "password or token"
        )
    if _is(error, _DENIED):
        where = f" on topic {topic!r}" if topic and topic not in str(error) else ""
        return NotAllowed(
            f"Kafka at {bootstrap} refuses us{where} ({error}): grant kafka.username the rights that "
            "docs/operations.md lists"
        )
    if topic and _is(error, (kafka_errors.UnknownTopicOrPartitionError,)):
        return TopicMissing(topic, bootstrap)
    if _is(error, _REFUSED):
        return RecordRefused(f"Kafka at {bootstrap} does not take this: {error}")
    if _is(error, (kafka_errors.KafkaTimeoutError,)):
        return BrokerAway(
            f"no Kafka broker answers at {bootstrap} in time ({error}): is it running, is kafka.bootstrap right?",
            "timeout",
        )
    return BrokerAway(
        f"Kafka at {bootstrap} cannot be used now: {error}", "connection" if _is(error, _UNREACHED) else "other"
    )
