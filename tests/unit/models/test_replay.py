"""A past stream under two gates: what each serves and decides, and the frozen tables it needs."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from models import dimensions as dim
from models.gate import Action, Policy
from models.recommender.recommender import Recommender, new_state
from models.recommender.types import RecommenderOptions
from models.replay.replay import Pace, Replay
from models.replay.report import report
from models.replay.timeline import ROWS, Change, described, divided, stretches
from models.replay.trial import Examined, Rule
from models.replay.versions import Versions
from models.state.schema import SCHEMA
from models.state.state import State
from service.replay.examiner import CanaryExaminer
from service.replay.policy_file import BadPolicy, read_rule
from service.replay.table import text
from streaming.jobs.replay import before
from tests.support.oracles.seen import Seen

SETTINGS = RecommenderOptions(items=500, users=100, categories=100, brands=100, queries=100, test_every=2)
START = 1.7e9


def stream(count: int, seed: int = 1) -> list[Seen]:
    """Users who walk along forty items, each in steps of their own; one event each tenth of a second.

    No user acts twice in a second: that would be one order, and one question.
    """
    draw, at = random.Random(seed), dict.fromkeys(range(20), 0)
    events: list[Seen] = []
    for number in range(count):
        lately = {event.user_id for event in events[-10:]}
        user = draw.choice([each for each in range(20) if f"u{each}" not in lately])
        at[user] = (at[user] + 1 + user % 3) % 40 if draw.random() < 0.8 else draw.randrange(40)
        events.append(Seen(0, f"u{user}", f"i{at[user]}", START + 0.1 * number))
    return events


def replay(rules: dict[str, Rule], events: list[Seen], since: float = 0.0, together: int = 700) -> Replay:
    replayed = Replay(rules, CanaryExaminer(), SETTINGS, since=since, pace=Pace(1.0, 100))
    for start in range(0, len(events), together):
        part = events[start : start + together]
        replayed.learn(part, [event.timestamp for event in part])
    return replayed


def test_gates_with_equal_policies_always_agree_and_a_frozen_one_diverges() -> None:
    rules = {
        "in force": Rule("continuous", Policy()),
        "same": Rule("continuous", Policy()),
        "still": Rule("manual", Policy()),
    }
    result = report(replay(rules, stream(1_500)))
    gates = result["gates"]
    assert (result["events"], result["versions"]) == (1_500, 14)
    assert 650 < result["tested"] <= 700  # every second one; some name an item nobody had touched
    assert gates["same"] == gates["in force"]
    assert result["differences"]["same"]["hr@20"]["value"] == 0.0
    assert gates["still"]["holds"] == 14
    assert gates["still"]["serving"] == "1"
    assert gates["in force"]["serving"] == "15"
    assert result["differences"]["still"]["hr@20"]["high"] < 0
    assert result["diverged"] == 14
    assert result["divergences"][0]["gates"]["still"] == {
        "action": "hold",
        "reasons": ["manual", "bootstrap"],
        "serves": "1",
    }
    said = text(result | {"source": {}})
    assert "still against in force: hr@20 -0." in said
    assert "hold     manual" in said


def test_the_time_line_has_what_each_gate_served_and_where_they_parted() -> None:
    rules = {"in force": Rule("continuous", Policy()), "still": Rule("manual", Policy())}
    replayed = replay(rules, stream(1_500))
    result = report(replayed)
    assert [each["version"] for each in result["timelines"]["in force"]] == [str(number) for number in range(1, 16)]
    (first,) = result["timelines"]["still"]
    assert first == {
        "at": result["began"],
        "events": result["timelines"]["in force"][0]["events"],
        "version": "1",
        "action": "promote",
        "reasons": ["first_version"],
    }
    together, apart = result["stretches"]
    assert (together["parted"], apart["parted"]) == (False, True)
    assert (together["from"], apart["from"], apart["until"]) == (result["began"], together["until"], result["ended"])
    assert together["tested"] + apart["tested"] == result["tested"]
    assert together["gates"]["in force"] == together["gates"]["still"]
    assert apart["gates"]["still"] | {"hr@20": None} == {
        "first": "1",
        "last": "1",
        "versions": 1,
        "rollbacks": 0,
        "hr@20": None,
    }
    served = [each["version"] for each in result["timelines"]["in force"] if each["at"] < result["ended"]]
    assert (apart["gates"]["in force"]["first"], apart["gates"]["in force"]["last"]) == ("2", served[-1])
    ranks = {trial.name: trial.ranks[together["tested"] :] for trial in replayed.trials}
    for name, found in apart["gates"].items():
        hits = sum(0 < rank <= 20 for rank in ranks[name])
        assert found["hr@20"] == pytest.approx(hits / apart["tested"], abs=1e-6)
    lines = text(result | {"source": {}}).split("time line:\n")[1].splitlines()
    assert re.split(r"  +", lines[0])[3:] == ["in force serves", "still serves", "hr@20 in force", "hr@20 still"]
    assert lines[2].endswith("apart")
    assert f"2 to {served[-1]} ({len(served) - 1})" in lines[2]


def test_a_time_line_of_many_changes_stays_a_screen_long() -> None:
    def change(events: int, version: str, action: Action = "promote") -> Change:
        return Change(START + events, events, events // 2, version, action, ("sound",))

    ours = [change(events, str(events)) for events in range(0, 10_000, 10)]
    theirs = [change(events, str(events)) for events in range(0, 10_000, 20)]
    back = change(9_995, "9000", "rollback")
    changes = {"ours": ours, "theirs": [*theirs, back]}
    end = change(10_000, "")
    rows = divided(changes, end)
    assert len(stretches(changes, end)) > 900
    assert len(rows) == ROWS
    assert [each.start for each in rows[1:]] == [each.end for each in rows[:-1]]
    assert (rows[0].start.events, rows[-1].end) == (0, end)
    last = described(rows[-1], changes, {name: [1] * 5_000 for name in changes})
    assert last["gates"]["theirs"]["rollbacks"] == 1
    assert last["gates"]["theirs"]["last"] == "9000"
    assert last["gates"]["ours"]["rollbacks"] == 0


def test_events_before_the_beginning_are_learned_and_not_compared() -> None:
    rules = {"in force": Rule("continuous", Policy())}
    events = stream(1_500)
    late = replay(rules, events, since=events[1_000].timestamp)
    assert (late.events, late.versions) == (1_500, 4)
    assert late.began >= events[1_000].timestamp
    whole = replay(rules, events)
    assert late.recommender.state.digest() == whole.recommender.state.digest()
    # Both serve the model learned just before, so they show the same from there on.
    assert late.trials[0].ranks[-100:] == whole.trials[0].ranks[-100:]


def test_kept_tables_are_those_of_the_version_whether_copied_or_brought_forward() -> None:
    recommender = Recommender(new_state(SETTINGS), SETTINGS)
    versions, events = Versions(recommender.state), stream(600)
    expected = {}
    for start in range(0, 600, 100):
        part = events[start : start + 100]
        recommender.learn_events(part, [event.timestamp for event in part])
        version = versions.cut(0.0, start)
        twin = State(SCHEMA, SETTINGS.ceilings(), served_only=True)
        twin.apply(recommender.state.full())
        expected[version.id] = twin.digest()
        # The second stays, the newest comes: one copy, then the spare is brought forward.
        held = versions.hold({"2", version.id})
        assert {name: each.state.digest() for name, each in held.items()} == {name: expected[name] for name in held}
        assert version.id in held
    assert set(held) == {"2", "6"}


def test_a_nervous_gate_goes_back_to_the_last_known_good_version_and_pauses() -> None:
    nervous = Policy(alpha_crash=0.4, fall=0.0, cooldown=20.0, margin=0.5, healthy_tested=50)
    rules = {"in force": Rule("continuous", Policy()), "nervous": Rule("continuous", nervous)}
    events = stream(1_500)
    # Just before a version is cut: later, what it finds would keep it from going live.
    replayed = replay(rules, events[:1_095])
    # Ruin the model at once: empty the co-visitation tables and flip the sign of the ranker's weights.
    tables = replayed.recommender.state.tables
    for memory in ("lag_memory", "forward_memory", "backward_memory"):
        tables[memory].columns["other"][:] = -1
    tables["ranker"].columns["weight"] *= -1
    tables["chosen"].columns["contender"][0] = dim.RANKER
    replayed.learn(events[1_095:], [event.timestamp for event in events[1_095:]])
    gates = report(replayed)["gates"]
    assert gates["in force"]["rollbacks"] == 0
    assert gates["nervous"]["rollbacks"] > 0
    reasons = [reason for each in gates["nervous"]["decisions"] for reason in each["reasons"]]
    assert {"crash", "cooling_down"} <= set(reasons)
    assert int(gates["nervous"]["serving"]) < int(gates["in force"]["serving"])


def test_a_fault_found_by_the_mechanical_guards_holds_a_version() -> None:
    def examine(candidate: State, served: State | None, policy: Policy, now: float) -> Examined:
        return ("not_finite",) if now < START + 100.0 else (), "", {}

    replayed = Replay({"only": Rule("continuous", Policy())}, examine, SETTINGS, pace=Pace(1.0, 100))
    events = stream(1_500)
    replayed.learn(events, [event.timestamp for event in events])
    decisions = report(replayed)["gates"]["only"]["decisions"]
    assert sum(each["versions"] for each in decisions if each["reasons"][0] == "not_finite") == 9
    assert report(replayed)["gates"]["only"]["promotions"] == 5


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("margn = 0.1", "did you mean 'margin'?"),
        ("mode = 'brave'", "mode 'brave' is none of continuous, strict"),
        ("margin = 'wide'", "Expected `float`"),
        ("margin", "is not TOML"),
        ("[gate]\nwindow = 1.5", "Expected `int`"),
    ],
)
def test_a_policy_that_cannot_be_used_is_refused_with_what_to_write(tmp_path: Path, written: str, says: str) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(written)
    with pytest.raises(BadPolicy, match=r"policy\.toml") as refused:
        read_rule(path, Rule("continuous", Policy()))
    assert says in str(refused.value)


def test_a_policy_says_what_differs_and_the_rest_stays(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text("[gate]\nmode = 'strict'\nleast_tested = 99\n")
    rule = read_rule(path, Rule("continuous", Policy(margin=0.2)))
    assert rule == Rule("strict", Policy(margin=0.2, least_tested=99, healthy_tested=99))


@dataclass
class Stamped:
    timestamp: int


def test_reading_ends_with_the_last_record_that_is_not_too_late() -> None:
    batches = [[[Stamped(1_000)], [Stamped(3_000), Stamped(2_000)]], [[Stamped(2_500)]]]
    assert list(before(batches, 2.0)) == [[[Stamped(1_000)], [Stamped(2_000)]]]
    assert list(before(batches, 9.0)) == batches
    assert list(before(batches, 0.5)) == []
