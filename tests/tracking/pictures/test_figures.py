from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle
from PIL import Image, ImageSequence

from gan_experiments.tracking.pictures import figures, images

GREEN, RED = "#2f9e44", "#e03131"


def _colors(axes: Axes) -> list[str]:
    return [to_hex(bar.get_facecolor()) for bar in axes.patches if isinstance(bar, Rectangle)]


def test_bars_are_green_from_one_half_on_and_red_below() -> None:
    real, fake = np.array([0.9, 0.5, 0.49999, 0.1]), np.array([0.2, 0.7])
    left, right = figures.probability_bars(real, fake, 100).axes
    assert _colors(left) == [GREEN, GREEN, RED, RED]
    assert _colors(right) == [RED, GREEN]
    assert [bar.get_height() for bar in left.patches if isinstance(bar, Rectangle)] == pytest.approx(real)


def test_bars_name_the_means_and_the_epoch() -> None:
    figure = figures.probability_bars(np.array([0.4, 0.6, 0.62]), np.array([0.44]), 100)
    assert [axes.get_title() for axes in figure.axes] == ["real: mean 0.540", "generated: mean 0.440"]
    assert figure.get_suptitle() == "Probability of being real, epoch 100"


@pytest.mark.parametrize("steps", [1, 2, 35, 5000])
def test_loss_curves_follow_both_losses(steps: int) -> None:
    losses = np.stack((np.linspace(1, 2, steps), np.full(steps, 3.0)), 1).astype(np.float32)
    (axes,) = figures.loss_curves(losses).axes
    discriminator, generator = (np.asarray(line.get_ydata()) for line in axes.get_lines())
    assert axes.get_legend_handles_labels()[1] == ["discriminator", "generator"]
    assert generator == pytest.approx(np.full(len(generator), 3.0))
    assert np.all(np.diff(discriminator) >= 0)
    assert axes.get_ylim()[1] > 3
    assert axes.get_xlim() == (0, steps)


def test_one_outlier_does_not_flatten_the_curves() -> None:
    losses = np.ones((5000, 2), np.float32)
    losses[3] = 1e6
    (axes,) = figures.loss_curves(losses).axes
    assert axes.get_ylim()[1] < 2


def test_histograms_differ_where_their_counts_do_and_nowhere_on_the_axes() -> None:
    figure, empty = figures.HistogramFigure(), np.zeros(50, int)
    low, high = empty.copy(), empty.copy()
    low[0], high[-1] = 100, 100
    a, b, c = figure.render(low, high, 1), figure.render(high, low, 1), figure.render(low, high, 1)
    assert np.array_equal(a, c)  # nothing is left over of the picture between
    assert not np.array_equal(a, b)
    axes_area = slice(0, 70)  # left of the plot: label and ticks
    assert np.array_equal(a[:, axes_area], b[:, axes_area])


def test_histograms_over_time_have_an_image_for_each_side() -> None:
    counts = np.arange(150).reshape(3, 50)
    figure = figures.histograms_over_time(counts, counts[::-1], [1, 2, 3])
    real, fake, *_ = figure.axes
    left, right = (np.asarray(axes.images[0].get_array()) for axes in (real, fake))
    assert left.shape == (50, 3)
    assert np.array_equal(left, right[:, ::-1])


@pytest.mark.parametrize("dimensions", [1, 2, 5])
def test_points_are_drawn_on_the_axes_of_the_real_ones(dimensions: int) -> None:
    real = np.random.default_rng(0).normal(size=(100, dimensions))
    axes = [figures.scatter(real[:9] * scale, real, 1).axes[0] for scale in (1, 50)]
    assert axes[0].get_xlim() == axes[1].get_xlim()


@pytest.mark.parametrize("channels", [1, 3])
def test_a_grid_shows_every_pixel_enlarged_by_a_whole_number(channels: int) -> None:
    samples = np.random.default_rng(0).integers(0, 256, (10, channels, 6, 5), dtype=np.uint8)
    grid = np.asarray(images.sample_grid(samples)).reshape(*images.sample_grid(samples).size[::-1], channels)
    scale = (grid.shape[1] - 2) // 4 - 2
    scale //= 5
    assert scale > 1
    for index in range(10):
        top, left = 2 + index // 4 * (6 * scale + 2), 2 + index % 4 * (5 * scale + 2)
        cell = grid[top : top + 6 * scale : scale, left : left + 5 * scale : scale]
        assert np.array_equal(cell, samples[index].transpose(1, 2, 0))
    assert grid.shape[0] == 3 * (6 * scale + 2) + 2


@pytest.mark.parametrize("channels", [2, 4, 7])
def test_a_grid_of_unusual_channels_shows_the_first(channels: int) -> None:
    samples = np.zeros((4, channels, 8, 8), np.uint8)
    samples[:, 0] = 200
    grid = images.sample_grid(samples)
    assert grid.mode == "L"
    assert grid.getextrema()[1] == 200


def test_an_animation_shows_the_grids_in_order() -> None:
    frames = [Image.new("L", (40, 30), value) for value in (0, 100, 200)]
    with Image.open(io.BytesIO(images.animation(frames, ["a", "b", "c"]))) as film:
        shown = [
            (each.convert("L").getpixel((20, 40)), each.info["duration"]) for each in ImageSequence.Iterator(film)
        ]
    assert [shade for shade, _ in shown] == [0, 100, 200]
    assert shown[-1][1] > 1000  # milliseconds: the result stays on screen


def test_a_long_animation_is_thinned_and_keeps_first_and_last() -> None:
    frames = [Image.new("L", (8, 8), index // 2) for index in range(500)]
    with Image.open(io.BytesIO(images.animation(frames, [""] * 500))) as film:
        shades = [frame.convert("L").getpixel((4, 25)) for frame in ImageSequence.Iterator(film)]
    assert len(shades) == 100
    assert (shades[0], shades[-1]) == (0, 249)


def test_pictures_are_small_enough_to_send_many() -> None:
    losses = np.random.default_rng(0).normal(1, 0.3, (100_000, 2)).astype(np.float32)
    assert len(images.png(images.rasterise(figures.loss_curves(losses)))) < 100_000


@pytest.mark.parametrize("size", [(560, 360), (466, 488), (100, 100)])
def test_a_thumbnail_is_a_square_with_the_picture_at_its_top(size: tuple[int, int]) -> None:
    with Image.open(io.BytesIO(images.thumbnail(Image.new("L", size, 0)))) as thumbnail:
        assert thumbnail.width == thumbnail.height
        assert thumbnail.convert("L").getpixel((5, 5)) < 30
