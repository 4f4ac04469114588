from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from typing import Any

import numpy as np
import pytest
import torch

from gan_experiments.data.dataset import Dataset
from gan_experiments.errors import UserError


def images(count: int = 4) -> torch.Tensor:
    return torch.arange(count * 3 * 8 * 8).remainder(256).to(torch.uint8).view(count, 3, 8, 8)


def test_images_become_minus_one_to_one_and_every_grey_comes_back() -> None:
    grey = torch.arange(256, dtype=torch.uint8).view(-1, 1, 1, 1)
    dataset = Dataset("mine", grey)
    learnt = dataset.normalise(grey)
    assert learnt.dtype == torch.float32
    assert (learnt.min(), learnt.max()) == (-1, 1)
    assert torch.equal(dataset.denormalise(learnt), grey)
    assert torch.equal(dataset.denormalise(torch.full((1, 1, 1, 1), 1.5)), torch.full((1, 1, 1, 1), 255).byte())


def test_points_are_divided_by_the_scale() -> None:
    dataset = Dataset("mine", torch.tensor([[4.0, -2.0]]), scale=4.0)
    assert torch.equal(dataset.normalise(dataset.samples), torch.tensor([[1.0, -0.5]]))
    assert torch.equal(dataset.denormalise(torch.tensor([[1.0, -0.5]])), dataset.samples)


def test_what_it_says_of_itself() -> None:
    pictures, points = Dataset("mine", images()), Dataset("mine", torch.ones(5, 2))
    assert (len(pictures), pictures.is_image, pictures.sample_shape) == (4, True, (3, 8, 8))
    assert (len(points), points.is_image, points.sample_shape) == (5, False, (2,))


def test_the_digest_depends_on_the_samples_alone() -> None:
    one = Dataset("mine", images(), labels=torch.zeros(4, dtype=torch.int64), source="here")
    same = Dataset("other", images().permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1), source="there")
    assert one.digest == same.digest
    assert len(one.digest) == 64


@pytest.mark.parametrize(
    "other",
    [
        images().view(4, 1, 24, 8),
        images().flip(0),
        images()[:3],
        images().index_fill(0, torch.tensor(3), 0),
    ],
    ids=["shape", "order", "count", "value"],
)
def test_the_digest_tells_data_apart(other: torch.Tensor) -> None:
    assert Dataset("mine", images()).digest != Dataset("mine", other).digest


def test_the_classes_are_those_with_names_or_else_those_that_occur() -> None:
    labels = torch.tensor([0, 2, 2, 0])
    assert Dataset("mine", images()).classes is None
    assert Dataset("mine", images(), labels).classes == 3
    assert Dataset("mine", images(), labels, class_names=("a", "b", "c", "d")).classes == 4


def test_it_is_frozen() -> None:
    dataset = Dataset("mine", images())
    assert dataset.digest
    with pytest.raises(FrozenInstanceError):
        dataset.name = "other"  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"samples": images().float()},
            "samples are float32 [4, 3, 8, 8]; they must be a tensor, uint8 [N, C, H, W]",
        ),
        ({"samples": images()[0]}, "samples are uint8 [3, 8, 8]; they must be"),
        ({"samples": torch.ones(4, 2).double()}, "samples are float64 [4, 2]; they must be"),
        ({"samples": np.ones((4, 2), np.float32)}, "samples are of type ndarray; they must be a tensor"),
        ({"samples": images()[:0]}, "samples are uint8 [0, 3, 8, 8]; there must be at least one"),
        ({"samples": torch.ones(4, 0)}, "samples are float32 [4, 0]; there must be at least one"),
        ({"samples": torch.tensor([[0.0, float("nan")]])}, "a sample is NaN or infinite"),
        ({"labels": torch.zeros(3, dtype=torch.int64)}, "labels are int64 [3]; they must be int64 [4]"),
        ({"labels": torch.zeros(4)}, "labels are float32 [4]; they must be int64 [4]"),
        ({"labels": torch.tensor([0, 1, -1, 0])}, "a label is -1; labels must be classes, counted from 0"),
        (
            {"labels": torch.tensor([0, 1, 2, 0]), "class_names": ("a", "b")},
            "a label is 2; with 2 class names it must be 0 to 1",
        ),
        ({"scale": 0.0}, "scale is 0.0; it must be a finite number above 0"),
        ({"scale": float("nan")}, "scale is nan; it must be a finite number above 0"),
    ],
)
def test_what_is_no_data_set_is_refused_by_name(fields: dict[str, Any], words: str) -> None:
    good = Dataset("mine", images())
    with pytest.raises(UserError) as error:
        replace(good, **fields)
    assert str(error.value).startswith(f"data=mine: {words}")
    assert "\n" not in str(error.value)
