"""The judge of images that no classifier knows: pinned, and sensible in what it finds worse."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from gan_experiments.configuration.schema import EvaluateConfig
from gan_experiments.data import emoji
from gan_experiments.data.dataset import Dataset
from gan_experiments.evaluation.evaluator import Evaluator
from gan_experiments.evaluation.features import extractor_for, missing
from gan_experiments.evaluation.random_features import RandomFeatures

CPU = torch.device("cpu")
DISTANCE = "frechet_random_distance"
METRICS = ["frechet", "precision_recall", "classes", "memorisation"]


@pytest.fixture(scope="module")
def pictures() -> Dataset:
    """Two halves of the colour set: one to be scored, one to compare with."""
    data = emoji.load("emoji", root="", image_size=32, download=False)
    half = replace(data, samples=data.samples[1::2], labels=None)
    return replace(data, samples=data.samples[::2], labels=None, test=lambda: half)


def blurred(images: torch.Tensor, width: int) -> torch.Tensor:
    padded = torch.nn.functional.pad(images.float(), (width // 2,) * 4, mode="replicate")
    return torch.nn.functional.avg_pool2d(padded, width, 1).round().byte()


@pytest.mark.parametrize(("channels", "version"), [(1, "random:02a6e38b29f6"), (3, "random:4174ae6bc631")])
def test_the_weights_are_pinned(channels: int, version: str) -> None:
    assert RandomFeatures(channels).version == version


def test_worse_is_farther(pictures: Dataset) -> None:
    judge = Evaluator(EvaluateConfig("test", None, 848, METRICS), pictures, CPU)
    noise = torch.randint(0, 256, pictures.samples.shape, generator=torch.Generator().manual_seed(0)).byte()
    real = pictures.samples
    assert pictures.labels is None
    worse = [real, blurred(real, 3), blurred(real, 9), noise]
    scores = [judge.score_samples(pictures.normalise(images)).values for images in worse]
    distances = [values[DISTANCE].value for values in scores]
    assert all(3 * less < more for less, more in pairwise(distances))
    assert [values["coverage"].value for values in scores] == sorted(
        (values["coverage"].value for values in scores), reverse=True
    )
    repeated = judge.score_samples(pictures.normalise(real[:10].repeat(85, 1, 1, 1)))
    assert repeated.values[DISTANCE].value > 10 * distances[0]
    assert repeated.values["coverage"].value < 0.1
    assert repeated.features == RandomFeatures(3).version


def test_they_serve_where_no_classifier_does_and_say_so(pictures: Dataset) -> None:
    config = EvaluateConfig("test", None, 100, METRICS)
    judge = Evaluator(config, pictures, CPU)
    assert judge.metrics == ["frechet", "precision_recall", "memorisation"]
    assert DISTANCE in judge.names
    line = missing(config, pictures)
    assert line is not None
    assert line.startswith("data=emoji has no classifier: samples are compared by fixed random filters")


def test_they_may_be_asked_for(bundled: Dataset) -> None:
    config = EvaluateConfig("test", None, 100, METRICS, "random")
    assert Evaluator(config, bundled, CPU).metrics == ["frechet", "precision_recall", "memorisation"]
    assert missing(config, bundled) is None
    extractor = extractor_for("random", bundled)
    assert extractor is not None
    assert extractor(bundled.samples[:3])[0].shape == (3, 256)


def test_no_random_number_of_training_is_used() -> None:
    before = torch.get_rng_state()
    RandomFeatures(3)(torch.zeros(2, 3, 8, 12, dtype=torch.uint8))
    assert torch.equal(before, torch.get_rng_state())
