"""What a comparison finds, on runs whose values are known beforehand."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from scipy import stats

from gan_experiments.errors import UserError
from gan_experiments.reports import charts
from gan_experiments.reports.comparable import divide
from gan_experiments.reports.comparison import Comparison
from gan_experiments.reports.factors import find_factors, find_settings
from gan_experiments.reports.group import Group, group_of
from gan_experiments.reports.importance import COMBINED, EITHER, NOISE, importance
from gan_experiments.reports.ranking import BEST, CLEAR, LIKELY, UNKNOWN, RankedSetting, rank
from gan_experiments.reports.ranking import NOISE as WITHIN
from gan_experiments.reports.ranking_metric import EQUILIBRIUM, RankingMetric
from gan_experiments.reports.record import RunRecord, read_record
from gan_experiments.reports.scores import markdown, score_tables
from gan_experiments.tracking.run_outcome import Outcome
from gan_experiments.tracking.sweep_directory import JobDirectory

FINISHED = Outcome("finished", "")


def record(number: int = 0, outcome: Outcome = FINISHED, params: dict | None = None, **metrics: list) -> RunRecord:
    """A run; its metrics are values at epochs 1, 2, …."""
    points = {name.replace("__", "/"): list(enumerate(map(float, values), 1)) for name, values in metrics.items()}
    named = {key: str(value) for key, value in ({"a": 0} if params is None else params).items()}
    return RunRecord(JobDirectory(Path(str(number))), number, f"run {number}", outcome, named, points)


def grid(values: dict[tuple[object, ...], Sequence[float]], keys: Sequence[str]) -> list[RunRecord]:
    """A run for each value; the values of a setting are those of its seeds."""
    runs = [
        ({**dict(zip(keys, setting, strict=True)), "seed": seed}, value)
        for setting, seeds in values.items()
        for seed, value in enumerate(seeds)
    ]
    return [record(number, params=params, eval__fcd=[value]) for number, (params, value) in enumerate(runs)]


def choose(runs: Sequence[RunRecord], metric: str | None = None) -> RankingMetric:
    """The metric of runs that are all comparable."""
    return group(runs, metric).metric


def group(runs: Sequence[RunRecord], metric: str | None = None) -> Group:
    (comparable,) = divide(runs, metric)
    return group_of(comparable)


def ranking(runs: Sequence[RunRecord], metric: str | None = None) -> list[RankedSetting]:
    return rank(find_settings(runs, find_factors(runs)), choose(runs, metric))


def test_seeds_are_repetitions_of_a_setting() -> None:
    runs = grid({(0.1,): [3, 5], (0.2,): [1, 2]}, ["train.lr"])
    best, other = ranking(runs)
    assert best.setting.values == {"train.lr": "0.2"}
    assert (best.mean, other.mean) == (1.5, 4.0)
    assert [run.params["seed"] for run in other.runs] == ["0", "1"]


def test_of_some_scores_more_is_better() -> None:
    runs = [record(n, params={"a": n}, eval__coverage=[n], eval__class_kl=[n]) for n in range(3)]
    orders = [
        [place.setting.values["a"] for place in ranking(runs, metric)]
        for metric in ("eval/coverage", "eval/class_kl")
    ]
    assert orders == [["2", "1", "0"], ["0", "1", "2"]]


def test_only_what_differs_is_a_factor_and_what_changes_together_is_one() -> None:
    same = {"train.epochs": 3, "tracking.uri": "a", "seed": 0}
    runs = [
        record(params=same | {"model.widths": "[8]", "model.name": "small", "train.lr": 1}),
        record(params=same | {"model.widths": "[9]", "model.name": "large", "train.lr": 1, "seed": 1}),
        record(params=same | {"model.widths": "[9]", "model.name": "large", "train.lr": 2, "tracking.uri": "b"}),
    ]
    model, rate = find_factors(runs)
    assert (model.key, model.label, model.companions) == ("model.name", "model", ("model.widths",))
    assert (rate.key, rate.label, rate.levels) == ("train.lr", "lr", ("1", "2"))


def test_what_follows_from_a_groups_option_is_no_factor_of_its_own() -> None:
    options = [{"objective.name": "hinge"}, {"objective.name": "wasserstein", "objective.clip": 0.01}]
    options += [{"objective.name": name, "objective.label_smoothing": 0.0} for name in ("minimax", "non_saturating")]
    runs = [record(n, params=params, eval__fcd=[n]) for n, params in enumerate(options)]
    (factor,) = find_factors(runs, ["objective", "seed"])
    assert (factor.key, factor.label) == ("objective.name", "objective")
    assert set(factor.companions) == {"objective.clip", "objective.label_smoothing"}


def test_the_interval_is_student_s() -> None:
    values = [1.0, 2.0, 4.0]
    (place,) = ranking(grid({(1,): values}, ["a"]))
    low, high = stats.t.interval(0.95, 2, loc=place.mean, scale=stats.sem(values))
    assert place.margin == pytest.approx((high - low) / 2)


def test_what_seeds_can_and_cannot_tell() -> None:
    runs = grid({(1,): [1, 1.1, 0.9], (2,): [1.05, 1.2, 0.95], (3,): [9, 9.1, 8.9], (4,): [5]}, ["a"])
    found = {place.setting.values["a"]: place.verdict for place in ranking(runs)}
    assert found == {"1": BEST, "2": WITHIN, "3": CLEAR, "4": UNKNOWN}


def test_many_comparisons_are_allowed_for() -> None:
    """One of two settings that one test would call different is not, beside nineteen others."""
    near = {(0,): [0.0, 0.2, 0.4], (1,): [0.6, 0.8, 1.0]}
    (_, alone) = ranking(grid(near, ["a"]))
    many = ranking(grid(near | {(k,): [0.1, 0.3, 0.5] for k in range(2, 20)}, ["a"]))
    (crowded,) = (place for place in many if place.setting.values["a"] == "1")
    assert alone.verdict == LIKELY  # by the test, while the intervals overlap
    assert crowded.verdict == WITHIN


def test_seeds_without_any_noise_can_be_told_apart() -> None:
    same, worse = ranking(grid({(1,): [1, 1], (2,): [1, 1], (3,): [2, 2]}, ["a"]))[1:]
    assert (same.verdict, worse.verdict) == (WITHIN, CLEAR)


def test_seeds_that_all_failed_in_the_same_way_are_held_against_those_that_did_not() -> None:
    best, collapsed = ranking(grid({(1,): [1, 1.1], (2,): [9, 9]}, ["a"]))
    assert (best.verdict, collapsed.verdict) == (BEST, CLEAR)


def test_a_run_that_is_repeated_exactly_is_no_second_seed() -> None:
    runs = [record(n, params={"a": 1, "seed": 0}, eval__fcd=[2]) for n in range(3)]
    (place,) = ranking(runs)
    assert (len(place.values), place.margin) == (1, None)


def test_failed_runs_are_in_no_mean_but_counted() -> None:
    runs = grid({(1,): [1, 2, 3]}, ["a"])
    runs[0].outcome = Outcome("failed", "it diverged")
    (place,) = ranking(runs)
    assert place.mean == 2.5
    assert (len(place.values), len(place.setting.runs)) == (2, 3)


def test_variance_is_shared_out_as_it_was_made() -> None:
    """a moves the value by ±3, b by ±1, both together by ±1, a seed by ±1: shares 9, 1, 1 and 1 of 12."""
    values = {(a, b): [3 * a + b + a * b + seed for seed in (-1, 1)] for a, b in itertools.product((-1, 1), repeat=2)}
    runs = grid(values, ["a", "b"])
    shares = {share.label: share.share for share in importance(ranking(runs), find_factors(runs))}
    expected = {"a": 9 / 12, "b": 1 / 12, COMBINED: 1 / 12, NOISE: 1 / 12}
    assert shares == pytest.approx(expected)


def test_a_factor_of_a_value_a_run_does_not_explain_everything() -> None:
    noise = [0, 5, 1, 7, 2, 6, 3, 4, 9, 8, 2, 5, 1, 3, 7, 0]
    runs = grid({(0.01 * k + 0.01, k % 2): [value] for k, value in enumerate(noise)}, ["a", "b"])
    shares = {share.label: share.share for share in importance(ranking(runs), find_factors(runs))}
    assert shares.keys() == {"a", "b", EITHER}
    assert shares["a"] < 0.5


def test_of_one_factor_with_one_seed_there_is_nothing_to_share_out() -> None:
    runs = grid({(1,): [1], (2,): [2], (3,): [4]}, ["a"])
    assert importance(ranking(runs), find_factors(runs)) == []


def test_a_score_goes_before_losses() -> None:
    scores = {"eval__frechet_classifier_distance": [3], "eval__coverage": [0.5], "eval__coverage_error": [0.1]}
    with_score = record(loss__generator=[1], prob__real=[0.5], prob__fake=[0.5], **scores)
    assert choose([with_score], None).name == "eval/frechet_classifier_distance"
    with_score.metrics.pop("eval/frechet_classifier_distance")
    assert choose([with_score], None).name == "eval/coverage"
    assert choose([with_score], "eval/coverage").larger_is_better


def test_without_a_score_the_balance_counts_and_the_report_says_so() -> None:
    run = record(prob__real=[0.9] * 10 + [0.7] * 2, prob__fake=[0.0] * 10 + [0.4, 0.2])
    measure = choose([run], None)
    assert measure.name == EQUILIBRIUM
    assert measure.value(run) == pytest.approx(0.2 + 0.2)
    assert "not how good" in measure.caveat


def test_a_metric_that_no_run_has_is_refused_with_those_there_are() -> None:
    with pytest.raises(UserError, match=r"--metric eval/x: no run has it; there are loss/generator, equilibrium"):
        choose([record(loss__generator=[1])], "eval/x")


def test_a_metric_that_is_not_finite_ranks_nothing() -> None:
    assert ranking([record(params={"a": 1}, eval__fcd=[float("nan")])]) == []


def test_a_parameter_that_only_some_runs_have_is_drawn() -> None:
    smooth = [{"objective.name": "minimax", "objective.label_smoothing": value} for value in (0.0, 0.1)]
    options = ({"objective.name": "hinge"}, *smooth)
    runs = [record(n, params=params, eval__fcd=[n]) for n, params in enumerate(options)]
    found = group(runs)
    assert [factor.key for factor in found.factors] == ["objective.name", "objective.label_smoothing"]
    drawn = charts.parallel(found)
    assert [dimension.label for dimension in drawn.dimensions] == [
        *(factor.label for factor in found.factors),
        "fcd (smaller is better)",
    ]
    assert [tick.text for tick in drawn.dimensions[1].ticks] == ["0", "0.1", "–"]
    assert [line.points for line in drawn.lines] == ["0,0 50,50 100,0", "0,0 50,100 100,50", "0,100 50,0 100,100"]


def measured(number: int, lr: float, seed: int, fcd: float, features: str, reference: str = "mnist") -> RunRecord:
    """A run with scores, and what they were measured with."""
    scores = {"eval__fcd": [9, fcd], "eval__fcd_error": [1, 1], "eval__recall": [0.5]}
    run = record(number, params={"lr": lr, "seed": seed}, **scores)
    stick = {"samples": "1000", "reference": reference, "features": features, "floor.fcd": "3.5"}
    run.tags |= {f"evaluate.{key}": value for key, value in stick.items()}
    return run


def test_scores_have_a_table_of_means_and_spreads() -> None:
    runs = [measured(seed, 1, seed, fcd, "a:1") for seed, fcd in enumerate([33.2, 35.4])]
    runs.append(measured(2, 2, 0, 8, "a:1"))
    runs.append(record(3, Outcome("failed", "diverged"), params={"lr": 2, "seed": 1}, eval__fcd=[0]))
    factors = find_factors(runs)
    text = """\
