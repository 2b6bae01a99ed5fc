"""Reads a TOML file with the mode and policy of a gate, on top of those in force. Stage 6."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Any, cast

import msgspec

from models.gate import MODES, Mode, Policy
from models.replay import Rule
from service.gate import policy_of
from streaming.settings import Settings


class BadPolicy(ValueError):
    """The file cannot be used. The message names the key, and the keys there are."""


def rule_in_force(settings: Settings) -> Rule:
    """The mode an installation starts with, and the policy of the settings."""
    return Rule(settings.gate.mode, policy_of(settings))


def read_rule(path: Path, base: Rule) -> Rule:
    """Read the rule of a file.

    Args:
        path: TOML with `mode` and any field of the policy, at the top level or under `[gate]`.
        base: The rule for what the file does not name.

    Raises:
        BadPolicy: The file is no TOML, or names a field or value that does not exist.
        OSError: The file cannot be read.
    """
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadPolicy(f"{path.name} is not TOML: {error}") from error
    given = dict(cast("dict[str, Any]", found.get("gate", found)))
    mode = given.pop("mode", base.mode)
    if mode not in MODES:
        raise BadPolicy(f"{path.name}: mode {mode!r} is none of {', '.join(MODES)}")
    if "least_tested" in given:
        # The setting of that name sets both as well.
        given.setdefault("healthy_tested", given["least_tested"])
    return Rule(cast("Mode", mode), _policy(path.name, given, base.policy))


def _policy(name: str, given: dict[str, Any], base: Policy) -> Policy:
    known = [field.name for field in msgspec.structs.fields(Policy)]
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are mode, {', '.join(known)}"
            raise BadPolicy(f"{name}: the policy has no {key!r}: {hint}")
    try:
        return msgspec.convert(msgspec.to_builtins(base) | given, Policy)
    except msgspec.ValidationError as error:
        raise BadPolicy(f"{name}: {error}") from error


__all__ = ["BadPolicy", "read_rule", "rule_in_force"]
