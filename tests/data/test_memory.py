"""A data set that does not fit into memory is refused before it is read."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
from PIL import Image

from gan_experiments.data import arrays, digits, emoji, idx, image_folder, stacked
from gan_experiments.data.memory import check_fits
from gan_experiments.errors import UserError


@pytest.fixture
def small_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """One with a thousand bytes left."""
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=1000))


@pytest.mark.usefixtures("small_machine")
def test_its_size_and_what_fits_are_said() -> None:
    check_fits("mine", 10, (1, 10, 10))
    with pytest.raises(UserError) as error:
        check_fits("mine", 20_000_000, (3, 10, 10))
    assert str(error.value) == (
        "data=mine: does not fit into memory: 20000000 samples of 3 x 10 x 10 take 6 GB, and 1e-06 GB are free, "
        "enough for 3; take fewer, or smaller ones (data.image_size)"
    )


@pytest.mark.usefixtures("small_machine")
@pytest.mark.parametrize("kind", ["digits", "emoji", "mnist", "stacked_mnist", "image_folder", "arrays", "npz"])
def test_every_kind_of_data_is_asked(kind: str, tmp_path: Path) -> None:
    Image.new("L", (4, 4)).save(tmp_path / "1.png")
    np.save(tmp_path / "large.npy", np.zeros((300, 2, 2), np.uint8))
    np.savez(tmp_path / "large.npz", images=np.zeros((300, 2, 2), np.uint8))
    root = str(tmp_path)
    loaders = {
        "digits": lambda: digits.load(kind, root, 28, False),
        "emoji": lambda: emoji.load(kind, root, 32, False),
        "mnist": lambda: idx.load(kind, "/usr/share/absent", 28, True),
        "stacked_mnist": lambda: stacked.load(kind, "/usr/share/absent", 28, True, 10, 0),
        "image_folder": lambda: image_folder.load(kind, root, 64, 3, False),
        "arrays": lambda: arrays.load(kind, f"{root}/large.npy", None, None, False),
        "npz": lambda: arrays.load(kind, f"{root}/large.npz", None, None, False),
    }
    with pytest.raises(UserError, match=f"^data={kind}: does not fit into memory: "):
        loaders[kind]()
