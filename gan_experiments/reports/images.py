"""Pictures of runs for the report, small enough for a page of many."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from gan_experiments.models.conditioning import columns_of, whole_rows
from gan_experiments.reports.generators import Generators
from gan_experiments.reports.record import Histogram, RunRecord
from gan_experiments.tracking.pictures import figures, images
from gan_experiments.training.arithmetic import on_threads

_IMAGES, _POINTS = 36, 500
"""Samples shown of each run."""
_FEW_IMAGES = 16
"""Images shown of each of very many runs."""
_COLUMNS = 120
"""Most epochs that a strip shows."""
_REAL, _FAKE, _GREY = (20, 160, 145), (214, 74, 142), (200, 204, 210)
_SIDE = 300
"""Most pixels of a picture's longer side."""
_SMALL_SIDE = 160
"""The same on a page of very many runs."""


@dataclass(frozen=True)
class Picture:
    """A picture in a page.

    Attributes:
        address: The picture itself, as a data URI.
        remark: How it differs from its neighbours; mostly empty.
    """

    address: str
    remark: str = ""


def samples(records: Sequence[RunRecord], small: bool = False, epoch: float | None = None) -> list[Picture | None]:
    """Draw each run's samples, all from one z; None for a run that has no samples.

    A run without a final generator, or whose architecture cannot be imported here, shows the samples that it drew
    last while it trained; their z is another, the same in all runs.

    Args:
        records: The runs.
        small: Whether pictures are as small as those of a page of very many runs must be.
        epoch: Show what runs drew after this epoch, all from one z, and not what their last generators draw.
    """
    generators = Generators(records if epoch is None else (), _POINTS)
    with on_threads(1 if small else None):  # of a thousand small networks in turn, threads mostly wait for each other
        return [_picture(record, generators, small, epoch) for record in records]


def _picture(record: RunRecord, generators: Generators, small: bool, epoch: float | None) -> Picture | None:
    if record.is_image is None:
        return None
    most = (_FEW_IMAGES if small else _IMAGES) if record.is_image else _POINTS
    if generators.has(record):
        classes = generators.classes(record)
        count = whole_rows(most, classes) if record.is_image else most
        columns = None if classes is None else columns_of(most, classes)
        return Picture(_render(record, generators.draw(record, count), columns, small))
    if not record.drawn:
        return None
    drawn, file = next((each for each in record.drawn if each[0] == epoch), record.drawn[-1])
    array = np.load(record.directory.samples / file)[:most]
    remark = f"drawn while it trained, epoch {drawn:g}" if epoch is None else f"epoch {drawn:g}"
    return Picture(_render(record, array, None, small), "" if drawn == epoch else remark)


def _render(record: RunRecord, array: np.ndarray, columns: int | None, small: bool) -> str:
    side = _SMALL_SIDE if small else _SIDE
    if record.is_image:
        grid = images.sample_grid(array, columns)
        grid.thumbnail((side, side))
        return _uri(grid, "WEBP", quality=60, method=1 if small else 4)
    real = np.load(record.directory.real_points)
    if small:
        return _uri(_dots(array, real), "PNG")
    epoch = record.metrics["epoch"][-1][0] if "epoch" in record.metrics else 0
    picture = figures.scatter(array, real, epoch)
    picture.thumbnail((side, side))
    return _uri(picture, "WEBP", quality=70, method=4)


def _dots(samples: np.ndarray, real: np.ndarray) -> Image.Image:
    """Return generated points over real ones, in the square of the real ones, as a picture of three colours."""
    samples, real = (np.pad(points, ((0, 0), (0, 1)))[:, :2] for points in (samples, real))
    low, high = real.min(0), real.max(0)
    half = 0.75 * (high - low).max() or 1.0
    pixels = np.zeros((_SMALL_SIDE, _SMALL_SIDE), np.uint8)
    for colour, points, size in ((1, real, 2), (2, samples, 3)):
        places = (points - (low + high) / 2) / (2 * half) + 0.5  # [n, 2], 0 to 1
        inside = places[((places >= 0) & (places < 1)).all(1)]
        column, row = (inside * (_SMALL_SIDE - size)).astype(int).T
        for i in range(size):
            for j in range(size):
                pixels[_SMALL_SIDE - 1 - row - i, column + j] = colour
    picture = Image.fromarray(pixels, "P")
    picture.putpalette([255, 255, 255, *_GREY, *_FAKE])
    return picture


def strips(histograms: Sequence[Histogram]) -> tuple[str, str] | None:
    """Draw the distributions of D(x) and D(G(z)) over time: epochs to the right, probability upwards.

    Opacity is the square root of a bin's share, because a sure D puts nearly everything into one bin, and an unsure
    one a fiftieth into each.
    """
    if not histograms:
        return None
    chosen = sorted({round(i) for i in np.linspace(0, len(histograms) - 1, min(_COLUMNS, len(histograms)))})
    real, fake = (
        _strip(np.array([getattr(histograms[i], side) for i in chosen], dtype=np.float64), color)
        for side, color in (("real", _REAL), ("fake", _FAKE))
    )
    return real, fake


def _strip(counts: np.ndarray, color: tuple[int, int, int]) -> str:
    shares = np.sqrt(counts / np.maximum(counts.sum(1, keepdims=True), 1))
    pixels = np.zeros((*shares.T.shape, 4), np.uint8)
    pixels[..., :3] = color
    pixels[..., 3] = np.round(255 * np.clip(shares.T[::-1] * 1.25, 0, 1))
    return _uri(Image.fromarray(pixels), "PNG", optimize=True)


def _uri(image: Image.Image, kind: str, **options: int | bool) -> str:
    content = io.BytesIO()
    image.save(content, kind, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(content.getvalue()).decode()}"
