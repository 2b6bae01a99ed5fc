"""Records become batches: events to learn, histories to write, refused records and counts."""

import json
from typing import NamedTuple

from models.ledger.admission import Admission, AdmissionRules
from models.records.events import EventRules
from streaming.intake import dead_letter
from streaming.intake.intake import ORDER, STEP, Intake
from streaming.intake.text_vectors import contents_by
from streaming.kafka.records import BACKFILL, PUBLIC

TOPICS = {"events": "events", "items": "items", "control": "control"}
NOW = 1_700_000_000_000


class Wire(NamedTuple):
    """The fields of a kafka-python record that the intake reads."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


def event(offset: int, user: str = "ann", item: str | None = "tea", headers=(), **more) -> Wire:
    body = {"event_type": "click", "user_id": user, "item_id": item, "timestamp": NOW / 1000} | more
    return Wire("events", 0, offset, NOW, user.encode(), json.dumps(body).encode(), list(headers))


def intake(cap: int = 600):
    refused = []
    admission = Admission(AdmissionRules(cap_per_minute=cap))
    return Intake(
        EventRules(), admission, TOPICS, lambda record, why: refused.append((record, why)), contents_by("words")
    ), refused


def test_good_events_enter_the_batch_and_the_history_in_order():
    batch = intake()[0].prepare([[event(5), event(6, item="cup"), event(7, user="bob")]])
    assert [e.item_id for e in batch.events] == ["tea", "cup", "tea"]
    assert batch.histories == [
        {
            "ann": [(0, 5, NOW / 1000, 0, "tea"), (0, 6, NOW / 1000, 0, "cup")],
            "bob": [(0, 7, NOW / 1000, 0, "tea")],
        }
    ]
    assert batch.offsets == [("events", 0, [5, 6, 7], NOW / 1000)]
    assert batch.arrivals == 3


def test_searches_and_impressions_enter_the_batch_but_not_the_history():
    batch = intake()[0].prepare([[event(1, event_type="search", query="tea"), event(2, event_type="impression")]])
    assert len(batch.events) == 2
    assert batch.histories == []


def test_a_duplicate_a_late_and_a_future_event_are_counted_by_name_and_go_nowhere():
    late, future = NOW / 1000 - 90_000, NOW / 1000 + 3_600
    batch = intake()[0].prepare([
        [event(1, event_id="a"), event(2, event_id="a"), event(3, timestamp=late), event(4, timestamp=future)]
    ])
    assert batch.outcomes == {"duplicate": 1, "late": 1, "future": 1}
    assert len(batch.events) == len(batch.histories[0]["ann"]) == 1
    assert batch.offsets[0][2] == [1, 2, 3, 4]  # consumed all the same


def test_a_backfilled_event_is_never_late():
    old = event(1, timestamp=1_500_000_000, headers=[(BACKFILL, b"1")])
    assert len(intake()[0].prepare([[old]]).events) == 1


def test_what_a_public_key_sends_is_counted_apart_and_the_gate_does_not_judge_by_it():
    taking, refused = intake(cap=1)
    public = [(PUBLIC, b"1")]
    batch = taking.prepare([
        [
            event(1, event_id="a", headers=public),
            event(2, event_id="a"),  # the shop's own event, under an id that somebody guessed
            event(3, event_id="a", headers=public),
            event(4, headers=public),
            event(5, event_id="a"),
            event(6)._replace(value=b"{", headers=public),
        ]
    ])
    assert len(batch.events) == 2
    assert batch.outcomes == {"duplicate": 2, "capped": 1, "rejected": 1}
    assert batch.by_the_shop() == {"duplicate": 1, "capped": 0, "rejected": 0}
    letter = dead_letter.dead_letter(*refused[0])
    value, headers = dead_letter.encode(letter)
    assert dead_letter.decode(event(7)._replace(value=value, headers=headers)).public


def test_a_capped_event_enters_neither_history_nor_weights():
    batch = intake(cap=2)[0].prepare([[event(offset) for offset in range(5)]])
    assert batch.outcomes == {"capped": 3}
    assert len(batch.events) == len(batch.histories[0]["ann"]) == 2


def test_an_unusable_record_goes_to_the_dead_letter_and_the_next_one_enters_the_batch():
    taking, refused = intake()
    bad = event(1)._replace(value=b"\xff{")
    batch = taking.prepare([[bad, event(2)]])
    assert len(batch.events) == 1
    assert batch.outcomes == {"rejected": 1}
    assert refused[0][0] is bad
    assert batch.refused == {refused[0][1].reason: 1}


def test_item_facts_and_removals_keep_their_order():
    said = Wire("items", 1, 9, NOW, b"tea", b'{"category": "drinks"}', [])
    taking, refused = intake()
    batch = taking.prepare([[said, said._replace(offset=10, value=None), said._replace(offset=11, value=b"[]")]])
    assert [(partition, offset, item) for partition, offset, item, _ in batch.facts] == [(1, 9, "tea"), (1, 10, "tea")]
    assert batch.facts[0][3].category == "drinks"
    assert batch.facts[1][3] is None
    assert len(refused) == 1


def test_histories_come_in_parts_small_enough_for_one_script_and_in_order():
    batch = intake(cap=5_000)[0].prepare([[event(offset) for offset in range(1_200)]])
    sizes = [sum(map(len, part.values())) for part in batch.histories]
    assert sizes == [500, 500, 200]
    assert [entry[1] for part in batch.histories for entry in part["ann"]] == list(range(1_200))


def test_refused_records_move_no_clock_and_the_last_one_taken_does():
    far = NOW + 80 * 365 * 86_400_000
    mad = event(3)._replace(timestamp=far)  # its event is of now: far too late for its record
    bad = event(4)._replace(timestamp=far, value=b"{")
    batch = intake()[0].prepare([[event(1), event(2)._replace(timestamp=NOW + 5), mad, bad]])
    assert batch.outcomes == {"late": 1, "rejected": 1}
    assert batch.offsets == [("events", 0, [1, 2, 3, 4], (NOW + 5) / 1000)]
    assert intake()[0].prepare([[bad]]).offsets == [("events", 0, [4], 0.0)]
    facts = Wire("items", 0, 9, NOW, b"tea", b'{"category":"drinks"}', [])
    refused = facts._replace(offset=10, timestamp=far, value=b"{")
    assert intake()[0].prepare([[facts, refused]]).offsets == [("items", 0, [9, 10], NOW / 1000)]


def test_a_record_without_a_time_counts_by_its_event_and_moves_no_clock():
    """Clients before 0.10 wrote none (-1); those that send a time which was never set write 1970, or the year 1."""
    for timeless in (-1, 0, -62_135_596_800_000):
        taking = intake()[0]
        batch = taking.prepare([[event(1)._replace(timestamp=timeless)]])
        assert (batch.outcomes, batch.record_times) == ({}, [NOW / 1000])
        facts = Wire("items", 0, 9, timeless, b"tea", b'{"category":"drinks"}', [])
        order = Wire("control", 0, 3, timeless, None, b'{"kind":"erase","id":"e1","user":"ann"}', [])
        batch = taking.prepare([[facts], [order]])
        assert [entry[3] for entry in batch.offsets] == [0.0, 0.0]
        assert batch.orders[0].at >= NOW / 1000, "it erases what came before it"
        assert taking.prepare([[event(2)]]).outcomes == {"erased": 1}


def test_a_dead_letter_of_another_program_is_passed_over_whatever_its_headers_are():
    sent = event(7)._replace(value=b"{")
    for headers in ([("sluicegate-reason", None)], [("sluicegate-timestamp", b"\xff")], [("", None)]):
        assert dead_letter.decode(sent._replace(headers=headers)) is None


def test_a_step_holds_fewer_orders_than_events_because_each_takes_longer():
    orders = [[Wire("control", part, offset, NOW, None, b"{", []) for offset in range(STEP)] for part in range(2)]
    steps = list(intake()[0].steps([*orders, [event(7)]]))
    assert [sum(map(len, step)) for step in steps] == [STEP // ORDER] * (2 * ORDER) + [1]
    assert [each.offset for step in steps for part in step for each in part] == [*range(STEP), *range(STEP), 7]


def test_a_large_poll_is_divided_into_steps_orders_first():
    taking = intake()[0]
    orders = [Wire("control", 0, offset, NOW, None, b"{", []) for offset in range(3)]
    polled = [[event(offset) for offset in range(STEP + 10)], orders, [event(7)]]
    steps = [[[record.offset for record in part] for part in step] for step in taking.steps(polled)]
    left = STEP - 3 * ORDER
    assert steps == [[[0, 1, 2], [*range(left)]], [[*range(left, STEP + 10)], [7]]]
    assert list(taking.steps([])) == []
