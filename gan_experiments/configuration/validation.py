"""Validation of a composed configuration: keys, types, ranges. Nothing is loaded, nothing is written."""

from __future__ import annotations

import re
from dataclasses import is_dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError, MissingMandatoryValue, OmegaConfBaseException

from gan_experiments.configuration import instantiate, key_names
from gan_experiments.configuration.fields import describe, is_allowed
from gan_experiments.configuration.schema import Config, fields_of
from gan_experiments.errors import UserError


def validate(cfg: DictConfig) -> None:
    """Check every key and value, without looking at files, data or devices.

    Hydra lets ``+`` add and ``~`` delete keys, and OmegaConf knows types but no ranges; both end here.

    Args:
        cfg: The configuration of a run; Hydra's own part, ``hydra``, may be in it.

    Raises:
        UserError: One line: the key, the value, what is allowed.
    """
    top = fields_of(Config)
    _check_keys("", cfg, list(top), ignored="hydra")
    for name, (kind, spec) in top.items():
        if "meaning" in spec.metadata:
            _check_value(name, _resolved(cfg, name), kind, spec)
        else:
            _check_group(name, cfg)
    _check_sense(cfg)


def _check_sense(cfg: DictConfig) -> None:
    """Make sure that groups that are right by themselves go together: a model may check the shape of samples."""
    check_samples = getattr(OmegaConf.get_type(cfg.model), "check_samples", None)
    sample_shape = getattr(OmegaConf.get_type(cfg.data), "sample_shape", None)
    if check_samples and sample_shape and instantiate.is_own(cfg.model) and instantiate.is_own(cfg.data):
        check_samples(sample_shape(_resolved(cfg, "data")), **_resolved(cfg, "model"))


def _check_group(group: str, cfg: DictConfig) -> None:
    values = _resolved(cfg, group)
    node = cfg[group]
    if not isinstance(node, DictConfig):
        raise UserError(f"{group}={values}: must be a group of keys; --help lists the options of {group}")
    schema = OmegaConf.get_type(node)
    if not is_dataclass(schema) or not instantiate.is_own(node):
        instantiate.check_signature(group, values)
    else:
        known = fields_of(schema)
        _check_keys(group, node, list(known))
        for name, (kind, spec) in known.items():
            _check_value(f"{group}.{name}", values[name], kind, spec)


def _check_keys(prefix: str, node: DictConfig, known: list[str], ignored: str = "") -> None:
    given = [str(key) for key in node if key != ignored]
    for name in given:
        if name not in known:
            key = f"{prefix}.{name}".lstrip(".")
            raise UserError(key_names.unknown(f"{key}={OmegaConf.select(node, name)}", prefix, known))
    for name in known:
        if name not in given:
            key = f"{prefix}.{name}".lstrip(".")
            raise UserError(f"{key}: is missing; {_must_be(key)}")


def _check_value(key: str, value: Any, kind: Any, spec: Any) -> None:
    if not is_allowed(value, spec):
        raise UserError(f"{key}={value}: must be {describe(kind, spec)}")


def _resolved(cfg: DictConfig, name: str) -> Any:
    """Return ``cfg[name]`` as plain values with interpolations resolved and nothing missing."""
    try:
        node = cfg[name]
        if isinstance(node, DictConfig):
            return OmegaConf.to_container(node, resolve=True, throw_on_missing=True)
        return node
    except MissingMandatoryValue as error:
        raise UserError(f"{error.full_key}: is missing; {_must_be(str(error.full_key))}") from error
    except OmegaConfBaseException as error:
        if variable := re.search(r"Environment variable '(\w+)' not found", str(error)):
            key = str(error.full_key)
            raise UserError(f"{key}: is missing; {_must_be(key)}, or {variable[1]} be set") from error
        kind = "interpolation" if isinstance(error, InterpolationResolutionError) else "value"
        raise UserError(f"{error.full_key}: the {kind} cannot be resolved: {str(error).splitlines()[0]}") from error


def _must_be(key: str) -> str:
    words = key_names.words_for(key)
    return f"it must be {words}" if words else "--help lists the options of this group"
