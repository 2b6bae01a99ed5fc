"""What we use of kafka-python without being invited to is there, and stands in one file."""

from __future__ import annotations

import ast
import importlib
import inspect
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streaming.kafka import internals
from streaming.kafka.internals import USED, Internal

STREAMING = Path(internals.__file__).parents[1]
FILES = [path for room in ("kafka", "consumer") for path in sorted((STREAMING / room).glob("*.py"))]


def located(dotted: str) -> Any:
    """The class at a dotted path, which may be nested in another."""
    parts = dotted.split(".")
    for length in range(len(parts) - 1, 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            found = getattr(found, part)
        return found
    raise ModuleNotFoundError(dotted)


def attributes(kind: type) -> set[str]:
    """Names of a class and its bases, and those that their methods set on `self`."""
    found = set(dir(kind))
    for base in kind.__mro__:
        if base.__module__.startswith("kafka"):
            tree = ast.parse(textwrap.dedent(inspect.getsource(base)))
            found |= {
                node.attr
                for node in ast.walk(tree)
                if isinstance(node, ast.Attribute)
                and isinstance(node.ctx, ast.Store)
                and isinstance(node.value, ast.Name)
                and node.value.id == "self"
            }
    return found


@pytest.mark.parametrize("used", USED, ids=lambda used: f"{used.owner.rpartition('.')[2]}.{used.name}")
def test_the_installed_library_has_each_name_that_we_use(used: Internal) -> None:
    try:
        found = attributes(located(used.owner))
    except (ModuleNotFoundError, AttributeError) as error:
        pytest.fail(f"kafka-python has no {used.owner} any more ({error}). Without {used.name}: {used.purpose}")
    assert used.name in found, f"{used.owner} of kafka-python has no {used.name} any more. Without it: {used.purpose}"


def test_a_name_that_the_library_does_not_have_is_noticed() -> None:
    assert "_sender" in attributes(located("kafka.KafkaProducer"))
    assert "_sender_of_old" not in attributes(located("kafka.KafkaProducer"))
    with pytest.raises(AttributeError):
        located("kafka.consumer.fetcher.Fetcher.Nothing")


def private(text: str, *, of_self: bool) -> Iterator[str]:
    """Private attributes of other objects that a file uses, also by `getattr`; those of `self` where that is asked."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"getattr", "hasattr"}:
            yield from (
                word.value
                for word in node.args[1:2]
                if isinstance(word, ast.Constant) and str(word.value).startswith("_")
            )
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
            own = isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}
            if of_self or not own:
                yield node.attr


def test_every_private_name_in_the_file_is_listed() -> None:
    text = Path(internals.__file__).read_text(encoding="utf-8")
    ours = {node.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)}
    used = set(private(text, of_self=True))
    assert {"_sender", "_fetcher", "_contains_abort_marker"} <= used
    assert used - ours <= {name for _, name, _ in USED}


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_other_file_uses_private_names(path: Path) -> None:
    if path != Path(internals.__file__):
        assert list(private(path.read_text(encoding="utf-8"), of_self=False)) == []
