"""Who was erased: nothing from before is accepted again, and versions carry the list from one to the next."""

import json

import pytest

from models.ledger.admission import Admission, AdmissionRules
from models.ledger.erasures import Erasures, user_hash
from models.records.control import Erase, decode_control, encode_control
from models.records.events import Event, EventRules
from models.records.rejections import REASONS, Rejection
from models.snapshot.manifest import Manifest, seal, unseal
from streaming.checkpoint.writer import with_erasures
from streaming.intake.intake import Intake
from streaming.intake.text_vectors import contents_by
from streaming.live.writer import Erased
from streaming.versions.retention import unneeded
from tests.unit.streaming.test_intake import NOW, TOPICS, Wire, event

ANN = user_hash("ann")


def order(offset: int, user: str = "ann", at: int = NOW) -> Wire:
    return Wire("control", 0, offset, at, None, encode_control(Erase(f"r{offset}", user)), [])


def intake(admission: Admission) -> tuple[Intake, list]:
    refused = []
    return Intake(
        EventRules(), admission, TOPICS, lambda record, why: refused.append((record, why)), contents_by("words")
    ), refused


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (None, "empty"),
        (b"", "empty"),
        (b"{", "not_json"),
        (b"[]", "wrong_type"),
        (b'{"kind":"erase","id":"1"}', "missing_field"),
        (b'{"kind":"obliterate","id":"1","user":"ann"}', "bad_value"),
        (b'{"kind":"erase","id":"a:b","user":"ann"}', "bad_value"),
        (b'{"kind":"erase","id":"1","user":""}', "bad_value"),
        (b'{"kind":"erase","id":"1","user":"a\\nb"}', "bad_value"),
        (b'{"kind":"erase","id":"1","user":7}', "wrong_type"),
        (b'{"kind":"attributes","id":"1","user":"ann"}', "missing_field"),
        (b'{"kind":"attributes","id":"1","user":"a\\nb","attributes":{}}', "bad_value"),
        (b'{"kind":"attributes","id":"1","user":"ann","attributes":["pro"]}', "wrong_type"),
        (b" " * 70_000, "oversize"),
    ],
)
def test_an_order_that_cannot_be_used_is_refused_with_a_known_reason(raw, reason):
    found = decode_control(raw)
    assert isinstance(found, Rejection)
    assert found.reason == reason
    assert reason in REASONS


def test_an_order_is_read_as_it_was_written():
    said = Erase("r-1.a", "Zoë", "ops")
    assert decode_control(encode_control(said)) == said


def test_what_was_done_before_the_erasure_is_not_accepted_and_what_comes_after_is():
    admission = Admission(AdmissionRules())
    admission.erase(ANN, 1_000.0)
    before, after = Event(0, "ann", "tea", 999.0), Event(0, "ann", "tea", 1_000.0)
    assert admission.admit(before, 999.0, False) == "erased"
    assert admission.admit(before, 1_050.0, False) == "erased"  # sent again later
    assert admission.admit(before, 1_050.0, True) == "erased"  # and as history
    assert admission.admit(after, 999.9, False) == "erased"  # a clock ahead does not undo it
    assert admission.admit(after, 1_000.0, False) == ""
    assert admission.admit(Event(0, "bob", "tea", 999.0), 999.0, False) == ""


def test_the_dedupe_window_forgets_the_user_and_nobody_else():
    admission = Admission(AdmissionRules())
    for user in ("ann", "bob", "ann"):
        assert admission.admit(Event(0, user, "tea", 5.0, event_id=f"{user}{admission.position}"), 5.0, False) == ""
    assert admission.erase(ANN, 10.0) == 2
    window = admission.window(admission.position)
    assert ANN not in window.user_hash.tolist()
    assert window.user_hash.tolist()[1] == user_hash("bob")
    assert window.event_hash.tolist()[0] == window.event_hash.tolist()[2] == 0
    assert admission.admit(Event(0, "bob", "tea", 6.0, event_id="bob1"), 6.0, False) == "duplicate"
    again = Admission(AdmissionRules(), window, admission.erasures)
    assert again.admit(Event(0, "bob", "tea", 6.0, event_id="bob1"), 6.0, False) == "duplicate"
    assert again.admit(Event(0, "ann", "tea", 6.0, event_id="ann0"), 6.0, False) == "erased"


def test_the_list_is_bounded_and_forgets_the_oldest_first():
    erasures = Erasures(limit=16)
    for number in range(40):
        erasures.add(number, float(number))
    assert len(erasures.moments) <= 16
    assert erasures.covers(39, 38.0)
    assert not erasures.covers(0, -1.0)
    assert erasures.position == 40
    assert erasures.since(38, 40) == [(38, 38.0), (39, 39.0)]


def test_a_user_who_is_erased_twice_stays_on_the_list_when_the_first_time_is_forgotten():
    erasures = Erasures(limit=4)
    for number, user in enumerate([1, 2, 1, 3, 4]):
        erasures.add(user, float(number))
    assert erasures.covers(1, 1.5)
    assert not erasures.covers(2, 0.5) or 2 in erasures.moments


