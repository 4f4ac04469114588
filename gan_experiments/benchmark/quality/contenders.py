"""The contenders, the target that they train to, and the points at which they are scored."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from gan_experiments.benchmark.options import Plan
from gan_experiments.configuration.compose import compose
from gan_experiments.configuration.override import write
from gan_experiments.configuration.validation import validate
from gan_experiments.errors import UserError

CONTENDERS: dict[str, tuple[str, ...]] = {
    "article": ("experiment=article",),
    "improved": ("experiment=improved",),
    "speedrun": ("experiment=speedrun",),
}
"""By name, the overrides that make a run of it; all are recipes for MNIST, and other data are put in its place."""
ARTICLE = "article"
LOOP = "the article's loop"
"""A contender that is not trained to its end: the steps of ``ARTICLE``, each as long as the published loop takes."""
FIRST_SEED = 1000
"""The seeds are this one and those that follow: recipes were chosen by looking at small seeds."""
_PARTS_OF_EPOCHS = (0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
_GROUPS = ("data", "model", "objective", "penalty", "augment", "train")
_PLACES = ("root", "download")


@dataclass(frozen=True)
class Target:
    """Bounds that the means of the scores have to keep.

    Attributes:
        distance: Most that the Fréchet classifier distance may be.
        precision: Least precision.
        recall: Least recall.
    """

    distance: float
    precision: float
    recall: float


TARGETS = {"mnist": Target(26.4, 0.82, 0.80)}
"""By data set. MNIST's is called *article*: the better of two runs of 100 epochs of the article's recipe."""


def chosen(plan: Plan) -> list[str]:
    """Return the names of the contenders that a plan asks for; all, if it names none.

    Raises:
        UserError: It names one that there is not.
    """
    for name in plan.contenders:
        if name not in CONTENDERS:
            raise UserError(f"--contenders {name}: no such contender; there are {', '.join(CONTENDERS)}")
    return list(dict.fromkeys(plan.contenders)) or list(CONTENDERS)


def seeds_of(name: str, plan: Plan) -> list[int]:
    """Return the seeds that a contender is trained with."""
    count = min(plan.seeds, plan.article_seeds) if name == ARTICLE else plan.seeds
    return [FIRST_SEED + i for i in range(count)]


def overrides_of(name: str, plan: Plan, seed: int) -> list[str]:
    """Return the whole command line of a contender's run, of which nothing is recorded."""
    data = [] if plan.data == "mnist" else [f"data={plan.data}"]
    root = write("data.root", Path(plan.root).absolute())
    return [*CONTENDERS[name], *data, root, f"device={plan.device}", "tracking=off", f"seed={seed}"]


def configuration(overrides: Sequence[str]) -> DictConfig:
    """Compose and validate the configuration of a run.

    Raises:
        UserError: A value is out of range, or of no key. Hydra's own errors pass.
    """
    cfg = compose(overrides)
    validate(cfg)
    return cfg


def recipe_of(cfg: DictConfig) -> str:
    """Return the digest of all that a run is trained by, but for its seed, its device and the place of its data."""
    groups: dict[str, Any] = {group: OmegaConf.to_container(cfg[group], resolve=True) for group in _GROUPS}
    groups["data"] = {key: value for key, value in groups["data"].items() if key not in _PLACES}
    return hashlib.sha256(json.dumps(groups, sort_keys=True).encode()).hexdigest()[:12]


def points_of(epochs: int) -> list[int]:
    """Return the epochs after which a run of so many is scored."""
    return sorted({max(1, round(part * epochs)) for part in _PARTS_OF_EPOCHS})
