"""Who says how good a generator is: three referees, so that none is trained for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import torch
from omegaconf import OmegaConf
from torch import nn

from gan_experiments.configuration.schema import EvaluateConfig
from gan_experiments.data.dataset import Dataset
from gan_experiments.evaluation.evaluator import Evaluator
from gan_experiments.evaluation.features import extractor_for
from gan_experiments.runs.run import Run

SAMPLES = 10_000
_FILES = {"mnist": "mnist", "digits": "mnist", "fashion_mnist": "fashion_mnist"}
_DISTANCE = "frechet_classifier_distance"


class Verdict(NamedTuple):
    """The scores of a generator.

    Attributes:
        distance: Fréchet distance on the features of the classifier that is shipped with ``evaluation``.
        referee_distance: The same on those of a classifier that is kept for this measurement alone.
        precision: Share of its samples that look real, by the first one's features.
        recall: Share of real samples that it could have drawn, in the same way.
    """

    distance: float
    referee_distance: float
    precision: float
    recall: float


NO_VERDICT = Verdict(*[float("nan")] * 4)
"""On a run that has diverged."""


def file_of(data: str) -> Path:
    """Return the file of the classifier by whose features no recipe was chosen."""
    return Path(__file__).with_name(f"referee_{_FILES[data]}.safetensors")


class Referees:
    """Judges generators, as ``python -m gan_experiments.evaluate`` does with 10,000 samples.

    Args:
        dataset: The data set.
        data: Its name.
        device: Where to compute.

    Attributes:
        description: Number of samples, and the versions of both classifiers.
    """

    def __init__(self, dataset: Dataset, data: str, device: torch.device) -> None:
        self._features = {"classifier": ["frechet", "precision_recall"], str(file_of(data)): ["frechet"]}
        self._device, self._evaluators = device, dict[tuple[str, bool], list[Evaluator]]()
        extractors = [extractor_for(features, dataset) for features in self._features]
        versions = [extractor.version for extractor in extractors if extractor is not None]
        self.description = f"{SAMPLES} samples, {' and '.join(versions)}"

    def judge(self, run: Run, generator: nn.Module) -> Verdict:
        """Score the generator of a run against the test set of its data."""
        # Contenders may learn more or fewer images of the same data, and each evaluator belongs to a data set.
        conditional = run.member.networks.classes is not None
        key = json.dumps(OmegaConf.to_container(run.cfg.data, resolve=True)), conditional
        if key not in self._evaluators:
            self._evaluators[key] = [
                Evaluator(
                    EvaluateConfig(name="quality", samples=SAMPLES, metrics=metrics, features=features),
                    run.dataset,
                    self._device,
                    conditional,
                )
                for features, metrics in self._features.items()
            ]
        latent_dim = run.member.networks.latent_dim
        first, third = (evaluator.score(generator, latent_dim).values for evaluator in self._evaluators[key])
        of_first = (first[name].value for name in ("precision", "recall"))
        return Verdict(first[_DISTANCE].value, third[_DISTANCE].value, *of_first)
