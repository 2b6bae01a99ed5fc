"""All settings as one frozen tree; each section is declared in another file of this room."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final, Literal, get_args

from pydantic import Field, PrivateAttr, field_validator, model_validator

from models.experiments import ExperimentAsk, check, read
from models.records import EventMapping
from streaming.mappings import MappingFile, presets
from streaming.settings.base import Section
from streaming.settings.events import AdmissionSettings, EventSettings
from streaming.settings.experiments import ExperimentsSettings
from streaming.settings.gate import GateSettings
from streaming.settings.kafka import KafkaSettings
from streaming.settings.learner import (
    LearnerSettings,
    RebuildSettings,
    RecommenderSettings,
    UpdateSettings,
    WitnessSettings,
)
from streaming.settings.log import LogSettings
from streaming.settings.mapping import MappingSettings, event_mapping
from streaming.settings.redis import RedisSettings
from streaming.settings.scenarios import DEFAULTS as SCENARIOS
from streaming.settings.scenarios import ScenarioSettings, check_names, with_defaults
from streaming.settings.schema_registry import SchemaRegistrySettings
from streaming.settings.service import ServiceSettings
from streaming.settings.tracing import TracingSettings

TopicRole = Literal["events", "items", "control", "slates", "deadletter"]

NAMESPACE: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,47}")
"""A namespace becomes part of topic names, Redis keys and folder names: it is what all three allow."""

BRIEF_BOOTSTRAP: Final = 2.0
BRIEF_REQUEST: Final = 5.0
"""Seconds that one attempt of the learner may take to find a broker, and one request: it tries again without end, and
between two attempts it must be able to stop."""


class Settings(Section):
    """Every setting with its default. The defaults work on loopback with nothing configured."""

    namespace: str = Field(
        default="main", description="Prefix of every Redis key, topic, lease and folder of one installation."
    )
    data_dir: Path = Field(
        default=Path(".sluicegate"), description="Folder for the files of embedded Redis and `send`."
    )
    failpoint: str = Field(
        default="", description="Numbered point of a commit or of a merge at which to exit; for crash tests."
    )
    mapping: tuple[MappingSettings, ...] = Field(
        default=(),
        description="Records of another shape, of topics and requests (docs/mapping.md), one [[mapping]] each.",
    )
    scenario: dict[str, ScenarioSettings] = Field(
        default={name: ScenarioSettings.model_validate(options) for name, options in SCENARIOS.items()},
        description="Named sets of options (docs/api.md), for `GET /recommend/{user_id}?scenario=NAME`; one "
        "[scenario.NAME] each. Those of the default stay, unless one of the same name is declared.",
    )
    experiment: tuple[dict[str, Any], ...] = Field(
        default=(), description="Experiments on users (docs/experimenting.md), one [[experiment]] each."
    )
    kafka: KafkaSettings = KafkaSettings()
    schema_registry: SchemaRegistrySettings = SchemaRegistrySettings()
    redis: RedisSettings = RedisSettings()
    events: EventSettings = EventSettings()
    admission: AdmissionSettings = AdmissionSettings()
    learner: LearnerSettings = LearnerSettings()
    update: UpdateSettings = UpdateSettings()
    rebuild: RebuildSettings = RebuildSettings()
    recommender: RecommenderSettings = RecommenderSettings()
    witness: WitnessSettings = WitnessSettings()
    service: ServiceSettings = ServiceSettings()
    gate: GateSettings = GateSettings()
    experiments: ExperimentsSettings = ExperimentsSettings()
    log: LogSettings = LogSettings()
    tracing: TracingSettings = TracingSettings()
    _origin: dict[str, str] = PrivateAttr(default_factory=dict)

    @field_validator("namespace")
    @classmethod
    def _usable_namespace(cls, name: str) -> str:
        if not NAMESPACE.fullmatch(name):
            raise ValueError("1 to 48 of a-z, 0-9, _ and -, starting with a letter or digit")
        return name

    @field_validator("scenario", mode="before")
    @classmethod
    def _default_scenarios(cls, given: Any) -> Any:
        return with_defaults(given)

    @field_validator("scenario")
    @classmethod
    def _usable_scenarios(cls, scenarios: dict[str, ScenarioSettings]) -> dict[str, ScenarioSettings]:
        check_names(scenarios)
        return scenarios

    @field_validator("experiment")
    @classmethod
    def _can_run(cls, experiments: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
        names: set[str] = set()
        for place, each in enumerate(experiments):
            try:
                ask = read(each)
                check(ask)
            except ValueError as error:
                raise ValueError(f"experiment[{place}]: {error}") from None
            if ask.name in names:
                raise ValueError(f"experiment[{place}].name: another experiment is called {ask.name!r} already")
            names.add(ask.name)
        return experiments

    @model_validator(mode="after")
    def _mappings_work(self) -> Settings:
        ours: dict[str, str] = {self.topic(role): role for role in get_args(TopicRole)}
        names: set[str] = set()
        for place, each in enumerate(self.mapping):
            if each.topic in ours:
                raise ValueError(
                    f"mapping[{place}].topic: {each.topic!r} is our own topic of {ours[each.topic]}, which has "
                    "records of our shape: name theirs"
                )
            called = f"topic {each.topic!r}" if each.topic is not None else f"name {each.name!r}"
            if each.called in names:
                raise ValueError(f"mapping[{place}] ({called}): another mapping is called {each.called!r} already")
            try:
                each.rules(self.events.rules())
            except ValueError as error:
                raise ValueError(f"mapping[{place}] ({called}): {error}") from None
            names.add(each.called)
            if each.topic is not None:
                ours[each.topic] = "another mapping"
        return self

    @property
    def asked_experiments(self) -> list[ExperimentAsk]:
        """The experiments that the settings ask for, apart from the holdout."""
        return [read(each) for each in self.experiment]

    def mappings(self) -> dict[str, EventMapping]:
        """The mapping of each topic with records of another shape, by topic."""
        return {each.topic: each.rules(self.events.rules()) for each in self.mapping if each.topic is not None}

    @property
    def mapped_topics(self) -> list[str]:
        """Topics with records of another shape."""
        return [each.topic for each in self.mapping if each.topic is not None]

    @property
    def mapping_names(self) -> list[str]:
        """Every name that `mapping_called` knows: those of the settings, then the presets but those of tables."""
        own = [each.called for each in self.mapping]
        return [*own, *(name for name, preset in presets().items() if name not in own and not preset.fill)]

    def mapping_called(self, name: str) -> EventMapping:
        """A mapping of the settings by its name, or a preset. Raises KeyError; ValueError for one that cannot work."""
        how, key = self.how_called(name)
        return event_mapping(how, self.events.rules(), key.encode() or None)

    def how_called(self, name: str) -> tuple[MappingFile, str]:
        """What a mapping of the settings, or a preset, says, and its key for hashes. Raises as `mapping_called`."""
        found = next((each for each in self.mapping if each.called == name), None)
        return (presets()[name], "") if found is None else (found.how, found.hash_key)

    def topic(self, role: TopicRole) -> str:
        """Name of a topic. The default namespace has plain names, another one adds its own: `shop2.events`.

        >>> Settings().topic("deadletter"), Settings(namespace="shop2").topic("items")
        ('events.deadletter', 'shop2.items')
        """
        named: str | None = getattr(self.kafka, f"{role}_topic")
        plain = "events.deadletter" if role == "deadletter" else role
        return named or (plain if self.namespace == "main" else f"{self.namespace}.{plain}")

    def origin(self, path: str) -> str:
        """Where the value at a dotted path came from: `default`, the file, or the environment variable."""
        return self._origin.get(path, "default")


def brief(settings: Settings) -> Settings:
    """The same settings with short Kafka time-outs, for calls that are repeated until they succeed."""
    kafka = settings.kafka
    shorter = {
        "bootstrap_timeout": min(kafka.bootstrap_timeout, BRIEF_BOOTSTRAP),
        "request_timeout": min(kafka.request_timeout, BRIEF_REQUEST),
    }
    return settings.model_copy(update={"kafka": kafka.model_copy(update=shorter)})