def test_versions_carry_the_list_from_one_to_the_next_up_to_where_they_have_read():
    erasures, parent, carried = Erasures(), None, []
    for position in (0, 2, 2, 3):
        while erasures.position < position + 1:  # admission runs ahead of the version
            erasures.add(100 + erasures.position, float(erasures.position))
        draft = Manifest(f"v{position}", (parent.seq if parent else 0) + 1, "delta" if parent else "base")
        draft.progress.erasures = position
        parent = unseal(seal(with_erasures(draft, parent, erasures, ())))
        carried += parent.erased
    assert carried == [(100, 0.0), (101, 1.0), (102, 2.0)]
    assert parent.erasure_seq == 4
    assert Erasures(carried, parent.progress.erasures).moments == {100: 0.0, 101: 1.0, 102: 2.0}


def test_orders_of_a_poll_take_effect_before_its_events_wherever_they_stood():
    admission = Admission(AdmissionRules())
    taking, refused = intake(admission)
    batch = taking.prepare([[event(1), event(2, user="bob")], [order(7, at=NOW + 1)]])
    assert [e.user_id for e in batch.events] == ["bob"]
    assert batch.outcomes == {"erased": 1}
    assert batch.histories[0] == Erased(0, 7, "ann", "r7")
    assert "ann" not in batch.histories[1]
    assert [(each.order.user, each.at) for each in batch.orders] == [("ann", (NOW + 1) / 1000)]
    assert batch.erasures == 1
    assert min(batch.offsets) == ("control", 0, [7], (NOW + 1) / 1000)
    assert not refused


def test_an_order_that_cannot_be_read_goes_to_the_dead_letter_and_the_next_is_carried_out():
    taking, refused = intake(Admission(AdmissionRules()))
    bad = order(1)._replace(value=json.dumps({"kind": "erase"}).encode())
    batch = taking.prepare([[bad, order(2)]])
    assert [record for record, _ in refused] == [bad]
    assert batch.outcomes == {"rejected": 1}
    assert len(batch.orders) == 1


def test_history_from_before_an_erasure_is_let_go_of_once_two_bases_know_of_it():
    def version(seq: int, kind: str, erased_in: int) -> Manifest:
        return Manifest(str(seq), seq, kind, str(seq - 1) if kind == "delta" else "", erasure_seq=erased_in)

    chain = [version(1, "base", 0), version(2, "delta", 0), version(3, "base", 0), version(4, "delta", 4)]
    chain.append(version(5, "base", 4))
    known = {each.id: each for each in chain}
    assert unneeded(known, []) == []
    known["6"] = version(6, "base", 4)
    assert unneeded(known, []) == ["1", "2", "3", "4"]
    assert unneeded(known, ["2"]) == ["3", "4"]  # a pointer holds what it names


def test_an_erasure_from_the_far_future_does_not_block_its_user_until_then():
    """The sender's clock was wrong. What was done up to now stays erased; one ahead by less than a day is believed."""
    admission = Admission(AdmissionRules())
    now, far = NOW / 1000, NOW + 80 * 365 * 86_400_000
    taking = Intake(EventRules(), admission, TOPICS, lambda *_: None, contents_by("words"), wall=lambda: now)
    batch = taking.prepare([[order(0, "ann", far), order(1, "bob", NOW + 3_600_000)]])
    assert [ordered.at for ordered in batch.orders] == [now, now + 3_600]
    assert admission.admit(Event(0, "ann", "tea", now - 1), now - 1, False) == "erased"
    assert admission.admit(Event(0, "ann", "tea", now + 1), now + 1, False) == ""
    assert admission.admit(Event(0, "bob", "tea", now + 60), now + 60, False) == "erased"


def test_a_learner_whose_clock_is_behind_still_erases_all_that_came_before_the_order():
    """The stream knows what time it is."""
    admission = Admission(AdmissionRules())
    past = NOW / 1000 - 3 * 86_400
    taking = Intake(EventRules(), admission, TOPICS, lambda *_: None, contents_by("words"), wall=lambda: past)
    taking.prepare([[event(1, user="bob")]])
    assert taking.prepare([[order(0, "ann", NOW + 5)]]).orders[0].at == (NOW + 5) / 1000


def test_many_users_are_erased_in_one_pass_as_one_after_the_other():
    one, all_at_once = Admission(AdmissionRules()), Admission(AdmissionRules())
    for subject in (one, all_at_once):
        for number in range(60):
            subject.admit(Event(0, f"u{number % 7}", "tea", 5.0, event_id=f"e{number}"), 5.0, False)
    erased = [(user_hash(user), 10.0 + at) for at, user in enumerate(["u1", "nobody", "u4", "u1", "u6"])]
    assert all_at_once.erase_all(erased) == [one.erase(*each) for each in erased] == [9, 0, 8, 0, 8]
    assert one.erasures.moments == all_at_once.erasures.moments
    for mine, theirs in zip(one.window(60)[:3], all_at_once.window(60)[:3], strict=True):
        assert mine.tolist() == theirs.tolist()
    assert all_at_once.admit(Event(0, "u2", "tea", 5.0, event_id="e2"), 5.0, False) == "duplicate"
