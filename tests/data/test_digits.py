from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from gan_experiments.data import digits
from gan_experiments.errors import UserError


def test_they_are_the_digits_that_scikit_learn_gives() -> None:
    from sklearn.datasets import load_digits

    expected: Any = load_digits()
    dataset = digits.load("digits", root="unused", image_size=8, download=False)
    levels = torch.from_numpy(expected.images).mul(255 / 16).round().to(torch.uint8)
    assert torch.equal(dataset.samples, levels.unsqueeze(1))
    assert dataset.labels is not None
    assert dataset.labels.tolist() == expected.target.tolist()


def test_they_are_scaled_to_the_size_asked_for() -> None:
    dataset = digits.load("digits", root="unused", image_size=28, download=False)
    assert dataset.samples.shape == (1797, 1, 28, 28)
    assert dataset.samples.dtype == torch.uint8
    small = digits.load("digits", root="unused", image_size=8, download=False)
    # White on black, from black to white, and as much ink as before.
    assert (dataset.samples.min(), dataset.samples.max()) == (0, 255)
    assert dataset.samples.float().mean().item() == pytest.approx(small.samples.float().mean().item(), rel=0.02)
    assert dataset.samples[:, :, :, 0].float().mean() < 5


@pytest.fixture
def without_scikit_learn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A first place for imports, in which the test may put a package of that name."""
    modules = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == "sklearn"}
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    yield tmp_path
    sys.modules.update(modules)


def test_without_scikit_learn_they_are_refused(without_scikit_learn: Path) -> None:
    with pytest.raises(UserError, match=r"^data=digits: needs scikit-learn"):
        digits.load("digits", "unused", 28, False)


def test_a_scikit_learn_without_its_data_is_refused(without_scikit_learn: Path) -> None:
    package = without_scikit_learn / "sklearn"
    package.mkdir()
    (package / "__init__.py").touch()
    with pytest.raises(UserError, match=r"^data=digits: scikit-learn lacks its digits \(.*digits\.csv\.gz\)"):
        digits.load("digits", "unused", 28, False)
