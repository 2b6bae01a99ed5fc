"""The steps of one learner's vectors, added to those of the others."""

from models.kernels.core.compile import entry


@entry
def add_steps(found, base, values, places, groups, scales):
    """found[group] += scale (value - base[group]), for each row that a part shares with another.

    found, base: (g, k). values: (n, k) of the part, of which `places` (m,) i64 are shared, each in a group (m,) i32,
    with its scale (m,) f32.
    """
    for at in range(places.shape[0]):
        place, row, scale = places[at], groups[at], scales[at]
        for k in range(found.shape[1]):
            found[row, k] += scale * (values[place, k] - base[row, k])
