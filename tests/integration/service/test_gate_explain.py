"""Why a version went live or not, as the service tells it from its own decisions and from the audit."""

from __future__ import annotations

import json

import httpx
import pytest
from typer.testing import CliRunner, Result

from service.cli.main import app
from streaming.settings.loading import Settings
from streaming.store import Pointer
from tests.conftest import eventually
from tests.integration.service.test_gate import command, decisions, serving, standing
from tests.support.processes.serving import Learner, Served, changed, service


def explained(served: Served, version: str = "") -> httpx.Response:
    return served.get("/gate/explain", params={"version": version} if version else {})


def told(served: Served, *words: str) -> Result:
    return CliRunner().invoke(app, ["gate", "explain", *words, "--url", served.base])


def test_a_version_is_explained_while_it_waits_is_served_is_withdrawn_and_is_replaced(
    settings: Settings, taught: Learner
) -> None:
    first = taught.commit()
    with service(changed(settings, gate={"cooldown": 600.0})) as served:
        eventually(lambda: serving(served, first))
        found = explained(served).json()
        assert (found["version"], found["status"]) == (first, "served")
        assert found["explanation"]["reasons"] == ["first_version", "sound"]
        assert found["explanation"]["remedies"] == []
        taught.learn([("user-1", "item-1")])
        second = taught.commit()
        eventually(lambda: serving(served, second))
        assert explained(served, first).json()["status"] == "replaced"
        assert command(served, "rollback").json()["action"] == "rollback"
        withdrawn = explained(served, second).json()
        assert withdrawn["status"] == "withdrawn"
        assert withdrawn["ended"]["why"] == ["local asked for it: a test."]
        eventually(lambda: explained(served, second).json()["explanation"]["reasons"] == ["cooling_down"])
        taught.learn([("user-1", "item-2")])
        third = taught.commit(standing(first, 0.0))
        eventually(lambda: explained(served).json()["version"] == third)
        waiting = explained(served).json()
        assert (waiting["status"], waiting["explanation"]["reasons"]) == ("waiting", ["cooling_down"])
        pause, by_hand = waiting["explanation"]["remedies"]
        assert (pause["kind"], by_hand["kind"]) == ("time", "operator")
        assert 500.0 < pause["seconds"] <= 600.0
        assert command(served, "promote").json()["action"] == "promote"
        assert explained(served, third).json()["explanation"]["why"][0] == "local asked for it: a test."


def test_a_version_that_no_decision_names_is_explained_by_the_one_before_it(
    settings: Settings, taught: Learner
) -> None:
    first = taught.commit()
    with service(settings) as served:
        eventually(lambda: serving(served, first))
        command(served, "mode", mode="manual")
        held = []
        for _ in range(3):
            taught.learn([("user-1", "item-1")])
            held.append(taught.commit())
            eventually(lambda: served.get("/gate").json()["head"] == held[-1])
            eventually(lambda: explained(served).json()["version"] == held[-1])
        assert [entry.to_version for entry in decisions(served) if entry.action == "hold"] == held[:1]
        for version in held[:2]:
            found = explained(served, version).json()
            assert (found["version"], found["status"]) == (version, "held")
            assert found["explanation"]["reasons"] == ["manual"]
            assert found["explanation"]["remedies"] == []
        assert f"It came while {held[0]} and those after it were held" in found["note"]
        number = held[1].split("-")[0]
        assert explained(served, number).json()["version"] == explained(served, f"v{number}").json()["version"]


def test_until_the_newest_version_is_judged_the_served_one_is_explained(settings: Settings, taught: Learner) -> None:
    first = taught.commit()
    with service(settings) as served:
        eventually(lambda: serving(served, first))
        served.context.gatekeeper.follower.head = Pointer("9-1-unjudged", 9)
        found = explained(served)
        # Until the next look, a fifth of a second later, the head is the one that was never judged.
        assert (found.status_code, found.json()["version"], found.json()["status"]) == (200, first, "served")


def test_a_version_that_is_not_known_is_a_clear_error(settings: Settings, taught: Learner) -> None:
    with service(settings) as served:
        nothing = explained(served)
        assert (nothing.status_code, nothing.json()["detail"]) == (404, "No version was committed yet.")
        versions = [taught.commit()]
        eventually(lambda: serving(served, versions[0]))
        late = explained(served, "4711")
        assert (late.status_code, "There is no version 4711 yet" in late.json()["detail"]) == (404, True)
        other = explained(served, f"{versions[0].split('-')[0]}-9-abcdef")
        assert (other.status_code, "it is not kept any more, if it ever was" in other.json()["detail"]) == (404, True)
        taught.store.call("DEL", taught.store.key("audit"))
        gone = explained(served, versions[0])
        assert (gone.status_code, "is no longer kept" in gone.json()["detail"]) == (404, True)
        for odd in ("newest", "1 2", "-1", "1" * 40):
            refused = explained(served, odd)
            assert refused.status_code == 422
            assert refused.json()["errors"][0]["path"] == "query.version"


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_an_operator_reads_it_in_the_shell(settings: Settings, taught: Learner, words: tuple[str, ...]) -> None:
    first = taught.commit()
    with service(changed(settings, gate={"mode": "strict"})) as served:
        eventually(lambda: serving(served, first))
        for total in (0.0, 1.0):
            taught.learn([("user-1", "item-1")])
            second = taught.commit(standing(first, total, name="champion"))
        eventually(lambda: served.get("/gate").json()["head"] == second)
        eventually(lambda: explained(served).json()["version"] == second)
        answer = told(served, *words)
        assert answer.exit_code == 0
        if words:
            assert json.loads(answer.output)["version"] == second
            return
        assert answer.output.startswith(f"{second} waits (decision ")
        assert "sluicegate gate promote" in answer.output
        assert max(map(len, answer.output.splitlines())) <= 110
        unknown = told(served, "4711")
        assert (unknown.exit_code, "There is no version 4711 yet" in unknown.output) == (1, True)
