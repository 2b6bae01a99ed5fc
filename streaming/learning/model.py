"""Holds a model that learns together with its place in the stream."""

from __future__ import annotations

from dataclasses import dataclass, field

from models.ledger import Admission, Progress
from models.recommender import Recommender, new_state
from models.state import State
from streaming.intake import KnownItems, admission_rules, recommender_settings
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
        return cls(recommender, Admission(admission_rules(settings)), catalogue)

    @classmethod
    def of_version(cls, settings: Settings, loaded: Loaded, catalogue: KnownItems) -> Model:
        """The model of a version, with a copy of its progress. The version's state is not copied."""
        return cls(
            Recommender(loaded.state, recommender_settings(settings)),
            Admission(admission_rules(settings), loaded.arrivals, loaded.erasures),
            catalogue,
            loaded.manifest.progress.copy(),
        )

    @property
    def state(self) -> State:
        """The tables of the recommender."""
        return self.recommender.state


__all__ = ["Model"]
