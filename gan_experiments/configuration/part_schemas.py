"""Schemas of the exchangeable parts (data, model, objective, penalty, augment), read from the files of the parts.

A part declares its keys next to its code, as a dataclass whose name ends in ``Config``. ``--help`` and ``--cfg job``
need these dataclasses, but must not wait for torch, which the parts import. So their definitions are taken out of the
source and executed here, where only the names imported below are defined: a schema uses these, the other schemas, and
nothing else. A custom part outside the package needs no schema; its keys are the arguments of its target.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass  # noqa: F401
from pathlib import Path
from typing import Any

from omegaconf import MISSING

from gan_experiments.configuration.fields import (  # noqa: F401
    above,
    any_of,
    at_least,
    at_most,
    below,
    each,
    matching,
    one_of,
    seeds,
    setting,
)
from gan_experiments.errors import UserError  # noqa: F401

_PACKAGE = Path(__file__).parents[1]
_DEFINITION = re.compile(r"^@dataclass\nclass (\w+Config)\b.*?(?=^\S|\Z)", re.MULTILINE | re.DOTALL)
"""A schema's definition, to the next line that is not indented; parsing whole files would take ten times as long."""
FOLDERS = {
    "data": "data",
    "models": "model",
    "objectives": "objective",
    "penalties": "penalty",
    "training/augmentations": "augment",
}
"""Folder of each kind of part, with the configuration group that chooses one."""


def read(package: Path, namespace: dict[str, Any]) -> list[tuple[str, str, type]]:
    """Define every schema found below ``package`` in ``namespace``.

    Returns:
        Group, name for defaults lists (``WassersteinGPConfig`` is ``schema_wasserstein_gp``) and dataclass.
    """
    groups: dict[str, str] = {}
    definitions: dict[str, tuple[Path, ast.ClassDef]] = {}
    for folder, group in FOLDERS.items():
        for file in sorted((package / folder).glob("*.py")):
            source = file.read_text(encoding="utf-8")
            for found in _DEFINITION.finditer(source):
                # Empty lines in front, so that a traceback shows the right line of the file.
                lines = "\n" * source.count("\n", 0, found.start()) + found[0]
                (definition,) = ast.parse(lines).body
                assert isinstance(definition, ast.ClassDef)
                groups[definition.name], definitions[definition.name] = group, (file, definition)

    def define(name: str) -> None:
        if name not in namespace and name in definitions:
            file, definition = definitions[name]
            for base in definition.bases:
                define(ast.unparse(base))
            exec(compile(ast.Module([definition], []), str(file), "exec"), namespace)

    for name in definitions:
        define(name)
    return [(group, _schema_name(name), namespace[name]) for name, group in groups.items()]


def _schema_name(name: str) -> str:
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.removesuffix("Config"))
    return f"schema_{words.lower()}"


# In this module's own namespace, so that a configuration with its schemas can be pickled for another process.
PART_SCHEMAS = read(_PACKAGE, globals())


def schema_of(group: str, target: Any) -> type | None:
    """Return the schema whose default ``_target_`` this is, or None."""
    if target == MISSING:
        return None
    same = (schema for of, _, schema in PART_SCHEMAS if of == group and getattr(schema, "_target_", None) == target)
    return next(same, None)
