"""The handwritten digits that travel with scikit-learn: real data that needs no network."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from gan_experiments.data.dataset import Dataset
from gan_experiments.data.memory import check_fits
from gan_experiments.data.resize import resize
from gan_experiments.errors import UserError


def load(name: str, root: str, image_size: int, download: bool) -> Dataset:
    """Load the 1,797 digits, their strokes in 17 levels of grey, scaled from 8 x 8 by ``resize`` (bicubic).

    They are the test set of E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits" (UCI Machine
    Learning Repository, 1998), the same as ``sklearn.datasets.load_digits`` gives.

    Args:
        name: The data set's name.
        root: Without effect: the digits lie in scikit-learn.
        image_size: Height and width in pixels.
        download: Without effect: there is nothing to fetch.

    Returns:
        Images uint8 ``[1797, 1, image_size, image_size]``, white on black, with labels 0..9.

    Raises:
        UserError: scikit-learn is not installed, or without its data.
    """
    check_fits(name, 1797, (1, image_size, image_size))
    # The file itself, because importing scikit-learn for it takes a second, and start-up should be short.
    package = find_spec("sklearn")
    if package is None or package.origin is None:
        raise UserError(f"data={name}: needs scikit-learn, which carries the digits; pip install scikit-learn")
    path = Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz"
    if not path.is_file():
        raise UserError(f"data={name}: scikit-learn lacks its digits ({path}); reinstall scikit-learn")
    table = torch.from_numpy(np.loadtxt(path, delimiter=",", dtype=np.uint8))
    grey = table[:, :64].float().mul(255 / 16).round().to(torch.uint8).view(-1, 1, 8, 8)
    return Dataset(
        name,
        resize(grey, image_size),
        labels=table[:, 64].long(),
        source="sklearn.datasets.load_digits",
        class_names=tuple("0123456789"),
    )
