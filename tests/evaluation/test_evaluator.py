"""All scores together: in the right order, the same every time, and without a trace."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gan_experiments.configuration.schema import EvaluateConfig
from gan_experiments.data import mixtures
from gan_experiments.data.dataset import Dataset
from gan_experiments.errors import UserError
from gan_experiments.evaluation.evaluator import Evaluator

QUICK = ["frechet", "precision_recall", "classes", "mixture"]
CPU = torch.device("cpu")
FRECHET = "frechet_classifier_distance"


def evaluator(data: Dataset, samples: int = 500, metrics: list[str] | None = None, features: str = "classifier"):
    return Evaluator(EvaluateConfig("test", None, samples, metrics or QUICK, features), data, CPU)


def few_epochs(data: Dataset) -> torch.Tensor:
    """What stands for a young generator: real images under noise."""
    images = data.normalise(data.samples[:500])
    return (images + 0.5 * torch.randn(images.shape, generator=torch.Generator().manual_seed(0))).clamp(-1, 1)


@pytest.mark.parametrize("name", ["bundled", "mnist"])
def test_the_distance_orders_what_should_be_ordered(name: str, request: pytest.FixtureRequest) -> None:
    data: Dataset = request.getfixturevalue(name)
    judge, g = evaluator(data), torch.Generator().manual_seed(0)
    real = data.normalise(data.samples[torch.randperm(len(data), generator=g)[:500]])
    noise = torch.rand(500, 1, 28, 28, generator=g) * 2 - 1
    found = [judge.score_samples(x).values[FRECHET].value for x in (real, few_epochs(data), noise)]
    repeated = judge.score_samples(real[:1].repeat(500, 1, 1, 1))
    assert found[0] < found[1] / 5
    assert found[1] < min(found[2], repeated.values[FRECHET].value)
    assert repeated.values["modes"].value == 1
    assert judge.score_samples(real).floors[FRECHET].value == pytest.approx(found[0], rel=1)


def test_against_the_test_set_where_there_is_one(mnist: Dataset, bundled: Dataset) -> None:
    assert evaluator(mnist).score_samples(few_epochs(mnist)).reference == "mnist's test set (10000)"
    assert evaluator(bundled).score_samples(few_epochs(bundled)).reference == "digits's training set (1797)"


@pytest.mark.slow
def test_the_log_likelihood_of_real_digits(mnist: Dataset) -> None:
    """The notes of others on the 2014 protocol agree: ten thousand real training images score about 241."""
    judge = evaluator(mnist, 10_000, ["parzen"])
    measured = judge.score_samples(mnist.normalise(mnist.samples[:10_000])).values
    assert measured["parzen_log_likelihood"].value == pytest.approx(241.2, abs=0.2)
    assert measured["parzen_sigma"].value == pytest.approx(0.167, abs=1e-3)


def test_the_windows_width_is_chosen_on_validation_images(mnist: Dataset) -> None:
    grey = torch.randint(256, (1000, 1, 28, 28), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    judge = evaluator(replace(mnist, validation=grey), 100, ["parzen"])
    measured = judge.score_samples(mnist.normalise(mnist.samples[:100])).values
    assert measured["parzen_sigma"].value > 0.4  # of digits beside digits it is 0.17 to 0.22


def test_a_generators_scores_are_a_function_of_its_weights(bundled: Dataset, generator: torch.nn.Module) -> None:
    before = torch.get_rng_state()
    first, second = (evaluator(bundled).score(generator, 8) for _ in range(2))
    assert first.as_dict() == second.as_dict()
    assert torch.equal(before, torch.get_rng_state())
    assert all(module.training for module in generator.modules())
    assert first.features == "mnist:4a5769064f57"
    assert sum(first.histogram or []) == pytest.approx(1)


def test_copies_are_found_and_shown(bundled: Dataset) -> None:
    judge = evaluator(bundled, metrics=["memorisation"])
    scores = judge.score_samples(bundled.normalise(bundled.samples[:300]))
    assert scores.values["memorised"].value == 1
    assert scores.floors["memorised"].value == pytest.approx(0.01, abs=0.002)
    assert scores.neighbours is not None
    assert scores.neighbours.shape == (2, 50, 1, 28, 28)
    assert (scores.neighbours[0] == scores.neighbours[1]).all()


def test_points_are_judged_by_their_modes() -> None:
    data = mixtures.ring("ring", modes=8, extent=1.0, std=0.01, samples=3000, data_seed=0)
    scores = evaluator(data).score_samples(data.normalise(data.samples[:1000]))
    assert scores.values["modes"].value == 8
    assert scores.values["high_quality"].value == pytest.approx(0.989, abs=0.01)
    assert scores.features is None


def test_other_images_get_no_scores_from_a_judge_of_digits(bundled: Dataset) -> None:
    other = Dataset("faces", bundled.samples)
    assert FRECHET not in evaluator(other).names
    assert evaluator(other, metrics=["classes"]).metrics == []
    with pytest.raises(UserError, match="no such file"):
        evaluator(other, features="nowhere.safetensors")


def test_inception_without_its_library(bundled: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch_fidelity.feature_extractor_inceptionv3", None)
    with pytest.raises(UserError, match="needs torch-fidelity"):
        evaluator(bundled, features="inception")


def test_channels_of_several_digits_are_judged_apart(bundled: Dataset) -> None:
    """As Stacked MNIST's protocol wants it: tuples of digits, equally likely, one sample covers one."""
    drawn = torch.randint(len(bundled), (2000, 3), generator=torch.Generator().manual_seed(0))
    data = Dataset("stacked_mnist", bundled.samples.squeeze(1)[drawn])
    judge = evaluator(data, metrics=["classes"])
    scores = judge.score_samples(data.normalise(data.samples))
    assert judge.modes == 1000
    assert bundled.labels is not None
    digits = len((bundled.labels[drawn] * torch.tensor([100, 10, 1])).sum(1).unique())
    assert scores.values["modes"].value == pytest.approx(digits, rel=0.05)
    grey = judge.score_samples(data.normalise(data.samples[:, :1].repeat(1, 3, 1, 1)))
    assert grey.values["modes"].value <= 40  # ten, but for the digits of which a channel is read otherwise


