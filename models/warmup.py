"""Nothing in, every kernel compiled and cached out: `python -m models.warmup`.

Run by `make setup` and in the image, so that the first event and the first request meet compiled code.
"""

from __future__ import annotations

import time

from models.recommender import Recommender, RecommenderSettings, new_state


class _Event:
    kind, user_id, item_id, timestamp, price = 0, "user", "item", 1.5e9, None


def warm(recommender: Recommender | None = None) -> None:
    """Run every compiled entry point once, on a state of its own unless given one to rank on."""
    own = recommender or Recommender(new_state(RecommenderSettings(items=4, users=4, categories=4, brands=4)))
    if recommender is None:
        own.learn_events([_Event(), _Event()], [1.5e9, 1.5e9])
    own.rank(["item"], [1.5e9], [0], 1.5e9)


if __name__ == "__main__":
    started = time.monotonic()
    warm()
    print(f"kernels ready in {time.monotonic() - started:.1f} s")
