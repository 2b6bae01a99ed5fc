"""The gate with real processes and a real stream: what it must never let users see, and how soon it takes it back.

Every figure is printed: `pytest -s` shows them.
"""

from __future__ import annotations

import time

import numpy as np

from models.dimensions import RANKER
from models.ledger.admission import Admission, AdmissionRules
from models.state.state import State
from tests.acceptance.conftest import Open
from tests.support.oracles.gated import (
    GATE,
    RATE,
    Scene,
    consumed,
    decisions,
    endless,
    grown,
    moves,
    order,
    rollbacks,
    run,
    status,
)
from tests.support.oracles.probe import Probe
from tests.support.processes.harness import Installation
from tests.support.processes.roles import Process
from tests.support.streams.grown import committed

# Events after which random weights, forced live, must have been taken back; versions are looked at each second, and a
# champion is compared once it has stood for two.
CAUGHT = 15_000
# Seconds until a hold is in the audit: one that repeats the hold before it is recorded once a minute.
RECORDED = 90.0


def scramble(state: State) -> None:
    """Random weights in the place of what was learned, of the size of those they replace; every count stays."""
    random = np.random.default_rng(7)
    items = len(state.keys["item"])
    for name in ("lag_memory", "forward_memory", "backward_memory"):
        neighbours = state.tables[name].columns["other"]
        neighbours[neighbours >= 0] = random.integers(0, items, int((neighbours >= 0).sum()))
    for name, column in (("ranker", "weight"), ("item_factors", "q")):
        values = state.tables[name].columns[column]
        spread = float(np.sqrt(np.mean(np.square(values))))
        values[:] = random.normal(0.0, spread, values.shape)
    state.tables["chosen"].columns["contender"][:] = RANKER


def put_in_by_hand(ours: Installation) -> str:
    """A version that no learner wrote: head with random weights, whole and well-formed; its id."""
    loaded = ours.load()
    scramble(loaded.state)
    return committed(ours, loaded.state, loaded.manifest.progress, Admission(AdmissionRules(), loaded.arrivals))


def judged(service: Process, version: str) -> bool:
    """Whether a version was promoted or held."""
    return bool(status(service)["serving"] == version or decisions(service)[0]["to_version"] == version)


def test_random_weights_put_in_by_hand_are_never_served_and_forced_live_they_are_rolled_back(
    open_installation: Open, scene: Scene
) -> None:
    ours, stream = open_installation(**GATE), scene.plenty()
    grown(ours, stream)
    learner, service = ours.learner(), ours.service()
    run(ours, stream.clean(4_000), learner, service)
    learner.terminate()
    learner.wait_exit()
    # An alarm at the end lasts until more events are compared, and none come: what is served then is good all the same.
    last = status(service)["head"]
    ours.wait(lambda: judged(service, last), "the gate has judged the last version", service, timeout=RECORDED)
    good, probe = status(service)["serving"], Probe(stream.shop, stream.clean(3_000))
    before = probe.hit_rate(ours.load(good).state)

    made_up = put_in_by_hand(ours)
    ruined = probe.hit_rate(ours.load(made_up).state)
    print(f"hit rate on clean traffic: served {before:.3f}, made up {ruined:.3f}")
    assert ruined < 0.7 * before
    ours.wait(lambda: judged(service, made_up), "the gate has judged it", service, timeout=RECORDED)
    assert decisions(service)[0]["action"] == "hold"
    print(f"held for {decisions(service)[0]['reasons']}, lists shared {decisions(service)[0]['numbers']['overlap']}")
    assert status(service)["serving"] == good

    # In mode strict it stays served while the learner learns on: what users see does not mend itself.
    order(service, "mode", mode="strict")
    assert order(service, "promote", force=True)["reasons"] == ["requested", "forced", "sound"]
    assert status(service)["serving"] == made_up
    forced_at, forced = time.monotonic(), consumed(ours)
    again = ours.learner()
    feed = ours.feed(endless(stream), RATE)
    ours.wait(lambda: bool(rollbacks(service)), "rolled back", again, service, timeout=180.0)
    taken, seconds = consumed(ours) - forced, time.monotonic() - forced_at
    (rolled,) = rollbacks(service)
    feed.finish()
    compared = rolled["numbers"]["probation_n"]
    print(f"rolled back for {rolled['reasons']} after {taken} events, {compared} compared, {seconds:.1f} s")
    assert rolled["from_version"] == made_up
    assert not any(each["to_version"] == made_up and each["actor"] == "auto" for each in moves(service))
    assert probe.hit_rate(ours.load(rolled["to_version"]).state) > 0.9 * before
    assert taken < CAUGHT
