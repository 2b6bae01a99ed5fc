"""Nothing that the service holds can learn: its tables are read by rankers, never by a recommender."""

from __future__ import annotations

import ast
import gc
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any

from models.recommender.ranker import Ranker
from models.recommender.recommender import Recommender
from streaming.settings.loading import Settings
from tests.conftest import eventually
from tests.support.processes.serving import Learner, service

SERVICE = Path(__file__).parents[3] / "service"

LEARNING = {"Recommender", "new_state", "take", "enlist_categories"}
"""What the recommender's door offers to a learner."""


def held_by(root: Any) -> Iterator[Any]:
    """Every object that `root` reaches, without going through modules, classes and the globals of functions."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, (ModuleType, type, CodeType, FrameType)):
            continue
        seen.add(id(one))
        yield one
        if isinstance(one, FunctionType):
            waiting += [one.__closure__, one.__defaults__, one.__kwdefaults__]
        else:
            waiting += gc.get_referents(one)


def test_the_running_service_holds_rankers_and_no_recommender(settings: Settings, taught: Learner) -> None:
    version = taught.commit()
    with service(settings) as served:
        eventually(lambda: served.get("/readyz").json()["version"] == version)
        assert served.items("/recommend/user-3?n=5")
        kinds = [type(one) for one in held_by(served.app) if isinstance(one, Ranker)]
    assert kinds
    assert set(kinds) == {Ranker}
    assert any(isinstance(one, Recommender) for one in held_by(taught))  # the search finds one where there is one


def test_no_module_of_the_service_imports_what_learns() -> None:
    found = [
        f"{path.name}: {alias.name}"
        for path in sorted(SERVICE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("models.recommender")
        for alias in node.names
        if alias.name in LEARNING
    ]
    assert found == []
