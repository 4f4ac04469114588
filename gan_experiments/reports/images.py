"""Pictures of runs for the report, small enough for a page of many."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from hydra.errors import InstantiationException
from PIL import Image

from gan_experiments.models.conditioning import columns_of, labels_in_turn, whole_rows
from gan_experiments.reports.record import Histogram, RunRecord
from gan_experiments.tracking.journal import read
from gan_experiments.tracking.mlflow.served_generator import ServedGenerator, load_generator
from gan_experiments.tracking.pictures import figures, images
from gan_experiments.tracking.run_directory import read_json

_IMAGES, _POINTS = 36, 500
"""Samples shown of each run."""
_SEED = 0
"""Seed of the z that all runs share."""
_COLUMNS = 120
"""Most epochs that a strip shows."""
_REAL, _FAKE = (20, 160, 145), (214, 74, 142)
_SIDE = 300
"""Most pixels of a picture's longer side."""


@dataclass(frozen=True)
class Picture:
    """A picture in a page.

    Attributes:
        address: The picture itself, as a data URI.
        remark: How it differs from its neighbours; mostly empty.
    """

    address: str
    remark: str = ""


def samples(records: Sequence[RunRecord]) -> list[Picture | None]:
    """Draw each run's samples, all from one z; None for a run that has no samples.

    z ~ N(0, I) has the largest latent size among the runs, and a run with a smaller one takes its first coordinates.
    A run without a final generator, or whose architecture cannot be imported here, shows the samples that it drew
    last, from its own z.
    """
    generators = [_generator(record) for record in records]
    widest = max((generator.latent_dim for generator in generators if generator is not None), default=0)
    z = np.random.default_rng(_SEED).standard_normal((_POINTS, widest), np.float32)
    return [_picture(record, generator, z) for record, generator in zip(records, generators, strict=True)]


def _generator(record: RunRecord) -> ServedGenerator | None:
    if not (record.outcome.finished and record.directory.generator.is_dir()):
        return None
    try:
        return load_generator(record.directory.generator)
    except (ImportError, InstantiationException):  # a user's own architecture, not importable from here
        return None


def _picture(record: RunRecord, generator: ServedGenerator | None, z: np.ndarray) -> Picture | None:
    if not record.directory.run.is_file():
        return None
    is_image = read_json(record.directory.run)["is_image"]
    if generator is not None:
        count = whole_rows(_IMAGES, generator.classes) if is_image else _POINTS
        latents = z[:count, : generator.latent_dim]
        if generator.classes is None:
            return Picture(_render(record, generator.predict(latents), is_image))
        labels = labels_in_turn(count, generator.classes).numpy()
        array = generator.predict({"latents": latents, "labels": labels})
        return Picture(_render(record, array, is_image, columns_of(_IMAGES, generator.classes)))
    saved = [line for line, _ in read(record.directory.journal) if line["kind"] == "samples"]
    if not saved:
        return None
    array = np.load(record.directory.samples / saved[-1]["file"])[: _IMAGES if is_image else _POINTS]
    return Picture(_render(record, array, is_image), f"from its own z, epoch {saved[-1]['epoch']:g}")


def _render(record: RunRecord, array: np.ndarray, is_image: bool, columns: int | None = None) -> str:
    if is_image:
        grid = images.sample_grid(array, columns)
        grid.thumbnail((_SIDE, _SIDE))
        return _uri(grid, "WEBP", quality=60, method=4)
    real = np.load(record.directory.real_points)
    epoch = record.metrics["epoch"][-1][0] if "epoch" in record.metrics else 0
    picture = images.rasterise(figures.scatter(array, real, epoch))
    picture.thumbnail((_SIDE, _SIDE))
    return _uri(picture, "WEBP", quality=70, method=4)


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
