"""What POST /events warns of is what the learner will do: the same events, through both."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from models.ledger.admission import Admission, AdmissionRules
from models.records import IMPRESSION, Event
from service.ingest.forecast import Forecast
from streaming.settings import AdmissionSettings

NOW = 1_700_000_000.0
RULES = AdmissionSettings(max_lateness=1_000.0, max_future=100.0, cap_per_minute=3)

sent = st.lists(
    st.tuples(
        st.sampled_from([0, IMPRESSION]),
        st.sampled_from(["ann", "bob"]),
        st.sampled_from([0.0, -999.0, -1_001.0, 99.0, 101.0]),
        st.booleans(),
        st.sampled_from([0.0, 1.0, 59.0]),
    ),
    max_size=30,
)


@given(sent)
def test_a_warning_says_what_the_learner_will_do(events: list[tuple[int, str, float, bool, float]]) -> None:
    forecast = Forecast(RULES)
    rules = AdmissionRules(0, RULES.max_lateness, RULES.max_future, RULES.cap_per_minute)
    admission, now = Admission(rules), NOW
    for kind, user, ahead, public, passed in events:
        now += passed
        event = Event(kind, user, "tea", now + ahead)
        warning = forecast.warning(event, now, public=public)
        assert warning.partition(":")[0] == admission.admit(event, now, backfill=False, public=public)


def test_a_warning_names_the_setting_and_what_to_do_about_history() -> None:
    forecast = Forecast(AdmissionSettings())
    late = forecast.warning(Event(0, "ann", "tea", NOW - 3 * 86_400), NOW, public=False)
    assert late.startswith("late: its timestamp is 3 days old")
    assert "admission.max_lateness (24 h)" in late
    assert "sluicegate send" in late
    assert "admission.max_future (5 min)" in forecast.warning(Event(0, "ann", "tea", NOW + 4_000), NOW, public=False)
