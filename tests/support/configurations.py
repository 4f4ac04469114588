"""Configurations, composed as the command does."""

from __future__ import annotations

from typing import Any

from omegaconf import OmegaConf

from gan_experiments.configuration.compose import compose


def plain(*overrides: str) -> dict[str, Any]:
    """The composed configuration as plain values."""
    values = OmegaConf.to_container(compose(overrides), resolve=True)
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}
