"""One setting of an experiment: what it means and which values it may take.

Both are written once, next to the field, in a schema (``configuration/schema.py``, or the file of a part);
validation, error messages and ``--help`` read them from there. This module imports nothing of the package.
"""

from __future__ import annotations

import math
import re
import types
from collections.abc import Callable
from dataclasses import Field, dataclass, field
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, Literal, Union, get_args, get_origin

_PACKAGE = Path(__file__).parents[1]

_NOUNS: dict[Any, str] = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
_PLURALS: dict[Any, str] = {int: "a list of whole numbers", float: "a list of numbers", str: "a list of text"}


@dataclass(frozen=True)
class Allowed:
    """A set of values, named.

    Attributes:
        words: Completes "must be a number, …"; or "must be …" where ``complete``.
        holds: Whether a value of the right type belongs to it.
        complete: Whether ``words`` say everything, the type included.
    """

    words: str
    holds: Callable[[Any], bool]
    complete: bool = False

    def __and__(self, other: Allowed) -> Allowed:
        return Allowed(f"{self.words} and {other.words}", lambda value: self.holds(value) and other.holds(value))


def at_least(low: float) -> Allowed:
    """Allow numbers from ``low`` on."""
    return Allowed(f"at least {low}", lambda value: value >= low)


def at_most(high: float) -> Allowed:
    """Allow numbers up to and including ``high``."""
    return Allowed(f"at most {high}", lambda value: value <= high)


def seeds() -> Allowed:
    """Allow seeds of the run, of the data or of a sampler."""
    return at_least(0) & at_most(2**31 - 1)


def above(low: float) -> Allowed:
    """Allow numbers greater than ``low``."""
    return Allowed(f"above {low}", lambda value: value > low)


def below(high: float) -> Allowed:
    """Allow numbers less than ``high``."""
    return Allowed(f"below {high}", lambda value: value < high)


def each(allowed: Allowed, length: int | None = None) -> Allowed:
    """Allow lists of ``length`` elements (of at least one, where it is None), each of them ``allowed``."""
    return Allowed(
        f"{'not empty' if length is None else f'exactly {length} of them'}, each {allowed.words}",
        lambda values: (len(values) == length if length else len(values) > 0) and all(map(allowed.holds, values)),
    )


def one_of(*values: Any) -> Allowed:
    """Allow these values."""
    *most, last = map(str, values)
    return Allowed(f"{', '.join(most)} or {last}", lambda value: value in values, complete=True)


def any_of(*values: str) -> Allowed:
    """Allow lists, perhaps empty, of some of these values."""
    return Allowed(
        f"a list of any of {', '.join(values)}", lambda given: all(value in values for value in given), complete=True
    )


def matching(pattern: str, words: str) -> Allowed:
    """Allow text that ``pattern`` matches as a whole; ``words`` describe it in messages."""
    return Allowed(words, lambda value: re.fullmatch(pattern, value) is not None, complete=True)


def modules_in(folder: str, *contracts: str) -> tuple[str, ...]:
    """Return the names of the modules in a folder, sorted: each is a part that a user may choose by that name.

    Nothing is imported, so that ``--help`` stays fast, and a new part needs no entry in any list.

    Args:
        folder: Path below the package, such as ``evaluation/metrics``.
        contracts: Names of modules that are no parts, such as the one with the base class.
    """
    names = sorted(module.name for module in iter_modules([str(_PACKAGE / folder)]))
    return tuple(name for name in names if name not in contracts and not name.startswith("_"))


def setting(
    default: Any,
    meaning: str,
    allowed: Allowed | None = None,
    *,
    shared: Literal["value", "length", "nothing"] = "value",
) -> Any:
    """Make a field of a schema's dataclass.

    Args:
        default: Its default, or ``omegaconf.MISSING`` where a group's YAML or the user has to give it.
        meaning: What it is, with its unit; one phrase without a full stop.
        allowed: Its values, where the type does not say everything. None (null) is a matter of the type.
        shared: What runs must have in common of it to train stacked, as one program.
    """
    metadata = {"meaning": meaning, "allowed": allowed, "shared": shared}
    if isinstance(default, list | dict):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


def describe(kind: Any, spec: Field[Any]) -> str:
    """Return the values that a field may take, as words that complete "must be …".

    Args:
        kind: The field's type, resolved (``typing.get_type_hints``).
        spec: The field.
    """
    options = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    kind = next(option for option in options if option is not type(None))
    allowed: Allowed | None = spec.metadata["allowed"]
    if get_origin(kind) is dict:
        noun = f"a mapping of names to {_PLURALS[get_args(kind)[1]].removeprefix('a list of ')}"
    elif get_origin(kind) is list:
        noun = _PLURALS[get_args(kind)[0]]
    else:
        noun = _NOUNS[kind]
    if allowed is None:
        words = "a finite number" if kind is float else noun
    else:
        words = allowed.words if allowed.complete else f"{noun}, {allowed.words}"
    return f"{words}, or null" if type(None) in options else words


def is_allowed(value: Any, spec: Field[Any]) -> bool:
    """Return whether the field may take ``value``, which has its type: every number finite and in range."""
    if value is None:
        return True
    numbers = value if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else [value]
    if any(isinstance(number, float) and not math.isfinite(number) for number in numbers):
        return False
    allowed: Allowed | None = spec.metadata["allowed"]
    return allowed is None or allowed.holds(value)
