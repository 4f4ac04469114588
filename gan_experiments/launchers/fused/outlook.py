"""What a stack must have room for: members like all runs that may come, without their networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from gan_experiments.configuration.instantiate import build, build_networks
from gan_experiments.configuration.schema import TrainConfig
from gan_experiments.data.dataset import Dataset
from gan_experiments.launchers.fused.partition import extremes
from gan_experiments.training.member import Member

_TERMS = ("objective", "penalty", "augment")


def outlook(cfgs: Sequence[DictConfig], dataset: Dataset) -> list[Member]:
    """Return members like the runs of some configurations, each kind once.

    Two pairs of networks stand for those of all: one with the smallest, one with the largest of all settings.

    Args:
        cfgs: At least one, of one structure.
        dataset: What they learn.
    """
    models = [cast("dict[str, Any]", OmegaConf.to_container(cfg.model, resolve=True)) for cfg in cfgs]
    pairs = [
        build_networks(OmegaConf.create(model), dataset.sample_shape, dataset.classes) for model in extremes(models)
    ]
    kinds = {OmegaConf.to_yaml(OmegaConf.masked_copy(cfg, ["train", *_TERMS]), resolve=True): cfg for cfg in cfgs}
    found = [
        (cast(TrainConfig, OmegaConf.to_object(cfg.train)), [build(cfg[group]) for group in _TERMS])
        for cfg in kinds.values()
    ]
    smallest, largest = pairs
    train, terms = found[0]
    return [Member(smallest, train, 0, *terms), *(Member(largest, train, 0, *terms) for train, terms in found)]
