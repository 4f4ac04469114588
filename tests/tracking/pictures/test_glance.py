"""The strip at the head of a run's page, and scores in tables."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from PIL import Image

from gan_experiments.tracking.journal import Line
from gan_experiments.tracking.pictures.glance import glance, samples_in_rows
from gan_experiments.tracking.pictures.scores import last_score, score_rows, score_table

COUNTS = np.arange(50)


def scored(epoch: float, distance: float) -> Line:
    values = {
        "frechet_classifier_distance": {"value": distance, "error": 0.5},
        "modes": {"value": 7, "error": None},
    }
    floors = {"frechet_classifier_distance": {"value": 6.57, "error": 1.0}}
    return {
        "epoch": epoch,
        "step": int(10 * epoch),
        "values": {f"eval/{name}": score["value"] for name, score in values.items()},
        "headline": "eval/frechet_classifier_distance",
        "details": {"values": values, "floors": floors, "samples": 1000},
    }


@pytest.mark.parametrize("shape", [(64, 1, 28, 28), (64, 3, 32, 32), (9, 1, 8, 8), (1, 1, 8, 8), (4, 3, 256, 256)])
def test_the_strip_fits_into_what_mlflow_shows_of_a_description(shape: tuple[int, ...]) -> None:
    samples = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    losses = np.array([[1.0, 2.0], [np.nan, np.inf], [0.5, 3.0]], np.float32)  # of a run that diverged meanwhile
    strip = glance(samples_in_rows(samples), losses, COUNTS, COUNTS[::-1], epoch=3, score="")
    assert strip.height <= 100
    assert strip.width <= 800
    left = np.asarray(strip)[:, :40]
    assert left.std() > 5  # samples are there


def test_the_strip_shows_points_and_a_score() -> None:
    losses = np.ones((3, 2), np.float32)
    points = Image.new("RGB", (480, 480), "red")
    without, with_score = (
        np.asarray(glance(points, losses, COUNTS, COUNTS, epoch=3, score=score)) for score in ("", "distance 5")
    )
    assert (without[50, 50] == (255, 0, 0)).all()
    assert (without != with_score).any()
    assert glance(None, losses, COUNTS, COUNTS, epoch=3, score="").size == without.shape[1::-1]


def test_scores_are_told_with_their_errors_and_those_of_real_data() -> None:
    lines = [scored(10, 900.0), scored(20, 85.512)]
    assert last_score(lines) == "Fréchet classifier distance 85.51 (real data 6.57)"
    assert last_score([]) == ""
    table = list(csv.DictReader(score_rows(lines).splitlines()))
    assert [(row["epoch"], row["score"], row["error"]) for row in table] == [
        ("10", "frechet_classifier_distance", "0.5"),
        ("10", "modes", ""),
        ("20", "frechet_classifier_distance", "0.5"),
        ("20", "modes", ""),
    ]
    assert score_table(lines[-1]).splitlines()[2:] == [
        "| Fréchet classifier distance | 85.51 | 0.5 | 6.57 |",
        "| modes | 7 |  |  |",
    ]
