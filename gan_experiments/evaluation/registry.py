"""Parts that are a file each: every module of a folder defines one class of a kind, and is known by its file name."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TypeVar

from gan_experiments.configuration.fields import modules_in

Kind = TypeVar("Kind")


@cache
def parts_in(folder: str, kind: type[Kind]) -> dict[str, type[Kind]]:
    """Import a folder's modules and return the subclass of ``kind`` that each defines, by the module's name.

    Args:
        folder: Path below the package, such as ``evaluation/metrics``.
        kind: The base class.

    Raises:
        TypeError: A module defines none, or several.
    """
    package = f"gan_experiments.{folder.replace('/', '.')}"
    return {name: _part(f"{package}.{name}", kind) for name in modules_in(folder)}


def _part(module: str, kind: type[Kind]) -> type[Kind]:
    classes = [each for each in vars(import_module(module)).values() if isinstance(each, type)]
    defined = [each for each in classes if issubclass(each, kind) and each.__module__ == module]
    if len(defined) != 1:
        raise TypeError(f"{module}: must define one {kind.__name__}, and defines {len(defined)}")
    return defined[0]
