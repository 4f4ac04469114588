"""Colour emoji by their kind: a small labelled colour set that travels with the package.

The pictures are those of Noto Color Emoji 2.042 (Google; the pictures under the Apache License 2.0, the font under
the SIL Open Font License 1.1, see ``emoji_license.txt``). ``emoji.txt`` lists them by Unicode's own groups, without
skin tones and without those that look the same; ``build_emoji.py`` draws ``emoji.png`` from the font.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gan_experiments.configuration.fields import any_of, at_least, setting
from gan_experiments.data.dataset import Dataset, ImageDataConfig
from gan_experiments.data.memory import check_fits
from gan_experiments.data.resize import resize
from gan_experiments.errors import UserError

SIZE = 32
"""Height and width of a picture in pixels."""
COLUMNS = 60
"""Pictures in a row of the sheet."""
SHEET = Path(str(files("gan_experiments.data"))) / "emoji.png"
"""All pictures in the order of the table, row by row."""
TABLE = SHEET.with_suffix(".txt")
"""A line a class: its name, then its emoji."""
DIGEST = "237ecec847a36010ec8095ae37e716a790b4da9ea595172b7b3d61be1dd58c63"
"""SHA-256 of all pixels, which the sheet must have."""
_HELD_OUT = 10


@dataclass
class EmojiDataConfig(ImageDataConfig):
    """Colour emoji."""

    _target_: str = setting("gan_experiments.data.emoji.load", "function that loads the data")
    image_size: int = setting(32, "height and width in pixels; 32 is what is stored", at_least(1))
    kinds: list[str] = setting(
        [],
        "kinds that are learnt, each a class; empty for all nine",
        any_of("faces", "people", "nature", "food", "places", "activities", "objects", "symbols", "flags"),
    )

    @staticmethod
    def sample_shape(keys: Mapping[str, Any]) -> tuple[int, ...]:
        """Return the shape of one picture."""
        return 3, keys["image_size"], keys["image_size"]


def load(name: str, root: str, image_size: int, download: bool, kinds: Sequence[str] = ()) -> Dataset:
    """Load the emoji, on white, with their kinds as labels; every tenth is kept for the test set.

    Args:
        name: The data set's name.
        root: Without effect: the pictures lie in the package.
        image_size: Height and width in pixels.
        download: Without effect: there is nothing to fetch.
        kinds: Names of the kinds that are learnt, in any order; all where there are none.

    Returns:
        Images uint8 ``[N, 3, image_size, image_size]`` with labels from 0, whose names are ``class_names``.

    Raises:
        UserError: The package's own file is damaged.
    """
    classes = table()
    labels = torch.tensor([label for label, emoji in enumerate(classes.values()) for _ in emoji])
    check_fits(name, len(labels), (3, image_size, image_size))
    pictures = resize(_pictures(len(labels)), image_size)
    is_test = torch.arange(len(labels)) % _HELD_OUT == _HELD_OUT - 1
    names = tuple(kind for kind in classes if not kinds or kind in kinds)
    new_labels = torch.tensor([names.index(kind) if kind in names else -1 for kind in classes])[labels]

    def part(chosen: Tensor) -> Dataset:
        rows = chosen & (new_labels >= 0)
        return Dataset(name, pictures[rows], new_labels[rows], "Noto Color Emoji 2.042", class_names=names)

    test = part(is_test)
    return replace(part(~is_test), test=lambda: test)


def table() -> dict[str, list[str]]:
    """Return the emoji of each class, in the order of the labels and of the sheet."""
    lines = (line.split() for line in TABLE.read_text(encoding="utf-8").splitlines())
    return {name: emoji for name, *emoji in lines}


def digest(pictures: Tensor) -> str:
    """Return the SHA-256 of pictures uint8 ``[N, 3, SIZE, SIZE]``."""
    return hashlib.sha256(pictures.contiguous().numpy().data).hexdigest()


def _pictures(count: int) -> Tensor:
    """Cut the sheet into its pictures: uint8 ``[count, 3, SIZE, SIZE]``."""
    try:
        with Image.open(SHEET) as image:
            sheet = torch.from_numpy(np.array(image.convert("RGB")))
    except OSError as error:
        raise UserError(f"data=emoji: {SHEET} cannot be read ({error}); reinstall the package") from error
    tiles = sheet.view(-1, SIZE, COLUMNS, SIZE, 3).permute(0, 2, 4, 1, 3).reshape(-1, 3, SIZE, SIZE)
    pictures = tiles[:count].contiguous()
    if digest(pictures) != DIGEST:
        raise UserError(f"data=emoji: {SHEET} is damaged or another file; reinstall the package")
    return pictures
