"""The errors of Kafka as consumer and producer raise them: what happened, at which broker, and what to do.

KafkaTrouble
|-- BrokerAway(kind)       no broker answers, or not in time: try again later
|-- NotAllowed             the broker refuses our login or the operation
|   `-- Untrusted          its certificate is not trusted
|-- UnusableFile           a certificate, key, password or token file
|-- RecordRefused(kind)    the broker never takes this record
|-- ClockRefused           the broker does not take the time of our clock: try again when it is right
|-- TopicMissing(topic)    the topic does not exist (yet)
|-- DataUnreadable(kind)   what the log holds there cannot be read: the broker is there, and waiting may not help
|-- OffsetsGone(...)       retention removed the offset, or the log was truncated
`-- TopicRecreated(...)    the topic was deleted and created again
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal

from kafka import errors as kafka_errors


class KafkaTrouble(Exception):
    """Base of the errors here. `retriable`: the same call may succeed later although nobody changed anything."""

    retriable = False


class BrokerAway(KafkaTrouble):
    """No broker answers, or not in time. `kind` is a metric label: timeout, connection, full or other."""

    retriable = True

    def __init__(self, message: str, kind: str = "other") -> None:
        super().__init__(message)
        self.kind = kind


class NotAllowed(KafkaTrouble):
    """The broker refuses our credentials or the operation: user, password or access rules must change."""


class Untrusted(NotAllowed):
    """A broker's certificate is not signed by an authority of `kafka.cafile`, or names another host."""


class UnusableFile(KafkaTrouble):
    """A file that a setting names cannot be used: it is missing, not readable, or holds something else."""

    def __init__(self, setting: str, path: Path, error: Exception) -> None:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
        super().__init__(f"{setting}: {path} cannot be used: {reason}")


class RecordRefused(KafkaTrouble):
    """The broker will never take this record or request. Sending it again is useless.

    Attributes:
        kind: `too_large`, `timestamp` or `invalid`.
    """

    def __init__(self, message: str, kind: Literal["too_large", "timestamp", "invalid"] = "invalid") -> None:
        super().__init__(message)
        self.kind = kind


class ClockRefused(KafkaTrouble):
    """The broker does not take records with the time of this machine's clock. It will, when the clock is right."""

    retriable = True


class TopicMissing(KafkaTrouble):
    """A topic does not exist. `topic` names it."""

    retriable = True

    def __init__(self, topic: str, bootstrap: str) -> None:
        super().__init__(
            f"topic {topic!r} does not exist on {bootstrap}: create it, as with "
            f"`kafka-topics.sh --bootstrap-server {bootstrap} --create --topic {topic}`"
        )
        self.topic = topic


UNREADABLE: Final = ("codec", "checksum", "format", "records", "schema")
"""Kinds of `DataUnreadable`. Closed: metric labels are made from it."""


class DataUnreadable(KafkaTrouble):
    """The next batch of a partition cannot be read. The broker is there, and other partitions may go on.

    Args:
        kind: One of `UNREADABLE`.
        part: The partition: an object with `topic` and `partition`.
        offset: First offset of the batch, or that of the record for kind `schema`.
        reason: What is wrong, and how to fix it.
        following: Offset after the batch, where it is known.

    Attributes:
        topic: Name of the topic.
        partition: Its partition.
    """

    def __init__(self, kind: str, part: Any, offset: int, reason: str, following: int | None = None) -> None:
        after = "the offset after it" if following is None else f"offset {following}"
        skip = (
            ""
            if kind in {"codec", "schema"}
            else f". To go on without it: delete the records before {after} with kafka-delete-records.sh, and set "
            "learner.on_lost_offsets to earliest"
        )
        what = "record" if kind == "schema" else "batch"
        super().__init__(
            f"the {what} at offset {offset} of {part.topic}[{part.partition}] cannot be read: {reason}{skip}"
        )
        self.kind, self.topic, self.partition, self.offset = kind, str(part.topic), int(part.partition), offset


