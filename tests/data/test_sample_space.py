from __future__ import annotations

import json

import pytest
import torch

from gan_experiments.data.dataset import Dataset
from gan_experiments.data.sample_space import SampleSpace

PICTURES = Dataset("pictures", torch.arange(24, dtype=torch.uint8).view(2, 3, 2, 2))
POINTS = Dataset("points", torch.tensor([[4.0, -2.0]]), scale=4.0)


@pytest.mark.parametrize("dataset", [PICTURES, POINTS])
def test_it_comes_back_from_its_description(dataset: Dataset) -> None:
    stored = json.loads(json.dumps(dataset.sample_space.description() | {"model": {}}))
    assert SampleSpace.from_description(stored) == dataset.sample_space


def test_the_description_has_the_keys_of_stored_checkpoints() -> None:
    old = {"sample_shape": [3, 2, 2], "is_image": True, "scale": 1.0}
    assert PICTURES.sample_space.description() == old | {"classes": None, "class_names": []}
    assert SampleSpace.from_description(old) == PICTURES.sample_space
    labelled = Dataset("points", POINTS.samples, torch.tensor([1]), class_names=("a", "b")).sample_space
    assert labelled.description() == {
        "sample_shape": [2],
        "is_image": False,
        "scale": 1.0,
        "classes": 2,
        "class_names": ["a", "b"],
    }


@pytest.mark.parametrize("dataset", [PICTURES, POINTS])
def test_both_ways_meet(dataset: Dataset) -> None:
    space = dataset.sample_space
    assert torch.equal(space.denormalise(space.normalise(dataset.samples)), dataset.samples)
