"""Plots: axes, curves, areas and points with smooth edges, drawn by Pillow and NumPy in a few milliseconds.

A plotting library takes two hundred, and a second to be imported; a sweep has pictures of a thousand runs.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

INK, FAINT = "#2d3748", "#a0aec0"
_SLICES = 3
"""Parts of a pixel's width in which edges are followed; along its height they are exact."""
_TICK = 4
_NICE = (1, 2, 2.5, 5, 10)


def blank(width: int, height: int) -> Image.Image:
    """Return a white picture."""
    return Image.new("RGB", (width, height), "white")


def write(
    picture: Image.Image, x: float, y: float, text: str, size: float, color: str = INK, align: str = "centre"
) -> None:
    """Write a line of text.

    Args:
        picture: Where to.
        x: Its left end, its middle or its right end, as ``align`` says; of upright text the middle.
        y: Its middle.
        text: The line.
        size: Pixels of the font.
        color: The colour.
        align: ``left``, ``centre`` or ``right``; or ``upright``, which is read from below.
    """
    ink = _ink(text, size, align == "upright")
    shift = {"left": 0.0, "right": 1.0}.get(align, 0.5)
    picture.paste(color, (round(x - shift * ink.width), round(y - ink.height / 2)), ink)


def width_of(text: str, size: float) -> int:
    """Return how many pixels a line of text takes."""
    return _ink(text, size, False).width


@lru_cache(maxsize=512)
def _ink(text: str, size: float, upright: bool) -> Image.Image:
    """Return how dark each pixel of a line of text is; most lines are those of many pictures."""
    font = _font(size)
    # Pillow's own font has no accents and no minus.
    text = "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    left, _, right, _ = font.getbbox(text)
    ink = Image.new("L", (math.ceil(right) - math.floor(left), round(1.4 * size)))
    ImageDraw.Draw(ink).text((-left, 0.7 * size), text, font=font, fill=255, anchor="lm")
    return ink.transpose(Image.Transpose.ROTATE_90) if upright else ink


@lru_cache(maxsize=16)
def _font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def ticks(low: float, high: float, most: int) -> list[tuple[float, str]]:
    """Return at most so many round values within a range, each with its text; fewer where none are round."""
    if not high > low:
        return [(low, f"{low:g}")]
    rough = (high - low) / most
    exponent = math.floor(math.log10(rough))
    nice = next(nice for nice in _NICE if nice * 10.0**exponent >= rough * (1 - 1e-9))
    step, decimals = nice * 10.0**exponent, max(0, (nice == 2.5) - exponent - (nice == 10))
    numbers = range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    return [(i * step, f"{i * step:.{decimals}f}" if 1e-4 < step < 1e6 else f"{i * step:g}") for i in numbers]


