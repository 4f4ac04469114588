"""The strip at the head of a run's page: samples, losses, D's probabilities and the score, at a glance.

MLflow's pages show a hundred pixels of a run's description; the rest appears on a click.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from gan_experiments.tracking.pictures import figures, images
from gan_experiments.tracking.pictures.plot import Plot, blank, ticks, width_of, write

_WIDTH, _HEIGHT = 780, 96
_PLOTS = 380
"""Pixels of the width that plots take."""
_SMALL, _LARGE = 10.5, 13
"""Pixels of the fonts."""
_SUBTITLE, _TOP, _BOTTOM = 27, 36, 80
"""Where the plots' titles and edges are."""


def samples_in_rows(samples: np.ndarray) -> Image.Image:
    """Return as many images, uint8 ``[n, C, H, W]``, as fit beside the plots, in two rows; one row of large ones."""
    height, width = samples.shape[-2:]
    rows = 2 if height <= _HEIGHT else 1
    cell = _HEIGHT // rows - 2
    columns = max(1, (_WIDTH - _PLOTS) // (max(1, cell * width // height) + 2))
    columns = min(columns, -(-len(samples) // rows))
    return _fitted(images.sample_grid(samples[: rows * columns], columns))


def glance(
    picture: Image.Image | None, losses: np.ndarray, real: np.ndarray, fake: np.ndarray, *, epoch: float, score: str
) -> Image.Image:
    """Return the strip.

    Args:
        picture: The last samples; None where there are none.
        losses: Of D and of G at every step, ``[S, 2]``.
        real: Counts of D(x) over the last epoch, ``[bins]``.
        fake: Counts of D(G(z)), of the same shape.
        epoch: The last epoch.
        score: The last score in a few words, or an empty string.
    """
    left = _fitted(picture) if picture is not None else blank(1, _HEIGHT)
    strip = blank(_WIDTH, _HEIGHT)
    strip.paste(left, (0, 0))
    title = f"epoch {epoch:g}" + (f": {score}" if score else "")
    write(strip, left.width + 8, 10, title, _LARGE, align="left")
    middle = (left.width + _WIDTH) // 2
    _draw_losses(strip, left.width, middle, losses)
    _draw_probabilities(strip, middle, real, fake)
    return strip


def _draw_losses(strip: Image.Image, left: int, right: int, losses: np.ndarray) -> None:
    finite = losses[np.isfinite(losses)]
    low, high = np.percentile(finite, (0, 99)) if len(finite) else (0.0, 1.0)
    y = (min(0.0, float(low)), float(high) * 1.05 + 1e-6)
    upright = ticks(*y, 2)
    box = (left + 10 + max(width_of(text, _SMALL) for _, text in upright), _TOP, right - 14, _BOTTOM)
    plot = Plot(strip, box, (0, max(len(losses), 1)), y)
    plot.axes(ticks(0, max(len(losses), 1), 6), upright, _SMALL, tick=2)
    for column, color in ((0, figures.DISCRIMINATOR), (1, figures.GENERATOR)):
        steps, means, *_ = figures.loss_over_steps(losses[:, column])
        plot.curve(steps, means, color, 1.4)
    write(strip, (box[0] + box[2]) / 2, _SUBTITLE, "losses of D (blue) and G (orange)", _SMALL)


def _draw_probabilities(strip: Image.Image, left: int, real: np.ndarray, fake: np.ndarray) -> None:
    shares = [np.sqrt(counts / max(counts.sum(), 1)) for counts in (real, fake)]
    box = (left + 16, _TOP, _WIDTH - 12, _BOTTOM)
    plot = Plot(strip, box, (0, 1), (0, 1.05 * max(float(share.max()) for share in shares) + 1e-6))
    plot.axes(ticks(0, 1, 5), [], _SMALL, tick=2)
    for share, color in zip(shares, (figures.REAL, figures.FAKE), strict=True):
        plot.bars(np.linspace(0, 1, len(share) + 1), share, color, 0.45)
    means = f"D(x) {figures.mean(real):.2f} (green), D(G(z)) {figures.mean(fake):.2f} (red)"
    write(strip, (box[0] + box[2]) / 2, _SUBTITLE, means, _SMALL)


def _fitted(picture: Image.Image) -> Image.Image:
    """Return a picture at the strip's height."""
    width = max(1, round(picture.width * _HEIGHT / picture.height))
    return picture.convert("RGB").resize((min(width, _WIDTH - _PLOTS), _HEIGHT), Image.Resampling.LANCZOS)
