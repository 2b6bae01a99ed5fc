"""Arrays of counts in two bytes against their slow twin."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.state.number_codes import codes, numbers
from tests import naive


def test_all_codes_stand_for_the_numbers_of_their_twin_and_back() -> None:
    every = np.arange(1 << 16, dtype=np.uint16)
    assert numbers(every).tolist() == naive.core.NUMBERS
    assert (codes(numbers(every)) == every).all()


@given(st.lists(st.floats(0.0, 2.0**26), min_size=1))
def test_a_number_gets_the_code_next_to_it(values: list[float]) -> None:
    for value, code in zip(values, codes(np.array(values)).tolist(), strict=True):
        lower, upper, share = naive.core.around(value)
        assert code == (upper if share >= 0.5 else lower)
