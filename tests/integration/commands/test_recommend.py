"""`sluicegate recommend` and `erase` against a real service."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from service.cli.main import app
from service.local.embedded import free_port
from streaming.settings.loading import Settings
from tests.conftest import eventually
from tests.support.processes.serving import Learner, service

RUNNER = CliRunner()


def test_what_a_user_would_see_is_a_table_or_the_answer_itself(settings: Settings, taught: Learner) -> None:
    version = taught.commit()
    with service(settings) as served:
        eventually(lambda: served.get("/readyz").json()["version"] == version, timeout=60.0)
        words = ["recommend", "user-1", "-n", "3", "--option", "exclude=item-1", "--option", "exclude=item-2"]
        words += ["--url", served.base]
        slate = json.loads(RUNNER.invoke(app, [*words, "--json"]).output)
        ids = [item["item_id"] for item in slate["items"]]
        assert len(ids) == 3
        assert not {"item-1", "item-2"} & set(ids)
        lines = RUNNER.invoke(app, words).output.splitlines()
        assert [line.split()[1] for line in lines[1:4]] == ids
        assert version in lines[4]
        refused = RUNNER.invoke(app, ["recommend", "user-1", "--option", "diversity=high", "--url", served.base])
        assert refused.exit_code == 1
        assert "diversity" in refused.output


def test_an_erasure_is_asked_for_twice_and_has_a_receipt(settings: Settings) -> None:
    with service(settings) as served:
        denied = RUNNER.invoke(app, ["erase", "ann", "--url", served.base], input="n\n")
        assert denied.exit_code == 1
        assert "Erase user 'ann' everywhere, for good?" in denied.output
        ordered = RUNNER.invoke(app, ["erase", "ann", "--yes", "--url", served.base, "--json"])
        order = json.loads(ordered.output)
        assert order["status"] == "accepted"
        shown = RUNNER.invoke(app, ["erase", "--receipt", order["erasure_id"], "--url", served.base])
        assert "accepted" in shown.output
        # Nobody learns here.
        late = RUNNER.invoke(app, ["erase", "ann", "--yes", "--wait", "0.1", "--url", served.base])
        assert late.exit_code == 1
        assert "is a learner running?" in late.output


def test_a_service_that_is_not_there_is_named() -> None:
    done = RUNNER.invoke(app, ["recommend", "ann", "--url", f"http://127.0.0.1:{free_port()}"])
    assert done.exit_code == 1
    assert done.output.startswith("sluicegate: no service answers at http://127.0.0.1:")