@pytest.mark.parametrize("data", ["bundled", "ring"])
def test_the_names_of_its_scores_are_known_beforehand(data: str, bundled: Dataset) -> None:
    dataset = bundled if data == "bundled" else mixtures.ring("ring", 8, 1.0, 0.01, 1000, 0)
    judge = evaluator(dataset, metrics=[*QUICK, "parzen", "memorisation"])
    assert set(judge.names) == set(judge.score_samples(dataset.normalise(dataset.samples[:500])).values)


@pytest.mark.parametrize(
    ("count", "metric", "least"),
    [(19, "frechet", 20), (19, "precision_recall", 20), (2, "parzen", 3), (1, "memorisation", 3)],
)
def test_too_few_real_samples_are_refused_before_training(
    count: int, metric: str, least: int, bundled: Dataset
) -> None:
    assert bundled.labels is not None
    few = replace(bundled, samples=bundled.samples[:count], labels=bundled.labels[:count])
    with pytest.raises(
        UserError, match=f"{metric} needs at least {least} real samples, and data=digits has {count};"
    ):
        evaluator(few, metrics=[metric]).check()


@pytest.mark.parametrize(
    ("count", "metrics"), [(20, ["frechet", "precision_recall", "classes"]), (3, ["parzen", "memorisation"])]
)
def test_just_enough_real_samples_give_scores(count: int, metrics: list[str], bundled: Dataset) -> None:
    assert bundled.labels is not None
    few = replace(bundled, samples=bundled.samples[:count], labels=bundled.labels[:count])
    judge = evaluator(few, metrics=metrics)
    judge.check()
    scores = judge.score_samples(few_epochs(bundled)[:100])
    assert set(scores.floors) == set(scores.values)