class OffsetsGone(KafkaTrouble):
    """The log has no such offset: retention removed it, or the topic was truncated or created again.

    Attributes:
        topic: Name of the topic.
        partition: Its partition.
        wanted: The offset asked for.
        first: Oldest offset of the log.
        end: Offset after its newest record.
    """

    def __init__(self, topic: str, partition: int, wanted: int, first: int, end: int) -> None:
        reason = "retention removed the oldest" if wanted < first else "the log is shorter than it was"
        super().__init__(
            f"offset {wanted} of {topic}[{partition}] is gone, {reason}: the log has {first} to {end}. "
            "learner.on_lost_offsets = 'earliest' counts the loss and continues"
        )
        self.topic, self.partition, self.wanted, self.first, self.end = topic, partition, wanted, first, end


class TopicRecreated(KafkaTrouble):
    """A topic was deleted and created again while we read it: its offsets name other records now."""

    def __init__(self, topic: str, before: str, after: str) -> None:
        super().__init__(
            f"topic {topic!r} was created again (id {before} became {after}): offsets of the old one do not apply"
        )
        self.topic, self.before, self.after = topic, before, after


_LOGIN_REFUSED: Final = (
    kafka_errors.SaslAuthenticationFailedError,
    kafka_errors.IllegalSaslStateError,
    kafka_errors.UnsupportedSaslMechanismError,
)
_DENIED: Final = (kafka_errors.AuthorizationError,)
_UNREACHED: Final = (kafka_errors.KafkaConnectionError, kafka_errors.NodeNotReadyError)
_TOO_LARGE: Final = (kafka_errors.MessageSizeTooLargeError, kafka_errors.RecordListTooLargeError)
_REFUSED: Final = (
    *_TOO_LARGE,
    kafka_errors.InvalidRecordError,
    kafka_errors.InvalidTimestampError,
    kafka_errors.InvalidTopicError,
    kafka_errors.PolicyViolationError,
    kafka_errors.UnsupportedCompressionTypeError,
    kafka_errors.UnsupportedVersionError,
)

NOT_APPENDED: Final = (*_REFUSED, kafka_errors.TopicAuthorizationFailedError)
"""Errors of kafka-python after which nothing of the refused batch is in the log."""

OF_SINGLE_RECORDS: Final = (kafka_errors.InvalidRecordError, kafka_errors.InvalidTimestampError)
"""Those of them that concern some records of a batch."""


def hopeless(error: Exception) -> bool:
    """Whether another attempt with the same settings would fail for the same reason."""
    return isinstance(error, NotAllowed | UnusableFile) or _is(error, _LOGIN_REFUSED)


def login_refused(error: BaseException | None) -> bool:
    """Whether a broker refuses our login. kafka-python's clients never try that broker again."""
    return isinstance(error, Exception) and _is(error, _LOGIN_REFUSED)


def _is(error: Exception, kinds: tuple[type[Exception], ...]) -> bool:
    return isinstance(error, kinds) or isinstance(error.__cause__, kinds)


def trouble(error: Exception, bootstrap: str, topic: str = "") -> KafkaTrouble:
    """The error of ours for one of kafka-python's.

    Args:
        error: What the library raised, or its cause.
        bootstrap: Address of the brokers, for the text.
        topic: Topic of the record or request, where there is one.
    """
    if _is(error, _LOGIN_REFUSED):
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
        return _refusal(error, bootstrap, topic)
    if _is(error, (kafka_errors.KafkaTimeoutError,)):
        return BrokerAway(
            f"no Kafka broker answers at {bootstrap} in time ({error}): is it running, is kafka.bootstrap right?",
            "timeout",
        )
    return BrokerAway(
        f"Kafka at {bootstrap} cannot be used now: {error}", "connection" if _is(error, _UNREACHED) else "other"
    )


def _refusal(error: Exception, bootstrap: str, topic: str) -> RecordRefused:
    of = f" of topic {topic!r}" if topic else ""
    if _is(error, _TOO_LARGE):
        text = f"Kafka at {bootstrap} does not take a record of this size: see max.message.bytes{of}"
        return RecordRefused(text, "too_large")
    if _is(error, (kafka_errors.InvalidTimestampError,)):
        text = f"Kafka at {bootstrap} does not take the time of this record: see message.timestamp.*.max.ms{of}"
        return RecordRefused(text, "timestamp")
    return RecordRefused(f"Kafka at {bootstrap} does not take this: {error}")
