"""Import, check and call what ``_target_`` names: a loader, an architecture, a term, an augmentation."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Mapping, Sequence
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from gan_experiments.configuration import key_names
from gan_experiments.errors import UserError

_PACKAGE = __name__.partition(".")[0] + "."
_SUPPLIED = {"data": (), "model": ("sample_shape",), "objective": (), "penalty": (), "augment": ()}
"""Arguments that a run itself gives to each group's target."""
_SET_APART = {"data": ("fraction",)}
"""Keys that hold for every target, which need not know them; one that has such an argument of its own gets it."""
_OFFERED = {"model": ("classes",)}
"""Arguments that a run itself gives to a group's target if the target takes them."""


def is_own(node: DictConfig | Mapping[str, Any]) -> bool:
    """Return whether a group's target belongs to this package, so that its schema describes the keys."""
    return str(node.get("_target_", _PACKAGE)).startswith(_PACKAGE)


def same_target(one: Any, other: Any) -> bool:
    """Return whether two ``_target_`` values name the same function or class, which may have moved."""
    if one == other:
        return True
    try:
        return pkgutil.resolve_name(one) is pkgutil.resolve_name(other)
    except Exception:  # a user's module runs here and may raise anything; what cannot be imported is not the same
        return False


def check_signature(group: str, values: Mapping[str, Any]) -> None:
    """Make sure that a custom target can be called with the keys of its group.

    Args:
        group: ``data``, ``model``, ``objective``, ``penalty`` or ``augment``.
        values: The group's keys, resolved.

    Raises:
        UserError: The target cannot be imported or called, a key is none of its arguments, or one is missing.
    """
    target = values.get("_target_")
    if not isinstance(target, str):
        raise UserError(f"{group}._target_: is missing; it must name a function or a class: package.module.name")
    try:
        function = pkgutil.resolve_name(target)
    except Exception as error:  # the user's module runs here, and may raise anything
        line = f"{type(error).__name__}: {error}".splitlines()[0]
        raise UserError(f"{group}._target_={target}: cannot be imported ({line})") from error
    if not callable(function):
        raise UserError(f"{group}._target_={target}: must be a function or a class")
    parameters = inspect.signature(function).parameters
    given = {key: value for key, value in values.items() if not key.startswith("_")}
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    names = [name for name, p in parameters.items() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    mine = [name for name in names if name not in (*_SUPPLIED[group], *_OFFERED.get(group, ()))]
    for key, value in given.items():
        if key not in mine and key not in _SET_APART.get(group, ()) and not open_ended:
            raise UserError(f"{key_names.unknown(f'{group}.{key}={value}', group, mine)} (the arguments of {target})")
    for name in mine:
        if name not in given and parameters[name].default is inspect.Parameter.empty:
            raise UserError(f"{group}.{name}: is missing; {target} needs it")
    for name in _SUPPLIED[group]:
        if name not in names and not open_ended:
            raise UserError(f"{group}._target_={target}: must take an argument {name}, but takes {', '.join(names)}")


def set_apart(group: str, node: DictConfig) -> dict[str, Any]:
    """Take out of a group's keys those that are applied to what its target returns, and return their values."""
    target = node.get("_target_")
    taken = inspect.signature(pkgutil.resolve_name(target)).parameters if isinstance(target, str) else ()
    return {key: node.pop(key) for key in _SET_APART.get(group, ()) if key in node and key not in taken}


def build_networks(node: DictConfig | Mapping[str, Any], sample_shape: Sequence[int], classes: int | None) -> Any:
    """Call the target of the ``model`` group.

    Args:
        node: The group.
        sample_shape: Shape of one sample of the data.
        classes: Number of the data's classes, or None without labels; for targets that have an argument for it.

    Raises:
        Exception: As ``build``.
    """
    offered = {"classes": classes} if takes_classes(node) else {}
    return build(node, sample_shape=tuple(sample_shape), **offered)


def takes_labels(node: DictConfig, classes: int | None) -> bool:
    """Return whether the networks of a ``model`` group will be conditional on data of so many classes.

    Of a target of one's own this means that it takes the number of classes.
    """
    return classes is not None and node.get("condition") != "none" and takes_classes(node)


def takes_classes(node: DictConfig | Mapping[str, Any]) -> bool:
    """Return whether the target of the ``model`` group has an argument for the number of classes."""
    return "classes" in inspect.signature(pkgutil.resolve_name(node["_target_"])).parameters


def build(node: DictConfig | Mapping[str, Any], **supplied: Any) -> Any:
    """Call a group's target with the group's keys, as plain Python values, and with what the run supplies.

    Raises:
        Exception: Whatever the target raises, a ``UserError`` of a loader among it, without Hydra's wrapping.
    """
    if is_own(node):  # its keys are values, in which Hydra would look for targets for longer than it takes to call it
        keys = _plain(node)
        return pkgutil.resolve_name(keys.pop("_target_"))(**keys | supplied)
    try:
        return instantiate(node, _convert_="all", **supplied)
    except InstantiationException as error:
        raise error.__cause__ or error from None


def _plain(node: DictConfig | Mapping[str, Any]) -> dict[str, Any]:
    return OmegaConf.to_container(node, resolve=True) if isinstance(node, DictConfig) else dict(node)  # type: ignore[return-value]
