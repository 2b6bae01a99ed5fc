"""Holds a model that learns together with its place in the stream."""

from __future__ import annotations

from dataclasses import dataclass, field

from models.ledger import Admission, Arrivals, Erasures, Identities, Progress
from models.recommender import Recommender, new_state
from models.state import State
from streaming.intake import KnownItems, admission_rules, admission_slack, recommender_settings
from streaming.settings import Settings
from streaming.versions import Loaded


@dataclass(slots=True)
class Model:
    """A recommender, the dedupe window and the item facts it learns with, and how far it has read."""

    recommender: Recommender
    admission: Admission
    catalogue: KnownItems
    progress: Progress = field(default_factory=Progress)

    @classmethod
    def empty(cls, settings: Settings, catalogue: KnownItems) -> Model:
        """A model that has learned nothing and starts at the beginning of the topics."""
        options = recommender_settings(settings)
        recommender = Recommender(new_state(options, settings.recommender.seed), options)
        return cls(recommender, _admission(settings), catalogue)

    @classmethod
    def of_version(cls, settings: Settings, loaded: Loaded, catalogue: KnownItems, learners: int = 1) -> Model:
        """The model of a version, with a copy of its progress. The version's state is not copied.

        Args:
            settings: The recommender's options and the rules of admission.
            loaded: The version.
            catalogue: Facts of items.
            learners: How many learners share the stream of this model.
        """
        return cls(
            Recommender(loaded.state, recommender_settings(settings), learners),
            _admission(settings, loaded.arrivals, loaded.erasures, loaded.identities),
            catalogue,
            loaded.manifest.progress.copy(),
        )

    @property
    def state(self) -> State:
        """The tables of the recommender."""
        return self.recommender.state


def _admission(
    settings: Settings,
    arrivals: Arrivals | None = None,
    erasures: Erasures | None = None,
    identities: Identities | None = None,
) -> Admission:
    return Admission(admission_rules(settings), arrivals, erasures, admission_slack(settings), identities)


__all__ = ["Model"]