class Plot:
    """The area between two axes, and what is drawn there.

    Args:
        picture: Where it is drawn.
        box: Its edges in pixels: left, top, right, bottom.
        x: The values at its left and right edge.
        y: The values at its lower and upper edge.
        scale: What the vertical axis shows of a value instead of itself; ``y`` and heights are values.

    Attributes:
        x: The values at its left and right edge.
        y: The values at its lower and upper edge.
    """

    def __init__(
        self,
        picture: Image.Image,
        box: tuple[int, int, int, int],
        x: tuple[float, float],
        y: tuple[float, float],
        scale: Callable[[np.ndarray], np.ndarray] = np.asarray,
    ) -> None:
        self._picture, self._box, self.x, self.y, self._scale = picture, box, x, y, scale
        left, top, right, bottom = box
        self._width, self._height = right - left, bottom - top
        self._low, self._high = map(float, scale(np.array(y, np.float64)))

    def across(self, values: np.ndarray | float) -> np.ndarray:
        """Return the pixels from the left edge at which values lie."""
        low, high = self.x
        return (np.asarray(values, np.float64) - low) * (self._width / (high - low))

    def down(self, values: np.ndarray | float) -> np.ndarray:
        """Return the pixels from the upper edge at which values lie, kept near the area where they are far off."""
        shown = self._scale(np.asarray(values, np.float64))
        down = (self._high - shown) * (self._height / (self._high - self._low))
        return np.clip(down, -self._height, 2.0 * self._height)

    # Axes.

    def axes(
        self,
        x: Sequence[tuple[float, str]],
        y: Sequence[tuple[float, str]],
        size: float = 14,
        tick: int = _TICK,
        grid: bool = False,
    ) -> None:
        """Draw a line at the left and one below, with marks and numbers.

        Args:
            x: Values and their texts.
            y: Values and their texts.
            size: Pixels of the font.
            tick: Pixels of a mark.
            grid: Whether a faint line across the area goes with each mark of the vertical axis.
        """
        left, top, right, bottom = self._box
        draw = ImageDraw.Draw(self._picture)
        for value, text in y:
            at = top + round(float(self.down(value)))
            if grid:
                draw.line((left, at, right, at), "#e2e6ec")
            draw.line((left - tick, at, left, at), FAINT)
            write(self._picture, left - tick - 3, at, text, size, align="right")
        for value, text in x:
            at = left + round(float(self.across(value)))
            draw.line((at, bottom, at, bottom + tick), FAINT)
            write(self._picture, at, bottom + tick + 0.75 * size, text, size)
        draw.line((left, top, left, bottom, right, bottom), FAINT)

    def dashes(self, *, x: float | None = None, y: float | None = None, top: float = 0, color: str = INK) -> None:
        """Draw a dashed line at a value, upright or level; an upright one begins at a share ``top`` of the height."""
        left, upper, right, bottom = self._box
        draw = ImageDraw.Draw(self._picture)
        if x is not None:
            at = left + round(float(self.across(x)))
            for start in range(bottom, upper + round(top * self._height), -9):
                draw.line((at, start, at, start - 5), color)
        if y is not None:
            at = upper + round(float(self.down(y)))
            for start in range(left, right, 9):
                draw.line((start, at, min(start + 5, right), at), color)

    # What is drawn in the area.

    def curve(self, x: np.ndarray, y: np.ndarray, color: str, width: float) -> None:
        """Draw a line through points in the order of ``x``, ``[n]`` each, so many pixels wide."""
        self._stroke(np.interp(self._slices, self.across(x), self.down(y), np.nan, np.nan), color, width, 1.0)

    def range(self, x: np.ndarray, low: np.ndarray, high: np.ndarray, color: str, opacity: float) -> None:
        """Fill the area between two curves, ``[n]`` each."""
        across = self.across(x)
        upper, lower = (np.interp(self._slices, across, self.down(y), np.nan, np.nan) for y in (high, low))
        self._fill(upper, lower, color, opacity)

    def bars(self, edges: np.ndarray, heights: np.ndarray, color: str, opacity: float, outline: float = 0) -> None:
        """Fill bars that touch each other, and draw a line over them.

        Args:
            edges: Where they begin and end, ``[n + 1]``.
            heights: Their heights, ``[n]``; 0 for none.
            color: The colour of all.
            opacity: How much of it is seen in the area.
            outline: Pixels of the line's width; 0 for none.
        """
        bar = np.searchsorted(self.across(edges), self._slices, side="right") - 1
        outside = (bar < 0) | (bar >= len(heights))
        tops = np.where(outside, np.nan, self.down(heights)[np.clip(bar, 0, len(heights) - 1)])
        self._fill(tops, np.full_like(tops, float(self.down(0.0))), color, opacity)
        if outline:
            self._stroke(tops, color, outline, 1.0)

    def dots(self, points: np.ndarray, color: str, radius: float, opacity: float) -> None:
        """Draw points, ``[n, 2]``, as discs; where they lie upon each other, less is seen through them."""
        x, y = self.across(points[:, 0]), self.down(points[:, 1])
        inside = np.isfinite(x + y) & (x > -radius) & (x < self._width + radius)
        x, y = x[inside], y[inside]
        reach = math.ceil(radius + 0.5)
        offsets = np.arange(-reach, reach + 1)
        columns = np.floor(x).astype(int)[:, None] + offsets  # [n, k]
        rows = np.floor(y).astype(int)[:, None] + offsets
        apart = np.hypot((columns + 0.5 - x[:, None])[:, None], (rows + 0.5 - y[:, None])[:, :, None])  # [n, k, k]
        covered = np.clip(radius + 0.5 - apart, 0, 1)
        seen = (rows >= 0)[:, :, None] & (rows < self._height)[:, :, None]
        seen = seen & (columns >= 0)[:, None] & (columns < self._width)[:, None] & (covered > 0)
        places = (rows[:, :, None] * self._width + columns[:, None])[seen]
        passed = np.bincount(places, np.log1p(-opacity * covered[seen] + 1e-9), self._width * self._height)
        self._paint(1 - np.exp(passed.reshape(self._height, self._width)), color)

    def picture(self, pixels: Image.Image) -> None:
        """Fill the area with another picture, its pixels enlarged."""
        enlarged = pixels.resize((self._width, self._height), Image.Resampling.NEAREST)
        self._picture.paste(enlarged, self._box[:2])

    @property
    def _slices(self) -> np.ndarray:
        """The middles of the slices that pixels are cut into, from the left edge."""
        return (np.arange(self._width * _SLICES) + 0.5) / _SLICES

    def _stroke(self, middle: np.ndarray, color: str, width: float, opacity: float) -> None:
        """Draw along a height in each slice, as a disc of the line's width would that follows it."""
        radius = width / 2
        reach = math.ceil(radius * _SLICES - 0.5)
        upper, lower = middle, middle
        padded = np.pad(middle, reach, constant_values=np.nan)
        for i in range(2 * reach + 1):
            rise = math.sqrt(max(0.0, radius**2 - ((i - reach) / _SLICES) ** 2))
            moved = padded[i : i + len(middle)]
            upper, lower = np.fmin(upper, moved - rise), np.fmax(lower, moved + rise)
        self._fill(upper, lower, color, opacity)

    def _fill(self, upper: np.ndarray, lower: np.ndarray, color: str, opacity: float) -> None:
        """Fill what lies between two heights in each slice; nothing where one is not known."""
        known = np.isfinite(upper) & np.isfinite(lower)
        if not known.any():
            return
        edges = np.clip(np.concatenate((upper[known], lower[known])), 0, self._height)
        column = np.tile((np.arange(len(upper)) // _SLICES)[known], 2)
        amount = np.repeat((opacity / _SLICES, -opacity / _SLICES), len(edges) // 2)
        row = edges.astype(np.intp)
        top = int(row.min())
        rows = int(row.max()) + 2 - top
        # The cover of a pixel is the sum down its column of what begins less what ends, each exact to a fraction.
        place, below = (row - top) * self._width + column, amount * (edges - row)
        places, parts = np.concatenate((place, place + self._width)), np.concatenate((amount - below, below))
        covered = np.bincount(places, parts, rows * self._width).reshape(rows, self._width).astype(np.float32)
        for i in range(1, rows):  # half the time of ``cumsum``
            covered[i] += covered[i - 1]
        self._paint(covered[: self._height - top], color, top)

    def _paint(self, opacity: np.ndarray, color: str, top: int = 0) -> None:
        """Lay a colour over rows of the area from ``top`` on, as far as each pixel is covered, ``[rows, W]``."""
        if len(opacity):
            mask = Image.fromarray((np.clip(opacity, 0, 1) * 255 + 0.5).astype(np.uint8))
            self._picture.paste(color, (self._box[0], self._box[1] + top), mask)
