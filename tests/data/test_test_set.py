"""The test set of a data set in MNIST's format: there when it is asked for, and not before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gan_experiments.data import idx as loader
from gan_experiments.data.idx import TEST_IMAGES, TEST_LABELS
from gan_experiments.errors import UserError
from tests.support.idx_files import CLASSES, COUNT, EXTRACTED_RELEASE, FILES, PIXELS, idx, write


@pytest.fixture(autouse=True)
def _release(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(loader.RELEASES, "mnist", replace(EXTRACTED_RELEASE, test_shape=(COUNT // 2, 28, 28)))


def test_it_is_read_from_the_files_beside(tmp_path: Path) -> None:
    test = {TEST_IMAGES: idx(PIXELS[: COUNT // 2]), TEST_LABELS: idx(CLASSES[: COUNT // 2])}
    write(tmp_path / "MNIST/raw", FILES | test)
    train = loader.load("mnist", str(tmp_path), 28, download=False)
    assert train.test is not None
    found = train.test()
    assert torch.equal(found.samples, train.samples[: COUNT // 2])
    assert found.labels is not None
    assert found.labels.tolist() == CLASSES[: COUNT // 2].tolist()


def test_training_needs_none(tmp_path: Path) -> None:
    write(tmp_path / "MNIST/raw", FILES)
    train = loader.load("mnist", str(tmp_path), 28, download=False)
    assert len(train) == COUNT
    assert train.test is not None
    with pytest.raises(UserError, match="no t10k-images-idx3-ubyte and no t10k-labels-idx1-ubyte"):
        train.test()
