"""Joined ids through the versions in Redis: a base, deltas on it, an erasure, and a learner that goes on from them."""

from __future__ import annotations

from models.ledger import user_hash
from models.state import SCHEMA
from streaming import versions
from streaming.settings.loading import Settings
from streaming.versions import Loaded
from tests.support.processes.serving import Learner, learner


def cut(made: Learner) -> Loaded:
    """A version of all that was joined and erased so far, as the next learner loads it."""
    made.progress.consumed += 1
    made.progress.identities = made.admission.identities.position
    made.progress.erasures = made.admission.erasures.position
    loaded = versions.load(made.store, made.commit(), SCHEMA, served_only=False)
    assert loaded is not None
    return loaded


def test_a_learner_goes_on_with_the_joins_of_its_version(settings: Settings) -> None:
    with learner(settings) as made:
        known = made.admission.identities
        known.join("v1", "ann")
        known.join("v2", "bob")
        base = cut(made)
        known.join("v3", "ann")
        known.join("bob", "bo")
        delta = cut(made)
        assert (base.manifest.kind, delta.manifest.kind) == ("base", "delta")
        assert [base.identities.resolve(each) for each in ("v1", "v2", "v3")] == ["ann", "bob", "v3"]
        assert [delta.identities.resolve(each) for each in ("v1", "v2", "v3", "bob")] == ["ann", "bo", "ann", "bo"]
        assert delta.identities.position == known.position == 4

        users = known.erase("v1", made.admission.erasures.position + 3)
        made.admission.erase_all([(user_hash(user), 9.0) for user in users])
        after = cut(made)
        assert users == ("ann", "v1", "v3")
        assert [after.identities.resolve(each) for each in ("v1", "v2", "v3")] == ["v1", "bo", "v3"]
        assert after.identities.position == 4
        before = versions.load(made.store, delta.manifest.id, SCHEMA, served_only=False)
        assert before is not None
        assert before.identities.resolve("v1") == "ann"  # a learner that goes back there carries the order out again

        made.checkpointer.rebase()
        base = cut(made)
        assert base.manifest.kind == "base"
        assert base.identities.ids("bo") == ("bo", "bob", "v2")
        assert b"ann" not in b"".join(made.store.chunks(base.manifest))
        served = versions.load(made.store, base.manifest.id, SCHEMA, served_only=True)
        assert served is not None
        assert len(served.identities) == 0
