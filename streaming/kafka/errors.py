"""In: the Kafka settings. Out: the arguments every Kafka client gets, and the errors that source and producer share."""

from __future__ import annotations

from pathlib import Path
from typing import Final


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


_UNKNOWN_TO_THEM: Final = {"SaslAuthenticationFailedError", "IllegalSaslStateError", "UnsupportedSaslMechanismError"}
_DENIED: Final = {"AuthorizationError"}
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


def hopeless(error: Exception) -> bool:
    """Whether another attempt with the same settings would fail of the same."""
    return isinstance(error, NotAllowed | UnusableFile) or bool(_names(error) & _UNKNOWN_TO_THEM)


def _names(error: Exception) -> set[str]:
    return {cls.__name__ for each in (error, error.__cause__) for cls in type(each).__mro__}


def trouble(error: Exception, bootstrap: str, topic: str = "") -> KafkaTrouble:
    """The error of ours for one of kafka-python's: what happened, to which broker, what to do.

    By class names, so that this module needs no Kafka library.
    """
    names = _names(error)
    if names & _UNKNOWN_TO_THEM:
        return NotAllowed(
            f"Kafka at {bootstrap} refuses our login ({error}): check kafka.sasl_mechanism, kafka.username, and the "
            "password or token"
        )
    if names & _DENIED:
        where = f" on topic {topic!r}" if topic and topic not in str(error) else ""
        return NotAllowed(
            f"Kafka at {bootstrap} refuses us{where} ({error}): grant kafka.username the rights that "
            "docs/operations.md lists"
        )
    if topic and "UnknownTopicOrPartitionError" in names:
        return TopicMissing(topic, bootstrap)
    if names & _REFUSED:
        return RecordRefused(f"Kafka at {bootstrap} does not take this: {error}")
    if "KafkaTimeoutError" in names:
        return BrokerAway(
            f"no Kafka broker answers at {bootstrap} in time ({error}): is it running, is kafka.bootstrap right?",
            "timeout",
        )
    return BrokerAway(
        f"Kafka at {bootstrap} cannot be used now: {error}", "connection" if names & _UNREACHED else "other"
    )