1000 samples against mnist, features a:1; mean ± standard deviation over seeds:

| lr | seeds | fcd | recall |
| --- | --- | --- | --- |
| 1 | 2 | 34.3 ± 1.6 | 0.5 ± 0 |
| 2 | 1 | 8 | 0.5 |
| real samples |  | 3.5 |  |
"""
    assert markdown(score_tables(find_settings(runs, factors)), factors) == text


@pytest.mark.parametrize("other", [("a:2", "mnist"), ("a:1", "fashion_mnist")])
def test_runs_scored_by_different_protocols_share_no_table_and_no_ranking(other: tuple[str, str]) -> None:
    runs = [measured(0, 1, 0, 3, "a:1"), measured(1, 2, 0, 4, *other), measured(2, 1, 1, 3, "a:1")]
    tables = score_tables(find_settings(runs, find_factors(runs)))
    assert [[setting.values["lr"] for setting, _, _ in table.rows] for table in tables] == [["1"], ["2"]]
    for asked in (None, "eval/fcd"):
        first, second = divide(runs, asked)
        assert (first.records, second.records) == ([runs[0], runs[2]], [runs[1]])
        assert second.label.endswith(f"1000 samples against {other[1]}, features {other[0]}")


def test_each_data_set_has_a_ranking_of_its_own() -> None:
    """Of the same name too, if the data are others; runs without a configuration are in none."""
    runs = [*grid({(1,): [1, 2], (2,): [3, 4]}, ["a"]), record(4, Outcome("failed", "no data"), {})]
    for run, data in zip(runs, [("dots", "1a"), ("dots", "2b"), ("dots", "1a"), ("ring", "3c")], strict=False):
        run.data = data
    groups = divide(runs)
    assert [group.label.partition(",")[0] for group in groups] == ["dots (1a)", "dots (2b)", "ring"]
    assert [[run.number for run in group.records] for group in groups] == [[0, 2], [1], [3]]
    headlines = Comparison(Path(), "", {}, runs, [group_of(each) for each in groups]).headlines
    assert [line.partition(",")[0] for line in headlines] == ["dots (1a)", "dots (2b)", "ring"]


def test_the_protocol_that_most_runs_share_ranks_them() -> None:
    """A run that was scored again by itself stays with the others, until all were scored so."""
    runs = grid({(1,): [1], (2,): [2], (3,): [3]}, ["a"])
    for run, tags in zip(runs, [{"evaluate/9.samples": "9"}] * 3, strict=True):
        run.tags |= {"evaluate.samples": "5"} | tags
    runs[0].metrics["eval/9/fcd"] = [(1, 7.0)]
    assert choose(runs).name == "eval/fcd"
    for run in runs[1:]:
        run.metrics["eval/9/fcd"] = [(1, 7.0)]
    assert choose(runs).name == "eval/9/fcd"


def test_settings_without_the_score_are_said_to_be_missing() -> None:
    runs = [record(0, params={"a": 1}, eval__fcd=[3]), record(1, params={"a": 2}, loss__generator=[3])]
    assert "Not ranked because they have no such score: 1 of 2 settings." in group(runs, "eval/fcd").headline


def scored(values: dict[tuple[object, ...], Sequence[float]], coverage: float = 0.9) -> Group:
    """Runs with a Fréchet distance, of which real data have 5, and a coverage, of which they have 1."""
    runs = grid(values, ["a"])
    for run in runs:
        run.metrics = {
            "eval/frechet_classifier_distance": run.metrics.pop("eval/fcd"),
            "eval/coverage": [(1, coverage)],
        }
        run.tags |= {"evaluate.floor.frechet_classifier_distance": "5", "evaluate.floor.coverage": "1"}
    return group(runs)


@pytest.mark.parametrize(
    ("values", "coverage", "headline"),
    [
        ({(1,): [9]}, 0.9, "run 0 has Fréchet classifier distance 9 (one seed), real data 5."),
        (
            {(1,): [9], (2,): [12]},
            0.9,
            "a=1 has the lowest Fréchet classifier distance 9 (one seed), real data 5. "
            "One seed each: nothing can be said about noise; seed=0,1,2 would tell.",
        ),
        (
            {(1,): [9, 11], (2,): [10, 12]},
            0.9,
            "a=1 has the lowest Fréchet classifier distance 10 ± 13 (95 %, 2 seeds), real data 5. "
            "Seeds differ as much: of 1 other settings none is clearly worse.",
        ),
        (
            {(1,): [1500, 1501], (2,): [1800, 1801]},
            0.9,
            "No setting comes near real data, so their order says little. The nearest, a=1, has Fréchet classifier "
            "distance 1500 ± 6.4 (95 %, 2 seeds), real data 5 (300 times as far). "
            "Of 1 other settings: 1 clearly worse.",
        ),
        (
            {(1,): [9]},
            0.05,
            "run 0 is far from real data: Fréchet classifier distance 9 (one seed), real data 5 "
            "(coverage 0.05, real data 1).",
        ),
    ],
)
def test_headlines_say_how_far_real_data_are_and_praise_no_noise(
    values: dict[tuple[object, ...], Sequence[float]], coverage: float, headline: str
) -> None:
    assert scored(values, coverage).headline == headline


def test_no_setting_is_clearly_worse_whose_interval_overlaps_the_best_one_s() -> None:
    best, other = ranking(grid({(1,): [1, 2], (2,): [9, 9.5]}, ["a"]))
    assert best.margin is not None
    assert other.margin is not None
    assert other.difference < best.margin + other.margin
    assert other.p is not None
    assert other.p < 0.05
    assert other.verdict == LIKELY


def test_training_time_is_training_s_own(tmp_path: Path) -> None:
    """Neither a pause before a resume counts, nor what was written down at its start, nor scores measured later."""
    lines = [
        ("params", "", 0, {}),
        ("session", "a", 1, {"members": 2}),
        ("metrics", "epoch", 11, {}),
        ("metrics", "eval/99 mnist:1", 500, {}),  # evaluated after it was killed
        ("tags", "eval/99 mnist:1 …", 500, {}),
        ("tags", "", 1000, {}),  # resumed
        ("session", "b", 1001, {}),
        ("system", "", 1003, {}),
        ("status", "b", 1005, {"status": "FINISHED", "reason": ""}),
        ("metrics", "eval/9 mnist:1", 9000, {}),
        ("figure", "figures/neighbours.png", 9000, {}),
    ]
    content = [
        {"kind": kind, "key": key, "step": 1, "epoch": 1, "time": 1000 * (1_700_000_000 + second), "values": {}}
        | more
        for kind, key, second, more in lines
    ]
    (tmp_path / "journal.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in content))
    (tmp_path / "run.json").write_text('{"name": "it"}')
    run = read_record(JobDirectory(tmp_path), 0, {})
    assert (run.seconds, run.device_seconds) == (10 + 4, 10 / 2 + 4)
