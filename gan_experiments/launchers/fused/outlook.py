"""What a stack must have room for: members like all runs that may come, without their networks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from gan_experiments.configuration.instantiate import build, build_networks
from gan_experiments.configuration.schema import TrainConfig
from gan_experiments.data.dataset import Dataset
from gan_experiments.launchers.fused.partition import extremes
from gan_experiments.training.member import Member

_TERMS = ("objective", "penalty", "augment")


def outlook(configs: Sequence[Mapping[str, Any]], dataset: Dataset) -> list[Member]:
    """Return members like the runs of some configurations, each kind once.

    Two pairs of networks stand for those of all: one with the smallest, one with the largest of all settings.

    Args:
        configs: At least one, of one structure, as plain values.
        dataset: What they learn.
    """
    pairs = [
        build_networks(model, dataset.sample_shape, dataset.classes)
        for model in extremes([config["model"] for config in configs])
    ]
    kinds = {json.dumps([config[group] for group in ("train", *_TERMS)]): config for config in configs}
    found = [
        (TrainConfig(**config["train"]), [build(config[group]) for group in _TERMS]) for config in kinds.values()
    ]
    smallest, largest = pairs
    train, terms = found[0]
    return [Member(smallest, train, 0, *terms), *(Member(largest, train, 0, *terms) for train, terms in found)]
