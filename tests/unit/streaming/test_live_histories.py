"""Entries of histories become text that the service reads back."""

from hypothesis import given
from hypothesis import strategies as st

from models.records.timestamps import EARLIEST, LATEST
from streaming.live.histories import _elements, parse

MOMENTS = st.floats(EARLIEST, LATEST) | st.integers(int(EARLIEST * 1000), int(LATEST * 1000)).map(lambda n: n / 1000)


@given(st.lists(st.lists(st.tuples(MOMENTS, st.text(min_size=1)), max_size=4), min_size=1, max_size=4))
def test_each_list_is_written_as_entry_after_entry(found):
    lists = [[(3, at, time, 1, item) for at, (time, item) in enumerate(listed)] for listed in found]
    assert _elements(lists) == [[f"3:{at} {time!r} 1 {item}" for at, (time, item) in enumerate(each)] for each in found]
    for listed, elements in zip(lists, _elements(lists), strict=True):
        history = parse([element.encode() for element in elements])
        assert [*zip(history.items, history.times, history.kinds, strict=True)] == [
            (item, time, kind) for _, _, time, kind, item in listed
        ]
