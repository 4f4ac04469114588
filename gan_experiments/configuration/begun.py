"""The configuration with which a run or a sweep began, as the one that Hydra composes when it goes on.

The options and their files may have changed since. What was stored stands in for them: the options chosen then become
the defaults, and values that the files have no longer are put over theirs. Keys that are new since then have the
defaults of their schemas, which change nothing.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf

from gan_experiments.configuration import store
from gan_experiments.configuration.hydra_internals import load
from gan_experiments.configuration.instantiate import same_target
from gan_experiments.configuration.override import read
from gan_experiments.configuration.schema import default_of
from gan_experiments.errors import UserError

NAME = "as_begun"
"""Name of the primary configuration that ``take_up`` makes, for ``--config-name``."""
_VALUES = "as_begun_values"
_OF_HYDRA = ("launcher", "sweeper", "sweep")
"""Parts of Hydra's configuration that decide what the runs of a sweep are, and where."""
_GROUPS_OF_HYDRA = ("hydra/launcher", "hydra/sweeper")
_FREE = ("evaluate", "tracking", "fused", "hydra")
"""Groups of which a key that this version has no longer may be left out."""
_OF_THE_MOMENT = ("hydra.sweep.dir", "train.resume")
"""Keys that belong to a command rather than to what it began."""


def take_up(
    begun: DictConfig,
    overrides: Sequence[str],
    anew: Collection[str],
    config_dir: str | None,
    several: bool,
    instead: Mapping[str, Any] = MappingProxyType({}),
) -> list[str]:
    """Make a stored configuration the primary one of this process, under the name ``NAME``.

    Args:
        begun: The configuration as Hydra composed it, with Hydra's own part.
        overrides: All that were given then.
        anew: Groups and keys whose values then do not matter: those that a sweep varies, and that are given anew.
        config_dir: The user's own folder of options, or None.
        several: Whether it is a sweep's.
        instead: Values to take instead of those that were stored, by dotted key.

    Returns:
        The overrides that go with it; those that added an option have become part of it.

    Raises:
        UserError: What was stored cannot be had any more.
    """
    store.register()
    choices = cast("dict[str, str | None]", OmegaConf.to_container(begun.hydra.runtime.choices))
    added = [each for each in read(overrides) if each.text.startswith("+") and each.name in choices]
    added = [each for each in added if each.name not in anew]
    kept = [text for text in overrides if text not in {each.text for each in added}]
    primary = _primary(begun.hydra.job.config_name, choices, config_dir)
    entries, last = primary["defaults"], [each for each in primary["defaults"] if _is_override(each)]
    entries = [each for each in entries if each not in last] + [{each.name: choices[each.name]} for each in added]
    _store(NAME, primary | {"defaults": entries + last})

    now = load(NAME, kept, store.CONFIG_DIR, config_dir, several=several)
    values = _since_changed(begun, now, frozenset(key.replace("/", ".") for key in anew))
    for key, value in instead.items():
        group, _, name = key.rpartition(".")
        values.setdefault(group, {})[name] = value
    # An experiment that is chosen anew has the last word on its keys; one that was chosen then is part of the past.
    groups = [_group_of(entry) for entry in entries]
    place = groups.index("experiment") if "experiment" in anew and "experiment" in groups else len(groups)
    entries.insert(place, _VALUES)
    _store(_VALUES, values)
    _store(NAME, primary | {"defaults": entries + last})
    return kept


def _is_override(entry: Any) -> bool:
    return isinstance(entry, dict) and next(iter(entry)).startswith("override ")


def _store(name: str, node: dict[str, Any]) -> None:
    ConfigStore.instance().store(name=name, node=OmegaConf.create(node))


def _primary(name: str, choices: dict[str, str | None], config_dir: str | None) -> dict[str, Any]:
    """Return the primary configuration of a name, with the options of its defaults list replaced by ``choices``."""
    folders = [store.CONFIG_DIR, *([Path(config_dir)] if config_dir else [])]
    files = [folder / f"{each}.yaml" for each in (name, "config") for folder in folders]
    found = OmegaConf.load(next(file for file in files if file.is_file()))
    content = cast("dict[str, Any]", OmegaConf.to_container(found))
    content["defaults"] = [_chosen(entry, choices) for entry in content.get("defaults", [])]
    if "_self_" not in content["defaults"]:
        content["defaults"].append("_self_")
    return content


def _chosen(entry: Any, choices: dict[str, str | None]) -> Any:
    """Return an entry of a defaults list with the option chosen then; a group that is new since has ``none``."""
    group = _group_of(entry)
    if group is None or (group.startswith("hydra/") and not group.startswith(_GROUPS_OF_HYDRA)):
        return entry
    ((key, option),) = entry.items()
    if group in choices:
        option = choices[group]
    elif (store.CONFIG_DIR / group / "none.yaml").is_file():
        option = "none"
    return {key: option}


def _group_of(entry: Any) -> str | None:
    if not isinstance(entry, dict):
        return None
    (key,) = entry
    return key.split()[-1].partition("@")[0].lstrip("/")


def _since_changed(begun: DictConfig, now: DictConfig, anew: Collection[str]) -> dict[str, Any]:
    """Return the values that are others now, or new, as they were; without what lies in ``anew``."""
    then, plain = (OmegaConf.to_container(config, resolve=False) for config in (begun, now))
    assert isinstance(then, dict)
    assert isinstance(plain, dict)
    hydra_then, hydra_now = then.pop("hydra"), plain.pop("hydra")
    found = _differences(then, plain, now, "", anew)
    for part in _OF_HYDRA:
        values = _differences(hydra_then[part], hydra_now[part], now.hydra[part], f"hydra.{part}", anew)
        if values:
            found.setdefault("hydra", {})[part] = values
    return found


def _differences(
    then: dict[Any, Any], now: dict[Any, Any], typed: DictConfig, path: str, anew: Collection[str]
) -> dict[str, Any]:
    """Return what ``then`` has of the keys that ``now`` has with other values, as a tree of the same form."""
    found: dict[str, Any] = {}
    schema = OmegaConf.get_type(typed)
    for key in now | then:
        name = f"{path}.{key}".lstrip(".")
        if name in anew or name in _OF_THE_MOMENT:
            continue
        if key not in now and is_dataclass(schema):
            if name.split(".")[0] not in _FREE:
                raise UserError(f"{name}={then[key]}: this version has no such key, and cannot go on as it began")
            continue
        before, after = then.get(key, default_of(schema, key)), now.get(key, MISSING)
        if isinstance(before, dict) and isinstance(after, dict):
            if inner := _differences(before, after, cast(DictConfig, typed._get_node(key)), name, anew):
                found[key] = inner
        elif before not in (after, MISSING) and not (key == "_target_" and _is_moved(before, after)):
            found[key] = before
    return found


def _is_moved(before: Any, after: Any) -> bool:
    """Return whether a target is the same as before, or one of this package that has another name now."""
    if same_target(before, after):
        return True
    if not str(before).startswith(("gan_experiments.", "hydra_plugins.")):
        return False
    try:
        pkgutil.resolve_name(before)
    except Exception:  # whatever it is that it imports
        return True
    return False
