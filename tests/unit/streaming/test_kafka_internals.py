"""What we use of kafka-python without being invited to is there, and stands in one file."""

from __future__ import annotations

import ast
import importlib
import inspect
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kafka import TopicPartition
from kafka import errors as kafka_errors
from kafka.producer.producer_batch import ProducerBatch
from kafka.producer.transaction_manager import ProducerIdAndEpoch, TransactionManager
from kafka.record.memory_records import MemoryRecordsBuilder

from streaming.kafka import internals
from streaming.kafka.errors import NOT_APPENDED, OF_SINGLE_RECORDS
from streaming.kafka.internals import USED, Internal

STREAMING = Path(internals.__file__).parents[1]
PART = TopicPartition("events", 2)
FILES = [path for room in ("kafka", "consumer") for path in sorted((STREAMING / room).glob("*.py"))]


def located(dotted: str) -> Any:
    """The class at a dotted path, which may be nested in another."""
    parts = dotted.split(".")
    for length in range(len(parts) - 1, 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            found = getattr(found, part)
        return found
    raise ModuleNotFoundError(dotted)


def attributes(kind: type) -> set[str]:
    """Names of a class and its bases, and those that their methods set on `self`."""
    found = set(dir(kind))
    for base in kind.__mro__:
        if base.__module__.startswith("kafka"):
            tree = ast.parse(textwrap.dedent(inspect.getsource(base)))
            found |= {
                node.attr
                for node in ast.walk(tree)
                if isinstance(node, ast.Attribute)
                and isinstance(node.ctx, ast.Store)
                and isinstance(node.value, ast.Name)
                and node.value.id == "self"
            }
    return found


@pytest.mark.parametrize("used", USED, ids=lambda used: f"{used.owner.rpartition('.')[2]}.{used.name}")
def test_the_installed_library_has_each_name_that_we_use(used: Internal) -> None:
    try:
        found = attributes(located(used.owner))
    except (ModuleNotFoundError, AttributeError) as error:
        pytest.fail(f"kafka-python has no {used.owner} any more ({error}). Without {used.name}: {used.purpose}")
    assert used.name in found, f"{used.owner} of kafka-python has no {used.name} any more. Without it: {used.purpose}"


def test_a_name_that_the_library_does_not_have_is_noticed() -> None:
    assert "_sender" in attributes(located("kafka.KafkaProducer"))
    assert "_sender_of_old" not in attributes(located("kafka.KafkaProducer"))
    with pytest.raises(AttributeError):
        located("kafka.consumer.fetcher.Fetcher.Nothing")


def private(text: str, *, of_self: bool) -> Iterator[str]:
    """Private attributes of other objects that a file uses, also by `getattr`; those of `self` where that is asked."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"getattr", "hasattr"}:
            yield from (
                word.value
                for word in node.args[1:2]
                if isinstance(word, ast.Constant) and str(word.value).startswith("_")
            )
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
            own = isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}
            if of_self or not own:
                yield node.attr


def test_every_private_name_in_the_file_is_listed() -> None:
    text = Path(internals.__file__).read_text(encoding="utf-8")
    ours = {node.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)}
    used = set(private(text, of_self=True))
    assert {"_sender", "_fetcher", "_contains_abort_marker"} <= used
    assert used - ours <= {name for _, name, _ in USED}


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_other_file_uses_private_names(path: Path) -> None:
    if path != Path(internals.__file__):
        assert list(private(path.read_text(encoding="utf-8"), of_self=False)) == []


def idempotent(version: tuple[int, int]) -> TransactionManager:
    """The state of an idempotent producer that has sent a batch of three records as numbers 4, 5 and 6."""
    manager = TransactionManager(api_version=version)
    manager.set_producer_id_and_epoch(ProducerIdAndEpoch(7, 0))
    manager.set_sequence_number(PART, 7)
    sender = SimpleNamespace(_dispatch_error=lambda *_: None, _can_split=lambda *_: False)
    producer = SimpleNamespace(_transaction_manager=manager, _sender=sender)
    internals.fail_refused_records_alone(producer, NOT_APPENDED, OF_SINGLE_RECORDS)
    return manager


def sent(*, again: bool) -> ProducerBatch:
    """That batch; `again`: for the second time."""
    builder = MemoryRecordsBuilder(2, 0, 1 << 16)
    batch = ProducerBatch(PART, builder)
    for number in range(3):
        batch.try_append(None, None, b"%d" % number, [])
    builder.set_producer_state(7, 0, 4, False)
    if again:
        batch.retry()
    return batch


def test_the_next_batch_takes_the_numbers_of_a_refused_one() -> None:
    manager = idempotent((4, 1))
    found = manager.classify_batch_error(kafka_errors.MessageSizeTooLargeError(None), sent(again=False))
    assert found == manager.ERROR_CLASS_RETRIABLE
    assert manager.sequence_number(PART) == 4
    assert not manager.has_fatal_error()


@pytest.mark.parametrize(
    ("version", "found"),
    [
        ((4, 1), TransactionManager.ERROR_CLASS_NEEDS_EPOCH_BUMP),
        ((2, 4), TransactionManager.ERROR_CLASS_NEEDS_PRODUCER_ID_RESET),
    ],
)
def test_numbers_that_an_earlier_attempt_may_have_used_up_are_not_taken_again(
    version: tuple[int, int], found: str
) -> None:
    manager = idempotent(version)
    assert manager.classify_batch_error(kafka_errors.InvalidTimestampError(None), sent(again=True)) == found
    assert manager.sequence_number(PART) == 7


def test_the_numbers_of_another_epoch_stay_as_they_are() -> None:
    manager = idempotent((4, 1))
    manager.set_producer_id_and_epoch(ProducerIdAndEpoch(7, 1))
    manager.set_sequence_number(PART, 2)
    refusal = kafka_errors.TopicAuthorizationFailedError("events")
    assert manager.classify_batch_error(refusal, sent(again=False)) == manager.ERROR_CLASS_RETRIABLE
    assert manager.sequence_number(PART) == 2


def test_what_ends_a_producer_still_ends_it() -> None:
    manager = idempotent((4, 1))
    for error in (kafka_errors.ClusterAuthorizationFailedError(None), kafka_errors.UnknownError(None)):
        assert manager.classify_batch_error(error, sent(again=False)) == manager.ERROR_CLASS_FATAL
    assert manager.sequence_number(PART) == 7
