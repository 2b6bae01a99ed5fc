"""Finds where a term begins: the newest sound version, and its offsets in Kafka's log. Steps 2 and 3 of a term."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

from models.ledger import Progress, quarantine
from models.looking import Look, unhurried
from models.snapshot import Damaged, Manifest
from models.state import SCHEMA
from streaming import versions
from streaming.consumer import KafkaSource
from streaming.intake import KnownItems, recommender_settings
from streaming.kafka import OffsetsGone, RecordSource, ensure_topics, parted, topics_read
from streaming.learning import Model
from streaming.settings import Settings, brief
from streaming.store import Store
from streaming.telemetry import LearnerTelemetry

log = logging.getLogger(__name__)


class LogReplaced(Exception):
    """Kafka holds another log than the one our offsets belong to."""

    def __init__(self, was: str, found: str) -> None:
        super().__init__(
            f"the offsets of the newest version belong to {was}, Kafka has {found}. If the topic was recreated on "
            "purpose, start once with --reset-offsets: the model is kept, and a topic that is new is read from its "
            "beginning"
        )


class Start(NamedTuple):
    """A model to learn on from.

    Attributes:
        model: The model.
        extends: The version that its next version extends; None when that is a base.
        before: The version whose evidence is taken up: of this model when it is extended, of the one that it replaces
            otherwise. None for none.
    """

    model: Model
    extends: Manifest | None
    before: Manifest | None = None


@dataclass(frozen=True, slots=True)
class Resumption:
    """Loads the model and opens the log.

    Attributes:
        reset_offsets: Accept once that Kafka holds another log.
        look: Called after each slice of the loading; what it raises gives the loading up.
        reached: Called with the name of each part that is loaded.
    """

    settings: Settings
    store: Store
    telemetry: LearnerTelemetry
    reset_offsets: bool = False
    look: Look = unhurried
    reached: Callable[[str], None] = lambda _: None

    def load(self) -> Start:
        """Load the model to adopt, the newest sound version, or an empty model when there never was a version.

        Raises:
            NoSoundVersion: There are versions and none can be loaded: an empty model must not take their place.
            TooNew, Incompatible, StoreUnavailable: As `versions.load` raises them.
        """
        ceilings = recommender_settings(self.settings).ceilings()
        with ThreadPoolExecutor(1, "facts") as worker:  # half the time of loading goes into receiving and copying
            known = worker.submit(self._facts)
            adopted = versions.due_model(self.store, ceilings, self.look)
            loaded = adopted or versions.load(
                self.store, "head", SCHEMA, served_only=False, ceilings=ceilings, look=self.look
            )
            self.reached("version")
            catalogue = known.result()
        if loaded is None:
            log.info("no version yet: an empty model starts at the beginning of the topics")
            return Start(Model.empty(self.settings, catalogue), None)
        manifest = loaded.manifest
        model = Model.of_version(self.settings, loaded, catalogue)
        self.reached("model")
        log.info(
            "version %s: %d records consumed, offsets %s", manifest.id, model.progress.consumed, model.progress.offsets
        )
        self.telemetry.newest(manifest)
        if adopted is None:
            return Start(model, manifest, manifest)
        # An adopted model extends nothing: its first version is a base.
        return Start(model, None, self._head())

    def _facts(self) -> KnownItems:
        found = KnownItems.of(self.store, self.look)
        self.reached("facts")
        return found

    def _head(self) -> Manifest | None:
        head = self.store.head()
        found = self.store.manifests([head.id])[head.id] if head is not None else None
        return None if isinstance(found, Damaged) else found

    def open(
        self, progress: Progress, owned: Callable[[str, int], bool] = lambda _topic, _partition: True
    ) -> RecordSource:
        """Open all partitions, or those that are `owned`, at the offsets of `progress`.

        Raises:
            LogReplaced: Kafka holds another log, and the settings say to fail then.
            OffsetsGone: The log no longer holds the offsets, and the settings say to fail then.
            KafkaTrouble: As the client raises it.
        """
        settings = brief(self.settings)
        ensure_topics(settings)
        source = KafkaSource(settings, topics_read(self.settings), first=self.settings.topic("control"), owned=owned)
        try:
            self.check_log(source, progress)
            self.assign(source, progress)
        except BaseException:
            source.close()
            raise
        return source

    def check_log(self, source: RecordSource, progress: Progress) -> None:
        """Compare the log with the one `progress` is of.

        Where another log is accepted, a topic that was created again is read from its beginning, and so is every topic
        of another cluster. The other topics continue at their offsets: they would be learned twice.

        Raises:
            LogReplaced: Kafka holds another log, and the settings say to fail then.
        """
        cluster, topics = source.cluster_id(), source.topic_ids()
        # A topic that the version does not know yet is no sign of another log: it is read from its beginning.
        known = {name: topics[name] for name in progress.topics if name in topics}
        still_read, no_longer_read = parted(self.settings, progress.topics)
        was, found = (progress.cluster, still_read), (cluster, known)
        if progress.cluster and was != found:
            if not self.reset_offsets and self.settings.learner.on_new_log == "fail":
                raise LogReplaced(str(was), str(found))
            replaced = {
                name for name, id_ in still_read.items() if cluster != progress.cluster or topics.get(name, id_) != id_
            }
            log.warning(
                "Kafka holds another log (%s, before %s): the model is kept, and %s read from the beginning",
                found,
                was,
                ", ".join(sorted(replaced)) or "nothing is",
            )
            self.telemetry.new_logs.inc()
            _forget(progress, replaced)
            no_longer_read |= {name: id_ for name, id_ in still_read.items() if name not in replaced | topics.keys()}
        progress.cluster, progress.topics = cluster, no_longer_read | topics

    def assign(self, source: RecordSource, progress: Progress) -> None:
        """Begin at the offsets of `progress`, or where the log begins now when the settings accept lost records."""
        while True:
            try:
                source.assign(progress.offsets)
            except OffsetsGone as gone:
                if self.settings.learner.on_lost_offsets == "fail" or gone.wanted >= gone.first:
                    raise
                lost = gone.first - gone.wanted
                log.error("%s; %d records are lost, going on at %d", gone, lost, gone.first)
                self.telemetry.lost.inc(lost)
                progress.lost += lost
                progress.offsets[gone.topic][gone.partition] = gone.first
            else:
                return


def _forget(progress: Progress, replaced: Collection[str]) -> None:
    """Forget the offsets of topics whose log is gone. With all of them, the counts begin again as well."""
    quarantine.lose_log(progress, replaced)
    for name in replaced:
        progress.offsets.pop(name, None)
    if not progress.offsets:
        progress.consumed, progress.digest = 0, 0


__all__ = ["LogReplaced", "Resumption", "Start"]
