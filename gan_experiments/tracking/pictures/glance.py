"""The strip at the head of a run's page: samples, losses, D's probabilities and the score, at a glance.

MLflow's pages show a hundred pixels of a run's description; the rest appears on a click.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from gan_experiments.tracking.pictures import figures, images

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH, _HEIGHT = 780, 96
_PLOTS = 380
"""Pixels of the width that plots take."""
_SMALL = 7.5


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
    left = _fitted(picture).convert("RGB") if picture is not None else Image.new("RGB", (1, _HEIGHT), "white")
    strip = Image.new("RGB", (_WIDTH, _HEIGHT), "white")
    strip.paste(left, (0, 0))
    figure = figures.empty_figure((_WIDTH - left.width) / 100, _HEIGHT / 100)
    title = f"epoch {epoch:g}" + (f": {score}" if score else "")
    figure.suptitle(title, x=0.02, ha="left", fontsize=_SMALL + 1.5, color=figures.INK)
    first, second = figure.subplots(1, 2)
    _draw_losses(first, losses)
    _draw_probabilities(second, real, fake)
    for axes in (first, second):
        figures.tidy(axes)
        axes.tick_params(labelsize=_SMALL - 1, length=2, pad=1)
    strip.paste(images.rasterise(figure), (left.width, 0))
    return strip


def _draw_losses(axes: Axes, losses: np.ndarray) -> None:
    for column, color in ((0, figures.DISCRIMINATOR), (1, figures.GENERATOR)):
        steps, means, *_ = figures.loss_over_steps(losses[:, column])
        axes.plot(steps, means, color=color, linewidth=1)
    finite = losses[np.isfinite(losses)]
    low, high = np.percentile(finite, (0, 99)) if len(finite) else (0.0, 1.0)
    axes.set_ylim(min(0.0, float(low)), float(high) * 1.05 + 1e-6)
    axes.set_xlim(0, max(len(losses), 1))
    axes.set_title("losses of D (blue) and G (orange)", fontsize=_SMALL, color=figures.INK, pad=2)


def _draw_probabilities(axes: Axes, real: np.ndarray, fake: np.ndarray) -> None:
    edges = np.linspace(0, 1, len(real) + 1)
    for counts, color in ((real, figures.REAL), (fake, figures.FAKE)):
        axes.stairs(np.sqrt(counts / max(counts.sum(), 1)), edges, fill=True, color=color, alpha=0.45)
    axes.set_xlim(0, 1)
    axes.set_yticks([])
    means = f"D(x) {figures.mean(real):.2f} (green), D(G(z)) {figures.mean(fake):.2f} (red)"
    axes.set_title(means, fontsize=_SMALL, color=figures.INK, pad=2)


def _fitted(picture: Image.Image) -> Image.Image:
    """Return a picture at the strip's height."""
    width = max(1, round(picture.width * _HEIGHT / picture.height))
    return picture.resize((min(width, _WIDTH - _PLOTS), _HEIGHT), Image.Resampling.LANCZOS)
