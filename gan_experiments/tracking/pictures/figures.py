"""The figures: each a function of arrays, rendered without any global state of matplotlib's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DISCRIMINATOR, GENERATOR = "#2b6cb0", "#dd6b20"
REAL, FAKE = "#2c7a7b", "#b7417a"
_HIGH, _LOW = "#2f9e44", "#e03131"
INK, FAINT = "#2d3748", "#a0aec0"
_POINTS = 600
"""Points along a curve; a step of a long run is narrower than a pixel."""


def empty_figure(width: float, height: float) -> Figure:
    """Return an empty figure of so many hundred pixels."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=100, layout="constrained")


def tidy(axes: Axes) -> None:
    """Draw axes with two faint lines."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)
    axes.tick_params(colors=INK, labelsize=10, color=FAINT)


def loss_curves(losses: np.ndarray) -> Figure:
    """Plot both losses over the steps: a moving mean, and faintly the range of single steps.

    Args:
        losses: Of D and of G at every step, ``[S, 2]``.
    """
    figure = empty_figure(8, 4.2)
    axes = figure.add_subplot()
    for column, color, name in ((0, DISCRIMINATOR, "discriminator"), (1, GENERATOR, "generator")):
        steps, means, low, high = loss_over_steps(losses[:, column])
        axes.fill_between(steps, low, high, color=color, alpha=0.18, linewidth=0)
        axes.plot(steps, means, color=color, linewidth=1.8, label=f"{name}")
    finite = losses[np.isfinite(losses)]
    # A burst at the start would press the rest of the curve flat.
    axes.set_ylim(min(0.0, float(finite.min(initial=0.0))), float(np.percentile(finite, 99.5)) * 1.15 + 1e-6)
    axes.set_xlim(0, len(losses))
    axes.set_xlabel("step", color=INK)
    axes.set_ylabel("loss", color=INK)
    axes.set_title("Losses of discriminator and generator", color=INK, fontsize=13)
    axes.grid(axis="y", color=FAINT, alpha=0.3)
    axes.legend(frameon=False, fontsize=11)
    tidy(axes)
    return figure


def loss_over_steps(loss: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return a curve of at most some hundred points: their steps, a moving mean, and the lowest and highest loss."""
    edges = np.unique(np.linspace(0, len(loss), min(_POINTS, len(loss)) + 1).astype(int))
    starts, loss = edges[:-1], loss.astype(np.float64)
    low, high = np.minimum.reduceat(loss, starts), np.maximum.reduceat(loss, starts)
    means = np.add.reduceat(loss, starts) / np.diff(edges)
    return (starts + edges[1:] + 1) / 2, _moving_mean(means, max(1, len(starts) // 60)), low, high


def _moving_mean(values: np.ndarray, width: int) -> np.ndarray:
    """Return the centred mean over ``width`` values, over fewer at the ends."""
    kernel = np.ones(width)
    return np.convolve(values, kernel, "same") / np.convolve(np.ones_like(values), kernel, "same")


def probability_bars(real: np.ndarray, fake: np.ndarray, epoch: float) -> Figure:
    """Plot D's probability for each sample of a real and of a generated batch: green from 0.5 on, red below.

    Args:
        real: D(x) of each real sample, ``[B]``.
        fake: D(G(z)) of each generated sample, ``[B]``.
        epoch: When it was taken.
    """
    figure = empty_figure(8, 3.6)
    figure.suptitle(f"Probability of being real, epoch {epoch:g}", color=INK, fontsize=13)
    panels = figure.subplots(1, 2, sharey=True)
    for axes, values, name in zip(panels, (real, fake), ("real", "generated"), strict=True):
        colors = [_HIGH if value >= 0.5 else _LOW for value in values]
        axes.bar(np.arange(len(values)), values, width=0.9, color=colors)
        axes.axhline(0.5, color=INK, linewidth=1, linestyle=(0, (4, 3)))
        axes.set_ylim(0, 1)
        axes.set_xlim(-0.7, len(values) - 0.3)
        axes.set_title(f"{name}: mean {np.mean(values):.3f}", color=INK, fontsize=12)
        axes.set_xlabel("sample of the batch", color=INK)
        tidy(axes)
    panels[0].set_ylabel("D's probability", color=INK)
    return figure


class HistogramFigure:
    """Histograms of D(x) and D(G(z)) over an epoch; bins and axes are the same in every such picture.

    A run has many of these pictures, so what they share is drawn once.
    """

    def __init__(self) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(5.6, 3.6), dpi=100)
        figure.subplots_adjust(left=0.14, right=0.97, bottom=0.14, top=0.91)
        axes = figure.add_subplot()
        axes.axvline(0.5, ymax=0.82, color=INK, linewidth=1, linestyle=(0, (4, 3)))
        # A sure D puts nearly all in one bin, an unsure one a fiftieth in each: roots keep both legible.
        axes.set_yscale("function", functions=(np.sqrt, np.square))
        axes.set_ylim(0, 1)
        axes.set_yticks([0, 0.01, 0.05, 0.1, 0.25, 0.5, 1], ["0", "1%", "5%", "10%", "25%", "50%", "100%"])
        axes.set_xlim(0, 1)
        axes.set_xlabel("D's probability", color=INK)
        axes.set_ylabel("share of samples (root scale)", color=INK)
        tidy(axes)
        self._axes, self._canvas = axes, FigureCanvasAgg(figure)
        self._canvas.draw()
        self._background = self._canvas.copy_from_bbox(figure.bbox)
        self._title = axes.set_title("", color=INK, fontsize=13)

    def render(self, real: np.ndarray, fake: np.ndarray, epoch: float) -> np.ndarray:
        """Return the picture of an epoch, RGBA ``[H, W, 4]``.

        Args:
            real: Counts of D(x) in equal bins of [0, 1], ``[bins]``.
            fake: Counts of D(G(z)), of the same shape.
            epoch: The epoch.
        """
        axes, edges = self._axes, np.linspace(0, 1, len(real) + 1)
        self._title.set_text(f"epoch {epoch:g}")
        artists: list[Artist] = [self._title]
        sides = ((real, REAL, "real: mean D(x)", 0.98), (fake, FAKE, "generated: mean D(G(z))", 0.9))
        for counts, color, name, height in sides:
            share = counts / max(counts.sum(), 1)
            artists.append(axes.stairs(share, edges, fill=True, color=color, alpha=0.35))
            artists.append(axes.stairs(share, edges, color=color, linewidth=1.6))
            style = {"transform": axes.transAxes, "ha": "center", "va": "top", "fontsize": 11, "color": color}
            artists.append(axes.text(0.5, height, f"{name} = {mean(counts):.2f}", **style))
        self._canvas.restore_region(self._background)
        for artist in artists:
            axes.draw_artist(artist)
        picture = np.array(self._canvas.buffer_rgba())
        for artist in artists[1:]:
            artist.remove()
        return picture


def mean(counts: np.ndarray) -> float:
    """Return the mean of values in [0, 1] that were counted in equal bins."""
    centres = (np.arange(len(counts)) + 0.5) / len(counts)
    return float((counts * centres).sum() / max(counts.sum(), 1))


def histograms_over_time(real: np.ndarray, fake: np.ndarray, epochs: Sequence[float]) -> Figure:
    """Plot the distributions of D(x) and of D(G(z)) over the whole run, with their means.

    Args:
        real: Counts of D(x), a row an epoch, ``[T, bins]``.
        fake: Counts of D(G(z)), of the same shape.
        epochs: The rows' epochs.
    """
    figure = empty_figure(8, 3.8)
    panels = figure.subplots(1, 2, sharey=True)
    roots = [np.sqrt(counts / np.maximum(counts.sum(1, keepdims=True), 1)) for counts in (real, fake)]
    largest = max(float(np.max(root)) for root in roots)
    extent = (epochs[0] - 0.5, epochs[-1] + 0.5, 0, 1)
    images = []
    for axes, counts, root, name in zip(
        panels, (real, fake), roots, ("D(x), real", "D(G(z)), generated"), strict=True
    ):
        style = {"origin": "lower", "aspect": "auto", "interpolation": "nearest"}
        images.append(axes.imshow(root.T, extent=extent, vmin=0, vmax=largest, **style))
        axes.plot(epochs, [mean(row) for row in counts], color="white", linewidth=1.6)
        axes.axhline(0.5, color="white", linewidth=0.8, linestyle=(0, (4, 3)))
        axes.set_title(name, color=INK, fontsize=12)
        axes.set_xlabel("epoch", color=INK)
        tidy(axes)
    panels[0].set_ylabel("D's probability", color=INK)
    shades = [shade for shade in (0, 0.01, 0.05, 0.1, 0.25, 0.5, 1) if shade <= largest**2]
    bar = figure.colorbar(images[0], ax=panels, ticks=np.sqrt(shades), label="share of the epoch's samples")
    bar.ax.set_yticklabels([f"{shade:.0%}" for shade in shades])
    figure.suptitle("D's probabilities over the epochs", color=INK, fontsize=13)
    return figure


def scatter(samples: np.ndarray, real: np.ndarray, epoch: float) -> Figure:
    """Plot generated points over real ones; the axes are chosen for the real ones and stay.

    Args:
        samples: Generated points, ``[n, D]``; their first two coordinates are shown.
        real: Real points, ``[m, D]``.
        epoch: When they were drawn.
    """
    samples, real = (np.pad(points, ((0, 0), (0, 1)))[:, :2] for points in (samples, real))
    figure = empty_figure(4.8, 4.8)
    axes = figure.add_subplot()
    axes.scatter(*real.T, s=6, color=FAINT, alpha=0.5, linewidths=0, label="real")
    axes.scatter(*samples.T, s=16, color=FAKE, alpha=0.8, linewidths=0, label="generated")
    low, high = real.min(0), real.max(0)
    margin = 0.25 * (high - low).max()
    axes.set_xlim(low[0] - margin, high[0] + margin)
    axes.set_ylim(low[1] - margin, high[1] + margin)
    axes.set_aspect("equal")
    axes.set_title(f"epoch {epoch:g}", color=INK, fontsize=13)
    axes.legend(frameon=False, fontsize=10, loc="upper right", markerscale=1.5)
    tidy(axes)
    return figure
