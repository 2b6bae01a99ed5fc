"""What a start runs is compiled before it, and read without what only a compiler needs."""

import subprocess
import sys

import pytest

START = """
import sys
from models import warmup
warmup.{warm}()

from models.kernels.core.compile import CPUDispatcher
from models.recommender import Recommender, new_state
from models.state import SCHEMA, State

modules = [module for name, module in list(sys.modules.items()) if name.startswith("models.")]
kernels = {{id(each): each for module in modules for each in vars(module).values() if isinstance(each, CPUDispatcher)}}

def loaded():
    return {{kernel.py_func.__qualname__: len(kernel.overloads) for kernel in kernels.values()}}

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
print({{name: count for name, count in loaded().items() if before.get(name) != count}})
print(sorted(sys.modules.keys() & {{"scipy.linalg", "numba.np.arraymath"}}))
"""


@pytest.mark.parametrize("warm", ["warm", "warm_serving"])
def test_serving_loads_no_further_kernel_and_nothing_that_only_a_compiler_needs(warm) -> None:
    command = [sys.executable, "-c", START.format(warm=warm)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # compiles what the cache lacks
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert printed.split("\n") == ["{}", "[]", ""]
