"""Evidence outlives the term that gathered it: a gate decides alike, however often the learner begins again."""

from __future__ import annotations

import json
import random

import msgspec
import pytest

from models import dimensions as dim
from models.gate import Policy
from models.recommender.types import RecommenderOptions
from models.referee.memory import FORM, Memory, NoPast, kept, recalled
from models.referee.referee import Referee
from models.statistics import Standing
from tests.support.oracles.seen import Seen
from tests.support.oracles.terms import Taken, Terms

OPTIONS = RecommenderOptions(items=500, users=100, categories=20, brands=20, test_every=2)
POLICY = Policy(healthy_tested=150, least_tested=150, margin=0.05, cooldown=2.0, anchors=(10.0, 40.0))
BATCH = 100
ITEMS = 200
"""So many that shuffled labels leave a tenth of the hits: of fewer, a list of twenty would hold half."""
POISON = range(3_000, 5_000)
"""Events whose items are those of other events."""


def stream(seed: int = 5, count: int = 7_000) -> list[Seen]:
    """Users who walk along many items each in steps of their own; in between, labels are shuffled."""
    draw, at = random.Random(seed), dict.fromkeys(range(30), 0)
    events = []
    for number in range(count):
        user = draw.randrange(30)
        at[user] = (at[user] + 1 + user % 3) % ITEMS if draw.random() < 0.8 else draw.randrange(ITEMS)
        item = draw.randrange(ITEMS) if number in POISON else at[user]
        events.append(Seen(dim.CLICK, f"u{user}", f"i{item}", 1.7e9 + number))
    return events


def decisions(seed: int | None, *, loading: int = 0, early: float = 0.1, late: float = 0.1) -> list[Taken]:
    """All decisions about a stream's versions; with a seed, of a learner that dies at moments drawn from it.

    Args:
        seed: Of the deaths; None for none.
        loading: How often a new term looks for its frozen versions before they are at hand.
        early: Chance to die after a batch whose version is not cut yet.
        late: Chance to die right after a version was cut.
    """
    terms, events, at = Terms(OPTIONS, POLICY), stream(), 0
    deaths = random.Random(seed) if seed is not None else None
    while at < len(events):
        terms.learn(events[at : at + BATCH])
        at += BATCH
        if deaths is not None and deaths.random() < early:
            at = terms.restart(loading=loading)
            continue
        terms.cut(at)
        if deaths is not None and deaths.random() < late:
            at = terms.restart(loading=loading)
    return terms.decisions


@pytest.fixture(scope="module")
def unbroken() -> list[Taken]:
    """The decisions of a learner that never dies."""
    found = decisions(None)
    assert len(found) == 70
    # The stream has something of everything, or equality would show little.
    said = {reason for each in found for reason in each.reasons}
    assert {"sound", "healthy"} <= said
    assert said & {"few_hits", "shift"}
    return found


@pytest.mark.parametrize(("seed", "loading"), [(1, 1), (2, 3)])
def test_decisions_are_equal_event_for_event_with_restarts_at_random(
    unbroken: list[Taken], seed: int, loading: int
) -> None:
    assert decisions(seed, loading=loading) == unbroken


def test_a_restart_after_every_version_changes_nothing(unbroken: list[Taken]) -> None:
    assert decisions(4, early=0.0, late=1.0) == unbroken


def test_an_alarm_about_the_stream_holds_no_candidate_that_finds_as_much_as_the_reference() -> None:
    """Everybody begins to browse at random: all models find less, and none is to blame."""
    draw, at = random.Random(11), dict.fromkeys(range(30), 0)
    terms, events = Terms(OPTIONS, POLICY), []
    for number in range(6_000):
        user = draw.randrange(30)
        follows = draw.random() < (0.9 if number < 4_000 else 0.55)
        at[user] = (at[user] + 1 + user % 3) % 200 if follows else draw.randrange(200)
        events.append(Seen(dim.CLICK, f"u{user}", f"i{at[user]}", 1.7e9 + number))
    alarmed = []
    for start in range(0, len(events), BATCH):
        terms.learn(events[start : start + BATCH])
        terms.cut(start + BATCH)
        if "hit_rate" in terms.referee.alarms.raised():
            alarmed.append(terms.decisions[-1])
    assert len(alarmed) > 5
    low = [min(each.numbers.get(f"reference_{name}_low", -1.0) for name in ("hit", "reciprocal")) for each in alarmed]
    assert sum(each <= 0.0 for each in low) > 3, "none of them is shown to be better"
    held = [each.reasons for each in alarmed if each.action == "hold"]
    # Where a reference was named a moment ago, the one before it speaks.
    assert held == []


def filled() -> Terms:
    terms, events = Terms(OPTIONS, POLICY), stream(count=2_000)
    for at in range(0, len(events), BATCH):
        terms.learn(events[at : at + BATCH])
        terms.cut(at + BATCH)
    return terms


def test_what_a_version_carries_for_the_next_term_is_small() -> None:
    text = json.loads(filled().stored[-1].evidence)["memory"]
    print(f"{len(text)} bytes of evidence for the next term in each version")
    assert len(text) < 4_000


def test_another_model_keeps_what_is_known_of_the_stream_and_loses_what_was_said_of_the_old_one() -> None:
    past = recalled(json.loads(filled().stored[-1].evidence))
    assert past.standing.reference is not None
    assert past.standing.reference.n
    referee = Referee(lambda: 0.0)
    referee.take_up(past, same_model=False)
    found = referee.standing(0.0, 0)
    assert found.reference is found.champion is None
    assert found.learnt is not None
    assert found.learnt.n == 0
    assert (found.window.hit, found.window.usual) == (past.standing.window.hit, past.standing.window.usual)
    assert found.window.records == past.standing.window.records
    assert found.window.users == 0


@pytest.mark.parametrize(
    ("evidence", "why"),
    [
        ({}, "carries no evidence"),
        ({"standing": {}}, "carries no evidence"),
        ({"standing": {}, "memory": f"{FORM + 1}:whatever"}, f"has form {FORM + 1}"),
        ({"standing": {}, "memory": f"{FORM}:whatever"}, "cannot be read"),
        ({"standing": {}, "memory": f"{FORM}:caf\u00e9"}, "cannot be read"),
        ({"standing": {"lag": "no"}, "memory": kept(Referee(lambda: 0.0).memory())}, "cannot be read"),
    ],
)
def test_evidence_that_cannot_be_taken_up_says_why(evidence: dict[str, object], why: str) -> None:
    with pytest.raises(NoPast, match=why):
        recalled(evidence)


def test_a_change_of_what_is_remembered_asks_for_a_new_form() -> None:
    """Raise FORM together with this list: the next term then says that it begins again, in place of misreading.

    A field with a default, such as `left`, is read from evidence that lacks it, and needs no new form.
    """
    fields = {
        "younger", "best", "stood", "level", "alarms", "records", "tests", "users", "purse", "price", "clusters",
        "left",
    }  # fmt: skip
    assert (FORM, {field.name for field in msgspec.structs.fields(Memory)}) == (2, fields)
    assert msgspec.convert({}, Standing) == Standing()
