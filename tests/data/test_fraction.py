"""A share of the samples: in proportion, the same at every seed, and the rest known to be unseen."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig, OmegaConf

from gan_experiments.data.dataset import Dataset
from gan_experiments.data.fraction import take
from gan_experiments.data.load import load_data
from gan_experiments.errors import UserError
from tests.support.configurations import compose


def numbered(count: int, labels: torch.Tensor | None = None, **others: torch.Tensor) -> Dataset:
    """Points that say which they are."""
    return Dataset("mine", torch.arange(count).float().view(-1, 1), labels, **others)


def ids(samples: torch.Tensor | None) -> list[int]:
    assert samples is not None
    return samples.flatten().int().tolist()


@pytest.mark.parametrize("labels", [None, torch.arange(1000) % 4], ids=["without labels", "with labels"])
def test_a_smaller_share_is_part_of_a_larger_one_and_the_rest_is_held_out(labels: torch.Tensor | None) -> None:
    whole = numbered(1000, labels)
    small, large = take(whole, 0.01), take(whole, 0.1)
    assert (len(small), len(large)) == (10, 100)
    assert set(ids(small.samples)) < set(ids(large.samples))
    for part in (small, large):
        assert ids(part.samples) == sorted(ids(part.samples))
        assert sorted(ids(part.samples) + ids(part.validation)) == list(range(1000))
    assert ids(take(whole, 0.1).samples) == ids(large.samples)


def test_every_class_is_there_in_proportion() -> None:
    labels = torch.tensor([0] * 600 + [1] * 300 + [2] * 100)
    part = take(numbered(1000, labels), 0.1)
    assert part.labels is not None
    assert part.labels.bincount().tolist() == [60, 30, 10]
    assert part.labels.tolist() == labels[ids(part.samples)].tolist()
    held_out = labels[ids(part.validation)]
    assert part.validation_labels is not None
    assert part.validation_labels.tolist() == held_out.tolist()
    assert held_out[:100].bincount().tolist() == [60, 30, 10]  # any beginning is a fair choice too


def test_what_was_held_out_before_stays_so() -> None:
    part = take(numbered(10, validation=torch.tensor([[77.0]])), 0.5)
    assert len(ids(part.validation)) == 6
    assert ids(part.validation)[-1] == 77


def test_the_whole_is_the_data_set_itself() -> None:
    whole = numbered(10)
    assert take(whole, 1.0) is whole


@pytest.mark.parametrize("fraction", [0, -0.5, 1.01, float("nan"), "half"])
def test_a_share_out_of_range_is_refused(fraction: float) -> None:
    with pytest.raises(UserError, match=r"^data\.fraction=\S+: must be a number, above 0 and at most 1$"):
        take(numbered(10), fraction)


def test_a_share_of_no_sample_is_refused() -> None:
    with pytest.raises(
        UserError, match=r"data\.fraction=0\.01: must leave at least one sample, and data=mine has 10"
    ):
        take(numbered(10), 0.01)


def test_the_key_reaches_the_data() -> None:
    part = load_data(compose(["data=digits", "data.fraction=0.1"]).data)
    assert len(part) == 180
    assert part.validation is not None
    assert len(part.validation) == 1797 - 180
    assert part.classes == 10


@pytest.mark.parametrize(
    ("arguments", "count"), [("", 5), ("fraction=1.0", 10)], ids=["that does not know it", "with its own"]
)
def test_a_loader_of_ones_own(arguments: str, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = f"fractional_data_{count}"
    (tmp_path / f"{module}.py").write_text(
        "import torch\n"
        "from gan_experiments.data.dataset import Dataset\n"
        f"def load({arguments}):\n"
        "    return Dataset('mine', torch.zeros(10, 2))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    node = OmegaConf.create({"_target_": f"{module}.load", "fraction": 0.5})
    assert isinstance(node, DictConfig)
    assert len(load_data(node)) == count
