"""The names of all settings: find one by its dotted key, or the nearest to a misspelt one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from gan_experiments.configuration.fields import describe
from gan_experiments.configuration.schema import Config, fields_of
from gan_experiments.configuration.store import SCHEMAS, schemas

GROUPS = (*dict.fromkeys(group for group, _, _ in SCHEMAS), "experiment", "sweep")
"""The groups of options."""
_FURTHER = ("experiment", "+sweep", "hydra", "hydra/launcher", "hydra/sweeper")
"""Words that may stand left of "=" on the command line, besides the schema's keys."""
_ALIKE = 0.65
"""Least similarity of a suggestion (difflib's ratio); at its default, betas would be suggested for extra."""


def words_for(key: str) -> str | None:
    """Return words that complete "must be …" for a dotted key, or None for a key that the schema does not know."""
    group, _, name = key.rpartition(".")
    for schema in [schema for of, schema in schemas() if of == group] if group else [Config]:
        kind, spec = fields_of(schema).get(name, (None, None))
        if spec is not None and "meaning" in spec.metadata:
            return describe(kind, spec)
    return None


def unknown(assignment: str, parent: str, siblings: Iterable[str]) -> str:
    """Return the line that refuses a key which does not exist.

    Args:
        assignment: As given: ``key=value``.
        parent: Dotted key of the deepest group that does exist, or "" for the top level.
        siblings: Names in it.
    """
    names = [name for name in siblings if not name.startswith("_")]
    if not parent:
        names += [name for name in _FURTHER if name not in names]
    near = _nearest(assignment.partition("=")[0], parent, names)
    hint = f"did you mean {near}? " if near else ""
    return f"{assignment}: no such key; {hint}{parent or 'the top level'} has {', '.join(names) or 'none yet'}"


def _nearest(key: str, parent: str, siblings: list[str]) -> str | None:
    """Return the key that is most likely meant: one in its group, one of that name elsewhere, or one spelt alike."""
    beside = [f"{parent}.{name}".lstrip(".") for name in siblings]
    known = [f"{group}.{name}" for group, schema in schemas() for name in fields_of(schema) if name[0] != "_"]
    everywhere = list(dict.fromkeys([*beside, *fields_of(Config), *known, *_FURTHER]))
    name = key.rpartition(".")[2]
    if key == f"{parent}.{name}".lstrip("."):
        # The group is right: only names are compared, because dotted keys of one group all look alike.
        alike = [
            f"{parent}.{other}".lstrip(".") for other in difflib.get_close_matches(name, siblings, n=1, cutoff=_ALIKE)
        ]
    else:
        alike = difflib.get_close_matches(key, everywhere, n=1, cutoff=_ALIKE)
    namesakes = [other for other in everywhere if other.rpartition(".")[2] == name and other != key]
    return next(iter([*alike, *namesakes]), None)
