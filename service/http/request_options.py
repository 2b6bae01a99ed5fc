"""Puts the options of a request together: those of the settings, those of its scenario, and its own.

The one place where this happens: later layers win over earlier ones, and what the request says wins over all. It works
on names and values as they were sent, before they are decoded, so that "not said" and "said as usual" stay apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from service.http.problems import invalid


class RequestOptions:
    """The options that requests begin with. One per process."""

    def __init__(
        self,
        settled: Mapping[str, Any] | None = None,
        scenarios: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        """Make the options.

        Args:
            settled: Options of every request.
            scenarios: Options of each scenario.
        """
        self._settled = dict(settled or {})
        self._scenarios = {name: dict(options) for name, options in (scenarios or {}).items()}

    @property
    def scenarios(self) -> Iterable[str]:
        """The names of all scenarios."""
        return self._scenarios.keys()

    @property
    def apart(self) -> RequestOptions:
        """The same scenarios without their options: with it, a request has what it says itself and nothing else."""
        return RequestOptions(scenarios={name: {} for name in self._scenarios})

    def together(self, sent: Mapping[str, Any], root: str, scenario: Any) -> dict[str, Any]:
        """The options of a request.

        Args:
            sent: What the request says, by name.
            root: First part of the paths in problems: `$` for a body, `query` for a query string.
            scenario: The scenario that it names, None for none.

        Raises:
            Problem: It names a scenario that does not exist.

        >>> options = RequestOptions({"n": 10}, {"cart": {"n": 6, "exclude_seen": "all"}})
        >>> options.together({"scenario": "cart", "exclude_seen": "none"}, "query", "cart")
        {'n': 6, 'exclude_seen': 'none', 'scenario': 'cart'}
        """
        return {**self._settled, **self._of_scenario(scenario, root), **sent}

    def _of_scenario(self, name: Any, root: str) -> Mapping[str, Any]:
        if not isinstance(name, str):
            return {}  # none, or a value that its type refuses
        try:
            return self._scenarios[name]
        except KeyError:
            raise invalid(f"{root}.scenario", f"one of {', '.join(self._scenarios)}", repr(name[:60])) from None


PLAIN: Final = RequestOptions()
"""No options and no scenarios."""

__all__ = ["PLAIN", "RequestOptions"]
