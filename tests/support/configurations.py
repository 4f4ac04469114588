"""Configurations, composed as the command does."""

from __future__ import annotations

from typing import Any

from omegaconf import OmegaConf

from gan_experiments.configuration.compose import compose
from gan_experiments.configuration.schema import default_of
from gan_experiments.tracking.metadata import flatten


def plain(*overrides: str) -> dict[str, Any]:
    """The composed configuration as plain values."""
    values = OmegaConf.to_container(compose(overrides), resolve=True)
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def neutral(key: str, *overrides: str) -> str:
    """The default of a key of the composed configuration in its schema, as ``flatten`` writes it."""
    group, _, name = key.rpartition(".")
    schema = OmegaConf.get_type(OmegaConf.select(compose(overrides), group))
    return flatten({name: default_of(schema, name)})[name]
