"""How many tested events a comparison gets in a second, from versions as they come."""

from __future__ import annotations

from models.statistics import Comparison, Standing
from models.statistics.confidence import Sums
from service.gate.pace import SPAN, ComparedPace


def standing(against: str, n: int) -> Standing:
    return Standing(champion=Comparison(against, hit=Sums(n=n)))


def test_a_pair_that_is_new_to_the_service_counts_from_then_on() -> None:
    pace = ComparedPace()
    for second in range(4):
        pace.note(float(second), standing("a", 5_000 + 10 * second))
    assert pace.rates(3.0) == {"champion": 10.0}
    for second in range(4, 7):
        pace.note(float(second), standing("b", 20 * (second - 4)))
    assert pace.rates(6.0) == {"champion": (30 + 40) / 6}


def test_too_few_versions_and_versions_without_evidence_name_no_rate() -> None:
    pace = ComparedPace()
    assert pace.rates(0.0) == {}
    pace.note(0.0, standing("a", 10))
    pace.note(1.0, standing("a", 20))
    assert pace.rates(1.0) == {}
    silent = ComparedPace()
    for second in range(4):
        silent.note(float(second), None)
    assert silent.rates(3.0) == {}


def test_only_the_last_minutes_count() -> None:
    pace = ComparedPace()
    for second in range(2_000):
        pace.note(float(second), standing("a", 100 * min(second, 1_000)))
    assert pace.rates(1_999.0) == {"champion": 0.0}
    assert len(pace._steps) <= SPAN + 1
