"""A decision and its inputs as the sentences need them, and the ways in which a held version may go live. Stage 6."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from models.gate.comparisons import against_champion, against_reference, champion_against_reference
from models.gate.decision import decide
from models.gate.evidence import Evidence, GateState, Policy, Request
from models.gate.guards import Case
from models.gate.reasons import phrases
from models.gate.reasons.projection import Shown, events_until, present
from models.statistics import Comparison
from models.structs import Prepared

OTHERS = {
    "reference": "the reference",
    "champion": "the champion",
    "probation": "the reference",
    "learnt": "the baseline",
}
"""The other model of each comparison in a standing."""

COMPARED: dict[str, Callable[[Evidence], Comparison | None]] = {
    "reference": against_reference,
    "champion": against_champion,
    "probation": champion_against_reference,
    "learnt": lambda evidence: evidence.known.learnt,
}
"""Each of these comparisons out of the evidence."""

ALMOST = 1e-3
"""Seconds after the end of a pause at which the gate is asked what holds then."""


class Remedy(msgspec.Struct, metaclass=Prepared, frozen=True, kw_only=True, omit_defaults=True):
    """One way in which the challenger may yet go live.

    Attributes:
        kind: What it takes: tested events, time, a change of the stream, a later version, or an operator.
        text: The same as a sentence.
        events: About how many further tested events; none where that cannot be said.
        seconds: About how long, at the present rate; none where that cannot be said.
        command: What an operator would type.
    """

    kind: Literal["tested_events", "time", "stream", "later_version", "operator"]
    text: str
    events: int | None = None
    seconds: float | None = None
    command: str | None = None


class Said(msgspec.Struct, metaclass=Prepared, frozen=True):
    """What there is to say of one reason: sentences, and ways out."""

    why: tuple[str, ...]
    remedies: tuple[Remedy, ...] = ()


def said(*sentences: str, remedies: tuple[Remedy, ...] = ()) -> Said:
    """What there is to say, without the sentences that are empty."""
    return Said(tuple(sentence for sentence in sentences if sentence), remedies)


class Situation(msgspec.Struct, metaclass=Prepared, frozen=True):
    """A decision and its inputs.

    Attributes:
        state: the gate's state that was decided upon.
        evidence: the evidence.
        policy: the thresholds.
        numbers: what was measured.
        at: when, epoch seconds.
        actor: `auto`, or the name of the operator's key.
        detail: the operator's reason, or a sentence about the first fault.
        rates: tested events that each comparison gets in a second at present, by its name; absent where unknown.
    """

    state: GateState
    evidence: Evidence
    policy: Policy
    numbers: Mapping[str, float]
    at: float
    actor: str = "auto"
    detail: str = ""
    rates: Mapping[str, float] = {}

    @property
    def case(self) -> Case:
        """The same as the guards see it."""
        return Case(self.evidence, self.policy, self.state.norms, self.state.former)

    def number(self, name: str) -> float:
        """A measurement; 0 without it."""
        return self.numbers.get(name, 0.0)

    def compared(self, name: str) -> Comparison | None:
        """A comparison by name, of the very versions that the gate compares; None where nothing was compared."""
        found = COMPARED[name](self.evidence)
        return found if found is not None and found.n else None

    def margin(self, name: str) -> float:
        """How much worse still counts as no worse in a comparison."""
        found = self.compared(name)
        if found is None:
            return self.policy.margin
        return found.margin(self.policy.margin, self.policy.margin_relative)

    def interval(self, name: str, who: str) -> str:
        """A sentence about a comparison; "" where nothing was compared.

        Args:
            name: Name of the comparison.
            who: Whose hit rate it is about, as "Its".
        """
        latest = f"{name}_recent" if f"{name}_recent_n" in self.numbers else name
        if f"{latest}_n" not in self.numbers:
            return ""
        tested = f"{'the latest ' if latest != name else ''}{phrases.count(self.number(f'{latest}_n'))} tested events"
        hits = phrases.between(self.number(f"{latest}_hit_low"), self.number(f"{latest}_hit_high"))
        ranks = self.number(f"{latest}_reciprocal_low"), self.number(f"{latest}_reciprocal_high")
        sentence = f"{who} hit rate is {hits} that of {OTHERS[name]}, over {tested}."
        if ranks[1] < 0.0:
            sentence += f" {who} reciprocal rank is {phrases.between(*ranks)} as well."
        return sentence

    def until(self, name: str, shown: Shown) -> Remedy:
        """What it takes until a comparison shows something: how many tested events, and how long.

        Args:
            name: Name of the comparison.
            shown: What it has to show.
        """
        other, found = OTHERS[name], self.compared(name)
        goal = f"be shown to find {'no less' if shown == 'as_good' else 'more'} than {other}"
        if found is None:
            return Remedy(kind="tested_events", text=f"It has to {goal}, and {self._uncompared(other)}")
        further = events_until(found, shown, self.policy)
        if further is not None:
            text = (
                f"It has to {goal}: {phrases.about(further)} more tested events will do, if the difference stays as it "
                f"is. {self._pace(name, further)}"
            )
            return self._counted(name, text, further)
        return self._healing(name, shown, goal)

    def _healing(self, name: str, shown: Shown, goal: str) -> Remedy:
        """The remedy where the present difference would have to change first."""
        found = self.compared(name)
        assert found is not None
        now, margin = present(found), self.margin(name)
        worst = min(now.hit, now.reciprocal)
        what = "hit rate" if worst == now.hit else "reciprocal rank"
        side = "below" if worst < 0.0 else "above"
        text = f"It has to {goal}. At present its {what} is about {phrases.points(worst)} {side}"
        further = events_until(found, shown, self.policy, now.equal) if shown == "as_good" else None
        if shown == "better" or worst > -margin:
            return Remedy(kind="tested_events", text=f"{text}, too little to be shown soon.")
        text += f", and no more than {phrases.points(margin)} may be missing: waiting alone will not do."
        if further is None:
            return Remedy(kind="tested_events", text=text)
        tested = f"{phrases.about(further)} tested events show it"
        text += f" Once the model has recovered, {tested}. {self._pace(name, further)}"
        return self._counted(name, text, further)

    def counted(self, name: str, further: int, purpose: str) -> Remedy:
        """The remedy that a number of further tested events is."""
        text = f"{phrases.count(further)} more tested events are needed {purpose}. {self._pace(name, further)}"
        return self._counted(name, text, further)

    def _counted(self, name: str, text: str, further: int) -> Remedy:
        rate = self.rates.get(name, 0.0)
        seconds = round(further / rate, 1) if rate > 0.0 else None
        return Remedy(kind="tested_events", text=text, events=further, seconds=seconds)

    def _pace(self, name: str, further: int) -> str:
        """A sentence that turns tested events into time."""
        paused = self.evidence.known.paused
        if paused:
            return f"Nothing is compared at present: {paused}."
        rate = self.rates.get(name)
        if rate is None:
            return "How long that takes cannot be said yet: too few versions were seen since the service started."
        if rate <= 0.0:
            return "None were compared lately: it takes until shoppers do something again."
        return f"At the present {_per_second(rate)} that is about {phrases.span(further / rate)}."

    def _uncompared(self, other: str) -> str:
        paused = self.evidence.known.paused
        if paused:
            return f"nothing is compared at present: {paused}."
        return f"no tested event was compared with {other} yet; how long it takes can be said once some are."

    def later(self, at: float, what: str) -> Remedy:
        """The remedy that time is.

        Args:
            at: When it ends, epoch seconds.
            what: What ends.
        """
        left = max(0.0, at - self.at)
        return Remedy(kind="time", text=f"{what} in {phrases.span(left)}.", seconds=round(left, 1))

    def by_hand(self) -> tuple[Remedy, ...]:
        """What an operator can do: the gate itself is asked which request it would carry out."""
        for force in (False, True):
            request = Request("promote", "operator", "asked", force=force)
            asked = msgspec.structs.replace(self.evidence, request=request)
            if decide(self.state, asked, self.policy, self.at).action == "promote":
                command = f'sluicegate gate promote{" --force" if force else ""} --reason "..."'
                against = ", against the evidence" if force else ""
                text = f"An operator can promote it{against}: `{command}`."
                return (Remedy(kind="operator", text=text, command=command),)
        return ()

    def then(self, state: GateState, at: float) -> tuple[str, ...]:
        """The reasons that would hold the same candidate in another state and at another moment.

        Args:
            state: The gate's state then.
            at: When, epoch seconds.
        """
        decision = decide(state, self.evidence, self.policy, at + ALMOST)
        return decision.reasons if decision.action == "hold" else ()


def _per_second(rate: float) -> str:
    return f"{phrases.about(rate)} a second" if rate >= 1.0 else f"{phrases.about(60.0 * rate)} a minute"


__all__ = ["OTHERS", "Remedy", "Said", "Situation", "said"]
