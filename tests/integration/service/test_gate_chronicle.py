"""Which decisions the live page gets, out of an audit in a real Redis."""

from __future__ import annotations

import msgspec

from service.gate.chronicle import OF_NOTE, Chronicle
from streaming.settings.loading import Settings
from streaming.store import Store


def decide(store: Store, *actions: str, reasons: tuple[str, ...] = ("sound",), actor: str = "auto") -> None:
    """Write decisions into the audit."""
    for action in actions:
        revision = store.gate().revision
        record = {"at": 1.0 * revision, "revision": revision + 1, "actor": actor, "action": action, "reasons": reasons}
        record |= {"from_version": "", "to_version": "", "hash": ""}
        assert store.decide(revision, b"{}", msgspec.json.encode(record))


def look(chronicle: Chronicle) -> list[int]:
    """The revisions that a look tells of."""
    return [line.revision for line in chronicle.take(chronicle.fetch())]


def test_a_promotion_a_second_is_not_of_note_and_what_differs_from_it_is(settings: Settings) -> None:
    store = Store.for_service(settings)
    chronicle = Chronicle(store)
    assert look(chronicle) == []
    decide(store, *["promote"] * 5)
    decide(store, "promote", reasons=("sound", "healthy"))
    assert look(chronicle) == [6]
    decide(store, "hold", "hold", reasons=("shift",))
    decide(store, "promote", "promote")
    decide(store, "promote", reasons=("requested", "sound"), actor="ops")
    decide(store, "rollback", "rollback", reasons=("harm",))
    assert look(chronicle) == [13, 12, 11, 9, 7]
    assert [line.revision for line in chronicle.kept] == [13, 12, 11, 9, 7]
    assert look(chronicle) == []
    store.close()


def test_what_came_while_nobody_watched_is_read_and_what_is_kept_is_bounded(settings: Settings) -> None:
    store = Store.for_service(settings)
    chronicle = Chronicle(store)
    decide(store, "promote")
    assert look(chronicle) == [1]
    decide(store, "rollback", reasons=("harm",))
    decide(store, *["promote"] * 40)
    assert look(chronicle) == [42, 3, 2]
    decide(store, *["mode"] * (OF_NOTE + 5), reasons=("mode_changed",), actor="ops")
    chronicle.take(chronicle.fetch())
    assert [line.revision for line in chronicle.kept] == list(range(42 + OF_NOTE + 5, 42 + 5, -1))
    store.close()


def test_an_emptied_redis_counts_again_and_is_followed(settings: Settings) -> None:
    store = Store.for_service(settings)
    chronicle = Chronicle(store)
    decide(store, *["mode"] * 3, reasons=("mode_changed",), actor="ops")
    assert look(chronicle) == [3, 2, 1]
    store.call("DEL", store.key("gate"), store.key("audit"))
    decide(store, "mode", reasons=("mode_changed",), actor="ops")
    assert look(chronicle) == [1]
    store.close()
