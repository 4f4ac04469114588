"""Small runs in this process, by the calls that the command makes: eight points on a ring, a fraction of a second."""

from __future__ import annotations

from pathlib import Path

from omegaconf import OmegaConf

from gan_experiments.configuration import store
from gan_experiments.configuration.compose import compose
from gan_experiments.runs.run import Run

SMALL = (
    "train=article",
    "device=cpu",
    "data=ring",
    "data.samples=500",
    "model=mlp_small",
    "tracking=off",
    "tracking.system_metrics=false",
    "evaluate.every=1",
    "train.checkpoint_every=1",
)


def run(folder: Path, *overrides: str) -> Run:
    """A run that has not been trained yet."""
    store.register()
    cfg = compose([*SMALL, *overrides])
    OmegaConf.resolve(cfg)
    return Run(cfg, folder, list(overrides))
