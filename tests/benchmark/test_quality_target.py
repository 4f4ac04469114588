"""When a target is met, and what the table says of it."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from gan_experiments.benchmark.quality.contenders import TARGETS, Target, points_of, recipe_of
from gan_experiments.benchmark.quality.picture import draw
from gan_experiments.benchmark.quality.records import Point, Records
from gan_experiments.benchmark.quality.table import entry, loop_entry, table
from gan_experiments.benchmark.quality.target import standing
from gan_experiments.configuration.compose import compose
from gan_experiments.errors import UserError

TARGET = Target(26.4, 0.82, 0.80)
GOOD = Point("improved", "abc", 1000, 1, 100, 10.0, 3.0, 25.0, 30.0, 0.85, 0.83, "2026-11-27 12:00")


def runs(*distances: tuple[float, ...], precision: float = 0.85) -> list[list[Point]]:
    """Runs with these distances after 1, 2, … epochs of 100 steps, of which each takes a tenth of a second."""
    return [
        [
            replace(GOOD, seed=1000 + i, epoch=n, step=100 * n, seconds=10.0 * n + i, distance=d, precision=precision)
            for n, d in enumerate(of_run, 1)
        ]
        for i, of_run in enumerate(distances)
    ]


def test_the_target_of_mnist() -> None:
    assert TARGETS == {"mnist": TARGET}


def test_it_is_met_at_the_first_point_at_which_the_mean_is_surely_good() -> None:
    # After 2 epochs the mean is below the bound, but by Student's test (t = 1.4, 2 degrees) not surely.
    found = standing(runs((40, 20, 25), (42, 26, 25.1), (41, 27, 24.9), (39, 28, 25)), TARGET)
    assert found.met
    assert [point.epoch for point in found.points] == [3] * 4
    assert found.p is not None
    assert 0 < found.p < 0.01


def test_the_chance_is_students() -> None:
    distances = [(26.4 - d,) for d in (1.0, 2.0, 3.0)]
    found = standing(runs(*distances), Target(26.4, 0, 0))
    assert found.met is False  # t = 2 / (1 / sqrt(3)) = 3.46, and with 2 degrees p = 0.037
    found = standing(runs(*distances, *distances), Target(26.4, 0, 0))
    assert found.p == pytest.approx(0.00138, abs=1e-5)  # t = 2 / sqrt(4 / 5 / 6) = 5.48, with 5 degrees


@pytest.mark.parametrize("miss", [{"precision": 0.81}, {"precision": math.nan}])
def test_every_score_has_to_meet_its_bound(miss: dict[str, float]) -> None:
    good = [(25.0,), (25.1,), (24.9,)]
    assert standing(runs(*good), TARGET).met
    found = standing(runs(*good, **miss), TARGET)
    assert found.met is False
    assert found.points[0].epoch == 1


def test_runs_that_diverge_count_against_it() -> None:
    assert standing(runs((25.0,), (25.1,), (24.9,), (math.nan,)), TARGET).met is False


def test_equal_values_need_no_test() -> None:
    assert standing(runs((25.0,), (25.0,)), TARGET).p == 0
    assert standing(runs((26.4,), (26.4,)), TARGET).met is False


def test_a_single_run_has_no_p() -> None:
    assert standing(runs((30.0, 26.4)), TARGET) == standing(runs((30.0, 26.4)), Target(27, 0, 0))
    assert standing(runs((30.0, 26.4)), TARGET).p is None


def test_without_a_target_the_end_counts() -> None:
    found = standing(runs((40, 25), (40, 26)), None)
    assert (found.met, found.points[0].epoch) == (None, 2)


def test_the_table_says_all_that_was_measured() -> None:
    article = entry("article", runs((400.0, 26.0)), TARGET)
    loop = loop_entry(article, [0.2, 0.3])
    speedrun = entry("speedrun", runs((25.0,), (25.1,), (24.9,)), TARGET)
    improved = entry("improved", runs((31.0, 30.0), (35.0, math.nan)), TARGET)
    head, rule, *lines = table([loop, article, speedrun, improved]).splitlines()
    assert head.count("|") == rule.count("|") == 12
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    # 200 steps of 0.2 and of 0.3 seconds.
    assert cells[0][:5] == ["the article's loop", "1", "50.0 ± 14.1", "", "250 ± 71"]
    assert cells[0][5:9] == cells[1][5:9] == ["26.0", "30.0", "0.850", "0.830"]
    assert cells[0][9:] == ["", "extrapolated: 2 measurements of its step, steps and scores of `experiment=article`"]
    assert cells[1][:3] == ["`experiment=article`", "1", "20.0"]
    assert cells[1][9:] == ["3.0", "one seed: nothing can be said of p"]
    assert cells[2][:4] == ["`experiment=speedrun`", "3", "11.0 ± 1.0", "0.0008"]
    assert cells[2][5] == "25.0 ± 0.1"
    assert cells[3][2] == "not within 20.5"
    assert (cells[3][5], cells[3][10]) == ("-", "1 of 2 diverged")


def test_the_picture_has_a_line_a_contender_and_the_target() -> None:
    article = entry("article", runs((400.0, 26.0)), TARGET)
    speedrun = entry("speedrun", runs((25.0,), (25.1,), (24.9,)), TARGET)
    (axes,) = draw([loop_entry(article, [0.25]), article, speedrun], TARGET, "made up").axes
    lines = {line.get_label(): line for line in axes.lines}
    assert list(lines["the article's loop (extrapolated)"].get_xdata()) == [25, 50]
    assert list(lines["experiment=article, 1 seed"].get_xdata()) == [10, 20]
    assert list(lines["experiment=speedrun, 3 seeds"].get_ydata()) == [pytest.approx(25)]
    assert set(lines["target, 26.4 (ring: met)"].get_ydata()) == {26.4}


def test_scored_at_a_few_points_and_always_at_the_end() -> None:
    assert points_of(100) == [10, 25, 50, 75, 90, 100]
    assert points_of(1) == [1]


def test_a_recipe_is_told_by_what_it_trains_by() -> None:
    one, other = (recipe_of(compose(["experiment=article", *more])) for more in ([], ["train.lr=1e-3"]))
    assert one != other
    assert one == recipe_of(compose(["experiment=article", "seed=3", "data.root=elsewhere", "device=cpu"]))


def test_only_what_was_measured_under_the_same_conditions_is_taken(tmp_path: Path) -> None:
    Records(tmp_path, "mnist", "a fast machine", "two referees").add(GOOD)
    again = Records(tmp_path, "mnist", "a fast machine", "two referees")
    assert again.run("improved", "abc", 1000) == [GOOD]
    assert again.run("improved", "abd", 1000) == []
    for data, machine, referees in (
        ("digits", "a fast machine", "two referees"),
        ("mnist", "another", "two referees"),
    ):
        assert Records(tmp_path, data, machine, referees).run("improved", "abc", 1000) == []


def test_half_a_line_is_not_taken_and_harms_no_other(tmp_path: Path) -> None:
    records = Records(tmp_path, "mnist", "a fast machine", "two referees")
    records.add(GOOD)
    whole = (tmp_path / "quality.csv").read_text()
    (tmp_path / "quality.csv").write_text(whole + "mnist,a fast machine,two ref")
    Records(tmp_path, "mnist", "a fast machine", "two referees").add(replace(GOOD, epoch=2))
    found = Records(tmp_path, "mnist", "a fast machine", "two referees").run("improved", "abc", 1000)
    assert [point.epoch for point in found] == [1, 2]


def test_a_csv_of_another_kind_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "quality.csv").write_text("part,name\n")
    with pytest.raises(UserError, match=r"its quality\.csv has other columns; move it away"):
        Records(tmp_path, "mnist", "a fast machine", "two referees")
    assert (tmp_path / "quality.csv").read_text() == "part,name\n"
