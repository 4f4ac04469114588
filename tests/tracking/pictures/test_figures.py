from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageColor, ImageSequence

from gan_experiments.tracking.pictures import figures, images
from gan_experiments.tracking.pictures.plot import Plot, blank, ticks


def rows_with(picture: Image.Image, color: str, columns: slice = slice(None)) -> np.ndarray:
    """Return the rows, from above, in which a colour stands in some of the columns."""
    shown = (np.asarray(picture)[:, columns] == ImageColor.getrgb(color)).all(2)
    return np.flatnonzero(shown.any(1))


def columns_with(picture: Image.Image, color: str, row: int) -> np.ndarray:
    return np.flatnonzero((np.asarray(picture)[row] == ImageColor.getrgb(color)).all(1))


def test_bars_are_green_from_one_half_on_and_red_below() -> None:
    real, fake = np.array([0.9, 0.5, 0.49999, 0.1]), np.array([0.2, 0.7])
    picture = figures.probability_bars(real, fake, 100)
    green, red = (columns_with(picture, color, 305) for color in (figures.HIGH, figures.LOW))
    # A row near the bottom: two and two on the left, red and green on the right.
    assert green[green < 420].max() < red[red < 420].min()
    assert red[red > 420].max() < green[green > 420].min()
    assert min(rows_with(picture, figures.HIGH, slice(0, 420))) < min(
        rows_with(picture, figures.HIGH, slice(420, 800))
    )


@pytest.mark.parametrize("steps", [1, 2, 35, 5000])
def test_loss_curves_follow_both_losses(steps: int) -> None:
    losses = np.stack((np.full(steps, 1.0), np.full(steps, 3.0)), 1).astype(np.float32)
    _, means, low, high = figures.loss_over_steps(np.linspace(1, 2, steps))
    assert np.all(np.diff(means) >= 0)
    assert np.all((low <= high) & (low >= 1) & (high <= 2))
    picture, middle = figures.loss_curves(losses), slice(300, 700)
    if steps > 2:  # a line, rather than a dot
        discriminator, generator = (
            rows_with(picture, color, middle).mean() for color in (figures.DISCRIMINATOR, figures.GENERATOR)
        )
        zero, top = 372, 30
        assert (zero - generator) / (zero - discriminator) == pytest.approx(3, rel=0.02)
        assert generator > top


@pytest.mark.parametrize("losses", [np.full((3, 2), np.nan), np.array([[1.0, np.inf], [np.nan, 2.0], [0.5, 3.0]])])
def test_loss_curves_of_a_run_that_diverged_are_drawn_as_far_as_they_go(losses: np.ndarray) -> None:
    assert figures.loss_curves(losses.astype(np.float32)).size == (800, 420)


def test_one_outlier_does_not_flatten_the_curves() -> None:
    losses = np.ones((5000, 2), np.float32)
    losses[3] = 1e6
    assert figures.loss_limits(losses)[1] < 2


def test_histograms_differ_where_their_counts_do_and_nowhere_on_the_axes() -> None:
    empty = np.zeros(50, int)
    low, high = empty.copy(), empty.copy()
    low[0], high[-1] = 100, 100
    a, b, c = (np.asarray(figures.histograms(*each, 1)) for each in ((low, high), (high, low), (low, high)))
    assert np.array_equal(a, c)  # nothing is left over of the picture between
    assert not np.array_equal(a, b)
    axes_area = slice(0, 70)  # left of the plot: label and ticks
    assert np.array_equal(a[:, axes_area], b[:, axes_area])


def test_heights_of_histograms_are_roots_of_shares() -> None:
    quarter = np.array([3, 1, 0, 0])
    picture = figures.histograms(quarter, np.array([0, 0, 0, 4]), 1)
    rows = rows_with(picture, figures.REAL, slice(205, 300))  # of the second bin
    top = rows[rows > 80].min()  # below the text
    assert (310 - top) / (310 - 32) == pytest.approx(0.5, abs=0.01)


def test_histograms_over_time_show_each_side_with_the_larger_shares_brighter() -> None:
    early, late = np.eye(50)[[0, 0, 0]] * 9, np.eye(50)[[49, 49, 49]] * 9
    picture = np.asarray(figures.histograms_over_time(early, late, [1, 2, 3]).convert("L")).astype(int)
    (top, bottom), (real, fake) = (54, 329), (slice(70, 350), slice(390, 680))
    assert picture[bottom, real].mean() > 150 > picture[top, real].mean()
    assert picture[top, fake].mean() > 150 > picture[bottom, fake].mean()


@pytest.mark.parametrize("dimensions", [1, 2, 5])
def test_points_are_drawn_on_the_axes_of_the_real_ones(dimensions: int) -> None:
    real = np.random.default_rng(0).normal(size=(100, dimensions))
    near, far = (np.asarray(figures.scatter(real[:9] * scale, real, 1)) for scale in (1, 50))
    assert np.array_equal(near[456:], far[456:])  # the numbers below
    assert np.array_equal(near[:, :35], far[:, :35])
    assert not np.array_equal(near, far)


@pytest.mark.parametrize(
    ("low", "high", "most", "texts"),
    [
        (0, 3000, 8, "0 500 1000 1500 2000 2500 3000"),
        (0, 1, 5, "0.0 0.2 0.4 0.6 0.8 1.0"),
        (-1.1, 1.1, 5, "-1.0 -0.5 0.0 0.5 1.0"),
        (0, 0.011, 5, "0.0000 0.0025 0.0050 0.0075 0.0100"),
        (0, 9e6, 3, "0 5e+06"),
    ],
)
def test_ticks_are_round_numbers(low: float, high: float, most: int, texts: str) -> None:
    assert " ".join(text for _, text in ticks(low, high, most)) == texts


def test_edges_between_pixels_are_drawn_as_far_as_they_cover_them() -> None:
    picture = blank(20, 20)
    plot = Plot(picture, (0, 0, 20, 20), (0, 20), (0, 20))
    plot.bars(np.array([5.0, 10.0]), np.array([7.25]), "black", 1.0)
    column = np.asarray(picture)[:, 7, 0]
    assert list(column[13:]) == [0] * 7
    assert column[12] == pytest.approx(255 * 0.75, abs=1)
    assert list(column[:12]) == [255] * 12


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
    drawing = figures.loss_curves(losses)
    flat = images.flat(drawing)
    assert len(images.png(flat)) < 60_000
    assert np.abs(np.asarray(flat.convert("RGB")).astype(int) - np.asarray(drawing)).max() < 24
    assert flat.convert("RGB").getpixel((799, 0)) == (255, 255, 255)


@pytest.mark.parametrize("size", [(560, 360), (466, 488), (100, 100), (800, 420)])
def test_a_thumbnail_is_a_square_with_the_picture_at_its_top(size: tuple[int, int]) -> None:
    for image in (Image.new("L", size, 0), images.flat(Image.new("RGB", size, "black"))):
        with Image.open(io.BytesIO(images.thumbnail(image))) as thumbnail:
            assert thumbnail.width == thumbnail.height
            assert np.asarray(thumbnail.convert("L"))[5, 5] < 30
