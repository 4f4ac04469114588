"""Every objective with every penalty, from its configuration to the end of an epoch."""

from __future__ import annotations

from functools import cache
from itertools import product

import numpy as np
import pytest
import torch
from omegaconf import DictConfig, OmegaConf

from gan_experiments.configuration.compose import CONFIG_DIR, compose
from gan_experiments.configuration.instantiate import build
from gan_experiments.configuration.validation import validate
from gan_experiments.data.load import load_data
from gan_experiments.training.events import Completed, EpochFinished
from gan_experiments.training.member import Member
from gan_experiments.training.trainer import Trainer

OBJECTIVES, PENALTIES = (
    sorted(file.stem for file in (CONFIG_DIR / group).glob("*.yaml")) for group in ("objective", "penalty")
)


@cache
def configuration(group: str, option: str) -> DictConfig:
    tiny = (
        "model=mlp_small",
        "model.generator_widths=[16]",
        "model.discriminator_widths=[16]",
        "train.epochs=1",
        "train.batch_size=128",
    )
    cfg = compose([*tiny, f"{group}={option}"])
    validate(cfg)
    return cfg


@pytest.mark.parametrize(("objective", "penalty"), list(product(OBJECTIVES, PENALTIES)))
def test_a_short_run_ends_with_finite_losses_and_moved_weights(objective: str, penalty: str) -> None:
    cfg = configuration("objective", objective)
    chosen = build(cfg.objective), build(configuration("penalty", penalty).penalty)
    dataset, train = load_data(cfg.data), OmegaConf.to_object(cfg.train)
    torch.manual_seed(0)
    networks = build(cfg.model, sample_shape=dataset.sample_shape)
    # Matrices, for D's last bias is one that critics and the relativistic objective do not see.
    weights = [
        p for player in (networks.generator, networks.discriminator) for p in player.parameters() if p.dim() > 1
    ]
    before = [weight.detach().clone() for weight in weights]
    trainer = Trainer([Member(networks, train, 0, *chosen)], dataset, device=torch.device("cpu"), samples=4)
    events = [event for _, event in trainer.events()]
    assert isinstance(events[-1], Completed)
    (epoch,) = (event for event in events if isinstance(event, EpochFinished))
    assert all(np.isfinite(value) for value in epoch.metrics.values())
    assert not any(torch.equal(a, b) for a, b in zip(weights, before, strict=True))
