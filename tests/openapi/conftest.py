"""Fixtures: a service that knows a small shop and needs keys, its description in a file, and the tools of this tier."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.records.items import ItemFacts
from service.app import description
from service.http.auth import digest
from streaming.kafka.topics import ensure_topics
from streaming.settings.loading import load_settings
from tests.conftest import eventually
from tests.support.processes.serving import Served, changed, connected, learner, shop

KEY = "key-of-the-operator"
TOOLS = Path(sys.prefix) / "api"
"""The environment that `make openapi` makes: the tools, and the packages of TypeScript."""


@pytest.fixture(scope="session")
def served(broker: str, redis_url: str) -> Iterator[Served]:
    """The service."""
    where = {"SLUICEGATE_KAFKA__BOOTSTRAP": broker, "SLUICEGATE_REDIS__URL": redis_url}
    settings = load_settings(None, {**where, "SLUICEGATE_NAMESPACE": "described"})
    settings = changed(settings, service={"keys": (f"admin:{digest(KEY)}",)})
    ensure_topics(settings)
    with learner(settings) as taught:
        taught.learn(shop())
        taught.describe({"item-1": ItemFacts(category="tea", price=9.0, tags=("green",))})
        version = taught.commit()
        with connected(settings, trusted=False) as running:
            eventually(lambda: running.get("/readyz").json()["version"] == version, timeout=60.0)
            yield running


@pytest.fixture(scope="session")
def described(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The description."""
    assert TOOLS.is_dir(), "make openapi makes the tools first"
    path = tmp_path_factory.mktemp("described") / "openapi.json"
    path.write_text(json.dumps(description()), encoding="utf-8")
    return path
