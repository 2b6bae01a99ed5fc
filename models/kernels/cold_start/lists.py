"""An item that entered the catalogue or was touched in, the lists of untouched items out.

Each category, and the catalogue as a whole, keeps its untouched items in a doubly linked list, newest first: an item
enters when its facts arrive and leaves at its first interaction. No list is ever scanned to its end.
"""

from models.dimensions import NEVER
from models.kernels.core.compile import entry, kernel
from models.kernels.core.marks import mark

CATEGORY, CATALOGUE = 0, 1  # the two lists of an item


@entry
def link(items, kinds, all_, category, item, second):
    """Put an untouched item at the head of its category's list and of the catalogue's."""
    if items.listed[item] == 1:
        return
    items.listed[item] = 1
    items.arrived[item] = second
    if category >= 0:
        _push(items, CATEGORY, kinds.newest[category], item)
        kinds.newest[category] = item
        kinds.waiting[category] += 1
        mark(kinds.marks, category)
    _push(items, CATALOGUE, all_.newest[0], item)
    all_.newest[0] = item
    mark(all_.marks, 0)
    mark(items.marks, item)


@kernel
def _push(items, which, head, item):
    items.older[item, which] = head
    items.newer[item, which] = -1
    if head >= 0:
        items.newer[head, which] = item
        mark(items.marks, head)


@entry
def unlink(items, kinds, all_, category, item):
    """Take an item out of its lists; True when it was in them. `category` is the one it was linked under."""
    if items.listed[item] == 0:
        return False
    items.listed[item] = 0
    if category >= 0:
        if items.newer[item, CATEGORY] < 0:
            kinds.newest[category] = items.older[item, CATEGORY]
        kinds.waiting[category] -= 1
        mark(kinds.marks, category)
        _bridge(items, CATEGORY, item)
    if items.newer[item, CATALOGUE] < 0:
        all_.newest[0] = items.older[item, CATALOGUE]
        mark(all_.marks, 0)
    _bridge(items, CATALOGUE, item)
    mark(items.marks, item)
    return True


@kernel
def _bridge(items, which, item):
    older, newer = items.older[item, which], items.newer[item, which]
    if newer >= 0:
        items.older[newer, which] = older
        mark(items.marks, newer)
    if older >= 0:
        items.newer[older, which] = newer
        mark(items.marks, older)
    items.older[item, which] = -1
    items.newer[item, which] = -1


@entry
def unlink_all(items, kinds, all_, category_of, rows):
    """`unlink` for every one of rows (n,) i32."""
    for at in range(rows.shape[0]):
        unlink(items, kinds, all_, category_of[rows[at]], rows[at])


@kernel
def take(items, kinds, all_, category, item):
    """The item's first interaction: it leaves the lists, and its category has one more first interaction."""
    if unlink(items, kinds, all_, category, item) and category >= 0:
        kinds.taken[category] += 1


@kernel
def is_cold(items, stats, item):
    """-1: in the catalogue and untouched; -2: not even in the catalogue; 0: touched."""
    if items.listed[item] == 1:
        return -1
    # An item with imported popularity has no events here, and still is not new.
    return -2 if stats.events[item] == 0 and stats.key[item, 2] <= NEVER else 0
