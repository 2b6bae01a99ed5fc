"""What an emptied Redis lacks is read from Kafka again: erasures first, so that nobody who was erased comes back."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from models.ledger import Piece
from models.records import Erase
from models.records.control import encode_control
from service.local import embedded
from streaming.kafka import EventProducer, ensure_topics
from streaming.learner.restoring import Restorer
from streaming.live import FactChange, Part, beats, stored_facts, users
from streaming.settings import Settings
from streaming.store import Store
from tests.conftest import eventually
from tests.integration.streaming.test_learner_cutting import UnderWay, clicked
from tests.support.processes.serving import changed


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Without River's estimators: nothing is learned here."""
    return changed(settings, witness={"estimators": ()})


@pytest.fixture
def histories_in(settings: Settings, tmp_path: Path) -> Iterator[Store]:
    """A Redis of its own for histories, which may be emptied."""
    with embedded.redis(tmp_path / "histories") as child:
        elsewhere = changed(settings, redis={"url": f"redis://{child.address}/0"})
        with closing(Store.for_histories(elsewhere)) as store:
            yield store


def send(settings: Settings) -> None:
    """Ann clicks, is erased, and clicks again; Bob clicks."""
    ensure_topics(settings)
    with EventProducer(settings) as producer:
        for topic, value in (
            ("events", clicked("ann", "lamp")),
            ("control", encode_control(Erase("receipt", "ann"))),
            ("events", clicked("bob", "cup")),
        ):
            producer.send(topic, "key", value)
            assert producer.flush(60.0)
        # Kafka's clock is in milliseconds: this record must not bear the same time as the order.
        time.sleep(0.005)
        producer.send("events", "key", clicked("ann", "sofa"))
        assert producer.flush(60.0)


def repaired(store: Store) -> bool:
    found = beats.look(store)
    return found.repair is None and all(found.beats[:1])


def test_an_emptied_redis_is_filled_again_and_an_erased_user_stays_erased(
    settings: Settings, histories_in: Store
) -> None:
    send(settings)
    with ExitStack() as stack:
        term = UnderWay(settings, histories_in)
        stack.callback(term.stack.close)
        term.begin()
        term.learn(4)
        eventually(lambda: (term.history("ann"), term.history("bob")) == (["sofa"], ["cup"]))
        histories_in.call("FLUSHALL")
        eventually(lambda: repaired(histories_in) and term.history("bob") == ["cup"])
        assert term.history("ann") == ["sofa"]
        assert users.parse(histories_in.call(*users.request(histories_in.key, "", None, 9))) == ["ann", "bob"]
        eventually(lambda: histories_in.call(*users.listed_request(histories_in.key)))


def test_an_emptied_redis_gets_items_back_with_their_attributes_and_groups(
    settings: Settings, histories_in: Store
) -> None:
    ensure_topics(settings)
    with EventProducer(settings) as producer:
        producer.send("items", "tea", b'{"price":3,"group_id":"g","url":"https://s/tea","sizes":["s","m"]}')
        assert producer.flush(60.0)
    told = {"url": "https://s/tea", "sizes": ["s", "m"]}
    with ExitStack() as stack:
        term = UnderWay(settings, histories_in)
        stack.callback(term.stack.close)
        term.begin()
        term.learn(1)
        for emptied in (False, True):
            if emptied:
                histories_in.call("FLUSHALL")
            eventually(lambda: dict(stored_facts(histories_in)).keys() == {"tea"})
            facts = dict(stored_facts(histories_in))["tea"]
            assert (facts.price, facts.group_id, facts.attribute_values()) == (3.0, "g", told)


def test_records_before_the_missing_ones_are_read_and_not_written(settings: Settings, histories_in: Store) -> None:
    send(settings)
    with ExitStack() as stack:
        term = UnderWay(settings, histories_in)
        stack.callback(term.stack.close)
        ends = term.parts.source.end_offsets()[settings.topic("events")]
        partition = next(part for part, end in ends.items() if end == 3)
        written: list[str] = []

        def write(parts: Sequence[Part], _: Sequence[FactChange]) -> None:
            written.extend(f"{user}: {each[-1]}" for part in parts for user, found in part.items() for each in found)

        assert Restorer(settings, term.model)([Piece("events", partition, 1, 3)], write, lambda: False)
        assert sorted(written) == ["ann: sofa", "bob: cup"]


def test_a_learner_that_begins_anew_and_continues_a_repair_knows_from_the_topic_who_was_erased(
    settings: Settings, histories_in: Store
) -> None:
    """The learner died in the repair, and no version was left: the model is empty, its list of erased users too."""
    send(settings)
    with ExitStack() as stack:
        term = UnderWay(settings, histories_in)
        stack.callback(term.stack.close)
        topics = term.model.progress.topics
        held = {
            f"{topics[settings.topic(role)]}:{part}": end - 1
            for role in ("control", "events")
            for part, end in term.parts.source.end_offsets()[settings.topic(role)].items()
            if end
        }
        beats.begin(histories_in, held)
        term.begin()
        term.learn(4)
        eventually(lambda: repaired(histories_in) and term.history("bob") == ["cup"])
        assert term.history("ann") == ["sofa"]
