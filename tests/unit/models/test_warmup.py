"""What a start runs is compiled before it, and read without what only a compiler needs."""

import subprocess
import sys

import pytest

LOADED = """
import sys
from models import warmup
for warm in {warm}:
    getattr(warmup, warm)()

from models.kernels.core.compile import CPUDispatcher
from models.recommender import Recommender, new_state
from models.state import SCHEMA, State, duplicate

modules = [module for name, module in list(sys.modules.items()) if name.startswith("models.")]
kernels = {{id(each): each for module in modules for each in vars(module).values() if isinstance(each, CPUDispatcher)}}

def loaded():
    return {{kernel.py_func.__qualname__: len(kernel.overloads) for kernel in kernels.values()}}

def further():
    return {{name: count for name, count in loaded().items() if before.get(name) != count}}
"""

START = (
    LOADED
    + """
state = new_state()
ids = [str(number) for number in range(2_000)]
for each in ids:
    state.add("item", each)
version = state.full()
before = loaded()
served = State(SCHEMA, served_only=True)
served.apply(version)
assert served.keys["item"].find(ids).tolist() == list(range(2_000))
assert Recommender(served).rank(["1"], [1.5e9], [0], 1.5e9) is not None
print(further())
print(sorted(sys.modules.keys() & {{"scipy.linalg", "numba.np.arraymath"}}))
"""
)

MERGES = (
    LOADED
    + """
from zlib import crc32
import numpy as np
from models.merging import Excerpts, Part, Shard, from_arrays, merge, to_arrays
from tests.support.streams.shop import facts, stream

def carried(changes):  # as the engine hands arrays over: in memory of its own, and read-only
    arrays = {{name: np.array(values) for name, values in to_arrays(changes).items()}}
    for values in arrays.values():
        values.flags.writeable = False
    return from_arrays(arrays)

def part(own):
    return Part(own.shard, own.shards, carried(own.changes))

def learn(learner, events):
    learner.learn_events(events, [event.timestamp for event in events], facts())

before = loaded()
one = Recommender(new_state())
one.describe(facts().items())
events = stream(1_600, 1)
learn(one, events[:800])
one.state.forget_changes()
shards = [Shard(duplicate(one.state), number, 2) for number in range(2)]
for start in range(800, 1_600, 400):
    excerpts = Excerpts(one.state)
    for at in range(start, start + 400, 200):
        for shard in shards:
            own = [each for each in events[at : at + 200] if crc32(each.user_id.encode()) % 2 == shard.shard]
            learn(Recommender(shard.state, learners=2), own)
        told = carried(excerpts.merge([part(shard.excerpt()) for shard in shards]))
        for shard in shards:
            shard.take_over(told)
    merge(one.state, [part(shard.take()) for shard in shards], excerpts)
    one.settle()
    for shard in shards:
        shard.apply(carried(one.state.changed()))
    one.state.forget_changes()
print(further())
"""
)


@pytest.mark.parametrize("warm", ["warm", "warm_serving"])
def test_serving_loads_no_further_kernel_and_nothing_that_only_a_compiler_needs(warm) -> None:
    assert printed(START.format(warm=[warm])) == ["{}", "[]"]


def test_merging_loads_no_further_kernel() -> None:
    assert printed(MERGES.format(warm=["warm", "warm_merging"])) == ["{}"]


def printed(program: str) -> list[str]:
    """What a program prints once the cache has all that it runs."""
    command = [sys.executable, "-c", program]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
