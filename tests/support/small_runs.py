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
    "model=mlp_small",
    "tracking=off",
    "tracking.system_metrics=false",
    "evaluate.every=1",
    "train.checkpoint_every=1",
)


RING = ("data=ring", "data.samples=500")


def run(folder: Path, *overrides: str) -> Run:
    """A run that has not been trained yet; of the ring, unless ``overrides`` begin with other data."""
    store.register()
    data = () if overrides and overrides[0].startswith("data=") else RING
    cfg = compose([*SMALL, *data, *overrides])
    OmegaConf.resolve(cfg)
    return Run(cfg, folder, list(overrides))
