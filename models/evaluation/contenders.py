"""Chooses the rivals of an evaluation by name, and says which of them cannot run for want of a package."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Final

from models.evaluation.rivals import Maker
from models.evaluation.rivals_implicit import BATCH
from models.evaluation.rivals_river import RIVER
from models.evaluation.rivals_sessions import SESSIONS
from models.evaluation.rivals_torch import SEQUENCES
from models.evaluation.rivals_vw import VW
from models.recommender import CONTENDERS

BUILTIN: Final = "builtin"
"""The group of the recommender's own contenders."""

GROUPS: Final[dict[str, Mapping[str, Maker]]] = {
    "river": RIVER,
    "vw": VW,
    "batch": BATCH,
    "sessions": SESSIONS,
    "sequences": SEQUENCES,
}
"""Group -> makers by name. Making a rival imports its package; naming it does not."""

NEEDS: Final[dict[str, str]] = {"vw": "vowpalwabbit", "batch": "implicit", "sequences": "torch"}
"""Group -> the package that must be importable."""

EXTRA: Final = "pip install 'sluicegate[compare]'"
"""Installs the packages of all groups."""


class UnknownContenderError(ValueError):
    """A name is neither a contender nor a group, or its package is missing. The message lists the choices."""


def chosen(names: Sequence[str]) -> tuple[dict[str, Maker], dict[str, str]]:
    """Choose rivals by name.

    The built-in contenders come from one run, so they always take part.

    Args:
        names: Contenders or groups; with none, every rival whose package is installed is chosen.

    Returns:
        The makers of the rivals to run, by name, and the reason for each that is not run, by name.

    Raises:
        UnknownContenderError: For a name that does not exist, or whose package is missing.

    >>> list(chosen(["builtin"])[0]), sorted(chosen(["river"])[0])[0]
    ([], 'river.BiasedMF')
    """
    known = {name: group for group, members in GROUPS.items() for name in members}
    wrong = [name for name in names if name not in {BUILTIN, *GROUPS, *known, *CONTENDERS}]
    if wrong:
        offered = ", ".join([BUILTIN, *(f"{group} ({', '.join(members)})" for group, members in GROUPS.items())])
        raise UnknownContenderError(f"no contender {wrong[0]!r}: there are {offered}")
    wanted = {name for name, group in known.items() if not names or name in names or group in names}
    absent = {name: NEEDS[group] for name, group in known.items() if name in wanted and not _installed(group)}
    if absent and names:
        name, package = next(iter(absent.items()))
        raise UnknownContenderError(f"{name} needs the package {package}: {EXTRA}, or pip install {package}")
    makers = {name: GROUPS[known[name]][name] for name in known if name in wanted and name not in absent}
    return makers, {
        name: f"{package} is not installed: {EXTRA}, or pip install {package}" for name, package in absent.items()
    }


def _installed(group: str) -> bool:
    return group not in NEEDS or importlib.util.find_spec(NEEDS[group]) is not None
