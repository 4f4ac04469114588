"""The figures: each a function of arrays that returns a picture."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from PIL import Image

from gan_experiments.tracking.pictures.plot import Plot, blank, ticks, width_of, write

DISCRIMINATOR, GENERATOR = "#2b6cb0", "#dd6b20"
REAL, FAKE = "#2c7a7b", "#b7417a"
POINTS = "#a0aec0"
HIGH, LOW = "#2f9e44", "#e03131"
_POINTS = 600
"""Points along a curve; a step of a long run is narrower than a pixel."""
_TITLE, _PANEL, _LEGEND, _AXIS = 18, 16.5, 15.5, 14
"""Pixels of the fonts."""
_FIFTHS = ticks(0, 1, 5)
_SHARES = ((0, "0"), (0.01, "1%"), (0.05, "5%"), (0.1, "10%"), (0.25, "25%"), (0.5, "50%"), (1, "100%"))
_SHADES = (
    *("440154", "482475", "414487", "355f8d", "2a788e", "21918c", "22a884", "44bf70", "7ad151", "bddf26", "fde725"),
)
"""From nothing to the largest share: the colours of viridis, which are told apart by brightness alone."""


def loss_curves(losses: np.ndarray) -> Image.Image:
    """Plot both losses over the steps: a moving mean, and faintly the range of single steps.

    Args:
        losses: Of D and of G at every step, ``[S, 2]``.
    """
    picture = blank(800, 420)
    low, high = loss_limits(losses)
    upright = ticks(low, high, 7)
    left = 32 + max(width_of(text, _AXIS) for _, text in upright)
    plot = Plot(picture, (left, 30, 776, 372), (0, len(losses)), (low, high))
    plot.axes(ticks(0, len(losses), 8), upright, grid=True)
    sides = ((0, DISCRIMINATOR, "discriminator"), (1, GENERATOR, "generator"))
    curves = [loss_over_steps(losses[:, column]) for column, *_ in sides]
    for (_, color, _), (steps, _, least, most) in zip(sides, curves, strict=True):
        plot.range(steps, least, most, color, 0.18)
    for (column, color, name), (steps, means, *_) in zip(sides, curves, strict=True):
        plot.curve(steps, means, color, 2.5)
        y = 48 + 23 * column
        picture.paste(color, (left + 14, y - 1, left + 46, y + 2))
        write(picture, left + 56, y, name, _LEGEND, align="left")
    write(picture, 10, 201, "loss", _AXIS, align="upright")
    write(picture, (left + 776) / 2, 407, "step", _AXIS)
    write(picture, (left + 776) / 2, 13, "Losses of discriminator and generator", _TITLE)
    return picture


def loss_limits(losses: np.ndarray) -> tuple[float, float]:
    """Return the range of losses to show: a burst at the start would press the rest of a curve flat."""
    finite = losses[np.isfinite(losses)]
    if not len(finite):
        return 0.0, 1.0
    return min(0.0, float(finite.min())), float(np.percentile(finite, 99.5)) * 1.15 + 1e-6


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


def probability_bars(real: np.ndarray, fake: np.ndarray, epoch: float) -> Image.Image:
    """Plot D's probability for each sample of a real and of a generated batch: green from 0.5 on, red below.

    Args:
        real: D(x) of each real sample, ``[B]``.
        fake: D(G(z)) of each generated sample, ``[B]``.
        epoch: When it was taken.
    """
    picture = blank(800, 360)
    write(picture, 400, 14, f"Probability of being real, epoch {epoch:g}", _TITLE)
    write(picture, 10, 182, "D's probability", _AXIS, align="upright")
    for left, values, name in ((56, real, "real"), (432, fake, "generated")):
        count = len(values)
        plot = Plot(picture, (left, 54, left + 360, 312), (-0.7, count - 0.3), (0, 1))
        plot.axes([], _FIFTHS if left == 56 else [(value, "") for value, _ in _FIFTHS])
        edges = np.stack((np.arange(count) - 0.45, np.arange(count) + 0.45), 1).ravel()
        for color, chosen in ((HIGH, values >= 0.5), (LOW, values < 0.5)):
            heights = np.stack((np.where(chosen, values, 0), np.zeros(count)), 1).ravel()[:-1]
            plot.bars(edges, heights, color, 1.0)
        plot.axes(ticks(0, count - 1, 6), [])
        plot.dashes(y=0.5)
        write(picture, left + 180, 40, f"{name}: mean {np.mean(values):.3f}", _PANEL)
        write(picture, left + 180, 347, "sample of the batch", _AXIS)
    return picture


def histograms(real: np.ndarray, fake: np.ndarray, epoch: float) -> Image.Image:
    """Plot histograms of D(x) and D(G(z)) over an epoch; bins and axes are the same in every such picture.

    Args:
        real: Counts of D(x) in equal bins of [0, 1], ``[bins]``.
        fake: Counts of D(G(z)), of the same shape.
        epoch: The epoch.
    """
    picture = _empty_histograms().copy()
    plot = _histogram_plot(picture)
    write(picture, 311, 17, f"epoch {epoch:g}", _TITLE)
    for counts, color, name, y in ((real, REAL, "real: mean D(x)", 44), (fake, FAKE, "generated: mean D(G(z))", 66)):
        plot.bars(np.linspace(0, 1, len(counts) + 1), counts / max(counts.sum(), 1), color, 0.35, outline=2.2)
        write(picture, 311, y, f"{name} = {mean(counts):.2f}", _LEGEND, color)
    return picture


@lru_cache(maxsize=1)
def _empty_histograms() -> Image.Image:
    """Return what all histograms have in common; a run has many."""
    picture = blank(560, 360)
    plot = _histogram_plot(picture)
    plot.axes(_FIFTHS, _SHARES)
    plot.dashes(x=0.5, top=0.18)
    write(picture, 14, 171, "share of samples (root scale)", _AXIS, align="upright")
    write(picture, 311, 345, "D's probability", _AXIS)
    return picture


def _histogram_plot(picture: Image.Image) -> Plot:
    # A sure D puts nearly all in one bin, an unsure one a fiftieth in each: roots keep both legible.
    return Plot(picture, (78, 32, 543, 310), (0, 1), (0, 1), scale=np.sqrt)


def mean(counts: np.ndarray) -> float:
    """Return the mean of values in [0, 1] that were counted in equal bins."""
    centres = (np.arange(len(counts)) + 0.5) / len(counts)
    return float((counts * centres).sum() / max(counts.sum(), 1))


def histograms_over_time(real: np.ndarray, fake: np.ndarray, epochs: Sequence[float]) -> Image.Image:
    """Plot the distributions of D(x) and of D(G(z)) over the whole run, with their means.

    Args:
        real: Counts of D(x), a row an epoch, ``[T, bins]``.
        fake: Counts of D(G(z)), of the same shape.
        epochs: The rows' epochs.
    """
    picture = blank(800, 380)
    roots = [np.sqrt(counts / np.maximum(counts.sum(1, keepdims=True), 1)) for counts in (real, fake)]
    largest = max(float(np.max(root)) for root in roots) or 1.0
    span = (epochs[0] - 0.5, epochs[-1] + 0.5)
    write(picture, 370, 13, "D's probabilities over the epochs", _TITLE)
    write(picture, 10, 190, "D's probability", _AXIS, align="upright")
    for left, counts, root, name in (
        (56, real, roots[0], "D(x), real"),
        (380, fake, roots[1], "D(G(z)), generated"),
    ):
        plot = Plot(picture, (left, 52, left + 304, 332), span, (0, 1))
        plot.picture(_shaded(root.T[::-1] / largest))
        plot.axes(_whole(ticks(*span, 6)), _FIFTHS if left == 56 else [(value, "") for value, _ in _FIFTHS])
        plot.curve(np.array(epochs), np.array([mean(row) for row in counts]), "white", 2.2)
        plot.dashes(y=0.5, color="white")
        write(picture, left + 152, 38, name, _PANEL)
        write(picture, left + 152, 367, "epoch", _AXIS)
    bar = Plot(picture, (722, 52, 734, 332), (0, 1), (0, largest))
    bar.picture(_shaded(np.linspace(1, 0, 280)[:, None]))
    for share, _ in _SHARES:
        if share <= largest**2:
            y = 52 + round(float(bar.down(share**0.5)))
            picture.paste("#2d3748", (734, y, 738, y + 1))
            write(picture, 742, y, f"{share:.0%}", _AXIS, align="left")
    write(picture, 789, 192, "share of the epoch's samples", _AXIS, align="upright")
    return picture


def _whole(marks: list[tuple[float, str]]) -> list[tuple[float, str]]:
    """Return the marks at whole numbers."""
    return [(value, f"{value:.0f}") for value, _ in marks if value == round(value)]


def _shaded(values: np.ndarray) -> Image.Image:
    """Return values in [0, 1] as colours, ``[H, W]``."""
    anchors = np.array([[int(shade[i : i + 2], 16) for i in (0, 2, 4)] for shade in _SHADES], np.float64)
    table = [np.interp(np.linspace(0, 1, 256), np.linspace(0, 1, len(anchors)), side) for side in anchors.T]
    return Image.fromarray(np.stack(table, 1).round().astype(np.uint8)[(values * 255).round().astype(int)])


def scatter(samples: np.ndarray, real: np.ndarray, epoch: float) -> Image.Image:
    """Plot generated points over real ones; the axes are chosen for the real ones and stay.

    Args:
        samples: Generated points, ``[n, D]``; their first two coordinates are shown.
        real: Real points, ``[m, D]``.
        epoch: When they were drawn.
    """
    samples, real = (np.pad(points, ((0, 0), (0, 1)))[:, :2].astype(np.float32) for points in (samples, real))
    picture = _real_points(real.tobytes()).copy()
    _among(picture, real).dots(samples, FAKE, 2.8, 0.8)
    write(picture, 254, 13, f"epoch {epoch:g}", _TITLE)
    return picture


@lru_cache(maxsize=4)
def _real_points(content: bytes) -> Image.Image:
    """Return real points alone, float32 ``[m, 2]``, which all pictures of a run and mostly of a sweep begin with."""
    real = np.frombuffer(content, np.float32).reshape(-1, 2)
    picture = blank(480, 480)
    plot = _among(picture, real)
    plot.axes(ticks(*plot.x, 8), ticks(*plot.y, 8))
    plot.dots(real, POINTS, 1.7, 0.5)
    for y, name, color, radius in ((45, "real", POINTS, 2.6), (66, "generated", FAKE, 4.2)):
        Plot(picture, (330, y - 6, 342, y + 6), (0, 1), (0, 1)).dots(np.full((1, 2), 0.5), color, radius, 0.8)
        write(picture, 356, y, name, _AXIS, align="left")
    return picture


def _among(picture: Image.Image, real: np.ndarray) -> Plot:
    """Return the plot whose axes suit the real points."""
    low, high = real.min(0).astype(np.float64), real.max(0).astype(np.float64)
    half = 0.75 * max(float((high - low).max()), 1e-6)
    x, y = ((float(each - half), float(each + half)) for each in (low + high) / 2)
    return Plot(picture, (42, 29, 466, 453), x, y)
