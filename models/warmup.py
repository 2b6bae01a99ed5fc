"""Nothing in, every kernel compiled and cached out: `python -m models.warmup`.

Run by `make setup` and in the image, so that the first event and the first request meet compiled code.
"""

from __future__ import annotations

import time

from models.recommender import Recommender, RecommenderSettings, new_state
from models.schema import SCHEMA
from models.state import State


class _Event:
    kind, user_id, item_id, timestamp, price, query = 0, "user", "item", 1.5e9, None, None


_FEW = RecommenderSettings(items=4, users=4, categories=4, brands=4)


def warm() -> None:
    """Run every compiled entry point once, on a small state."""
    own = Recommender(new_state(_FEW))
    own.learn_events([_Event(), _Event()], [1.5e9, 1.5e9])
    own.rank(["item"], [1.5e9], [0], 1.5e9)
    State(SCHEMA, _FEW.ceilings()).apply(own.state.full())


def warm_serving() -> None:
    """The same for what answers requests: half of it, which a service need not wait longer for."""
    state = State(SCHEMA, _FEW.ceilings(), served_only=True)
    state.apply(state.full())
    Recommender(state).rank(["item"], [1.5e9], [0], 1.5e9)


if __name__ == "__main__":
    started = time.monotonic()
    warm()
    print(f"kernels ready in {time.monotonic() - started:.1f} s")
