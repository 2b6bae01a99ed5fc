"""Anchors as services run them: named in Redis, shown over HTTP, and gone back to."""

from __future__ import annotations

import msgspec

from models.gate import audit
from models.statistics import Anchored, Comparison, Standing
from models.statistics.confidence import Sums
from streaming.settings.loading import Settings
from streaming.store import anchors_of
from tests.conftest import eventually
from tests.integration.service.test_gate import decisions, serving
from tests.support.processes.serving import Learner, changed, service


def test_users_go_back_to_an_anchor_that_a_walked_down_reference_fell_behind(
    settings: Settings, taught: Learner
) -> None:
    first = taught.commit()
    with service(changed(settings, gate={"anchors": (3_600.0, 86_400.0)})) as served:
        eventually(lambda: serving(served, first))
        assert [each["id"] for each in served.get("/gate").json()["anchors"]] == [first, first]
        assert [each.id for each in anchors_of(taught.store.pointers())] == [first, first]
        eventually(lambda: served.sample("sluicegate_gate_anchor_since_timestamp_seconds", anchor="2") > 0)
        assert served.sample("sluicegate_gate_anchor_since_timestamp_seconds", anchor="3") == 0
        taught.learn([("user-1", "item-1")])
        good = Comparison(first, hit=Sums(1.0, 4_000, 400.0, 200.0), reciprocal=Sums(0.5, 4_000))
        second = taught.commit(Standing(reference=good, applied=50_000))
        eventually(lambda: serving(served, second))
        eventually(lambda: served.get("/gate").json()["reference"] == second)
        taught.learn([("user-1", "item-1")])
        lost = Anchored(first, 40_000, -1_000, 4_000, 0.0, 400.0, 12_000)
        taught.commit(Standing(applied=50_000, anchors=(lost,)))
        eventually(lambda: serving(served, first))
        (rolled,) = [entry for entry in decisions(served) if entry.action == "rollback"]
        assert (rolled.reasons, rolled.from_version, rolled.to_version) == (("behind_anchor",), second, first)
        assert rolled.numbers["anchor1_hit_high"] < -0.009
        eventually(lambda: served.get("/gate").json()["reference"] == first)
        shown = served.get("/gate").json()
        assert shown["recovering"]
        assert shown["evidence"]["anchors"][0][0] == first
        assert served.sample("sluicegate_gate_reasons_total", reason="behind_anchor") == 1
        assert audit.complaints([msgspec.json.encode(entry) for entry in decisions(served)]) == []


def test_a_shop_without_anchors_has_none(settings: Settings, taught: Learner) -> None:
    first = taught.commit()
    with service(changed(settings, gate={"anchors": ()})) as served:
        eventually(lambda: serving(served, first))
        assert served.get("/gate").json()["anchors"] == []
        assert anchors_of(taught.store.pointers()) == []
