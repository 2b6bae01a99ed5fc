"""An arm's policy becomes the options of a request: its own ones take their place, its filters are added."""

from __future__ import annotations

import pytest

from models.experiments.changes import encoded
from models.experiments.definition import Arm, CannotRun, Experiment
from models.slate.filters import Wanted
from service.http.ask import ask_from_query
from service.serving.experiments import NONE, Experiments, narrowed, treated

ASK = ask_from_query(b"diversity=0.1&rotate=0.2&category=tea&price_max=9&n=7&exclude=mug", 0.0, user_id="ann")


def test_the_options_of_an_arm_take_the_place_of_those_of_the_request() -> None:
    arm = Arm("b", 0.5, order="machine", version="reference", diversity=0.6, explore=0.3, exclude_seen="all")
    found = treated(ASK, {"e": arm})
    assert (found.order, found.reference, found.diversity, found.explore, found.exclude_seen) == (
        "machine", True, 0.6, 0.3, "all",
    )  # fmt: skip
    assert found.arms == {"e": "b"}
    assert (found.rotate, found.count, found.exclude, found.wanted) == (0.2, 7, ["mug"], ASK.wanted), "the rest stays"


def test_an_arm_without_a_policy_changes_nothing_but_is_named() -> None:
    found = treated(ASK, {"e": Arm("a", 0.5)})
    assert found.arms == {"e": "a"}
    assert (found.order, found.reference, found.wanted, found.diversity) == (None, False, ASK.wanted, 0.1)


def test_arms_of_several_experiments_are_all_applied() -> None:
    found = treated(ASK, {"e": Arm("a", 0.5, diversity=0.6), "f": Arm("b", 0.5, rotate=0.9)})
    assert (found.diversity, found.rotate, found.arms) == (0.6, 0.9, {"e": "a", "f": "b"})


def test_filters_of_an_arm_are_added_to_those_of_the_request() -> None:
    wanted = Wanted("tea", frozenset({"loose"}), frozenset(), 2.0, 9.0)
    arm = Arm("b", 0.5, tags_all=("green",), price_min=1.0, price_max=5.0, filter=("attributes.stock>=1",))
    found = narrowed(wanted, arm)
    assert (found.category, found.tags_all, found.price_min, found.price_max) == ("tea", {"loose", "green"}, 2.0, 5.0)
    assert len(found.conditions) == 1
    assert narrowed(wanted, Arm("b", 0.5, category="mugs")).category == "mugs"
    assert narrowed(wanted, Arm("b", 0.5)) is wanted


def test_a_visitor_without_an_id_and_one_outside_the_shares_have_no_arm() -> None:
    known = Experiments()
    assert known.arms("ann", 5.0) is NONE
    known.take(encoded((Experiment("e", "0f" * 8, (Arm("a", 1e-9), Arm("b", 1e-9, rotate=0.5))),)))
    assert known.arms(None, 5.0) == known.arms("ann", 5.0) == {}
    assert known.rotates(5.0)
    known.take(encoded((Experiment("e", "0f" * 8, (Arm("a", 1.0, rotate=0.5),), end=4.0),)))
    assert not known.rotates(5.0), "it is over"


def test_what_cannot_be_read_leaves_the_experiments_as_they_were() -> None:
    known = Experiments()
    known.take(encoded((Experiment("e", "0f" * 8, (Arm("a", 1.0),)),)))
    with pytest.raises(CannotRun):
        known.take(b"{}")
    assert list(known.arms("ann", 5.0)) == ["e"]
    with pytest.raises(CannotRun, match="update this service first"):
        known.changeable()
    known.take(encoded(()))
    assert known.changeable() == ()
