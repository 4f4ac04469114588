"""A metric's own file says all that others need to know of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from gan_experiments import evaluation
from gan_experiments.configuration.fields import modules_in
from gan_experiments.configuration.schema import EvaluateConfig, fields_of
from gan_experiments.data.dataset import Dataset
from gan_experiments.evaluation import metric
from gan_experiments.evaluation.evaluator import Evaluator
from gan_experiments.evaluation.metric import ScoreType, headline, larger_is_better, metrics
from gan_experiments.evaluation.registry import parts_in
from gan_experiments.evaluation.warning_light import WarningLight

PAGE = (Path(evaluation.__file__).with_name("README.md")).read_text(encoding="utf-8")


def test_every_file_is_a_metric_that_may_be_asked_for() -> None:
    assert tuple(metrics()) == modules_in("evaluation/metrics")
    allowed = fields_of(EvaluateConfig)["metrics"][1].metadata["allowed"]
    assert allowed.holds(list(metrics()))
    assert allowed.words == f"a list of any of {', '.join(metrics())}"


def test_a_file_without_its_class_is_told() -> None:
    with pytest.raises(TypeError, match=r"metrics\.\w+: must define one WarningLight, and defines 0"):
        parts_in("evaluation/metrics", WarningLight)


def test_metrics_that_share_a_score_agree_on_it() -> None:
    declared: dict[str, ScoreType] = {}
    for each in metrics().values():
        for name, kind in each.scores.items():
            assert declared.setdefault(name, kind) == kind


def test_the_score_to_judge_by() -> None:
    order = ["frechet_classifier_distance", "frechet_inception_distance", "mode_kl", "class_kl", "classifier_score"]
    for rank, name in enumerate(order):
        assert headline(["coverage", "an_old_score", *(f"{each}_error" for each in order), *order[rank:]]) == name
    assert headline(["memorised", "coverage", "an_old_score"]) == "an_old_score"  # without a rank, by name
    assert headline(["coverage_error"]) is None


LARGER_IS_BETTER = (
    *("precision", "recall", "density", "coverage", "modes", "high_quality"),
    *("classifier_score", "parzen_log_likelihood", "nearest_distance"),
)
SMALLER_IS_BETTER = (
    *("frechet_classifier_distance", "frechet_inception_distance", "class_kl", "mode_kl"),
    *("parzen_sigma", "memorised", "a_score_of_an_old_run"),
)


def test_which_way_is_better() -> None:
    assert all(map(larger_is_better, LARGER_IS_BETTER))
    assert not any(map(larger_is_better, SMALLER_IS_BETTER))


def test_the_page_tells_the_truth_about_each_metric() -> None:
    rows = re.findall(r"^\| `(\w+)`[^|]* \| ([^|]*) \|", PAGE.partition("| `evaluate.metrics` |")[2], re.MULTILINE)
    assert {name: set(re.findall(r"`(\w+)`", scores)) for name, scores in rows} == {
        name: set(metrics()[name].scores) for name, _ in rows
    }
    assert len(rows) >= 6


@pytest.fixture
def from_the_page() -> dict[str, Any]:
    """The classes that the page shows as examples."""
    shown: dict[str, Any] = {}
    for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(code, shown)
    return shown


def test_the_pages_light_is_one(from_the_page: dict[str, Any]) -> None:
    light: WarningLight = from_the_page["LargeLoss"]()
    assert [light.epoch({"loss/generator": loss}) for loss in (1.0, 2000.0)] == [False, True]


def test_a_metric_needs_no_other_entry(
    bundled: Dataset, from_the_page: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(metrics(), "spread", from_the_page["Spread"])
    metric._score_types.cache_clear()
    try:
        judge = Evaluator(EvaluateConfig("test", None, 100, ["mixture", "spread"]), bundled, torch.device("cpu"))
        scores = judge.score_samples(torch.ones(100, 1, 28, 28))
        assert judge.names == ["spread"]  # and no mixture, which images have none of
        assert scores.values["spread"].value == 0
        assert scores.floors["spread"].value > 0.1
        assert headline(scores.values) == "spread"
        assert larger_is_better("spread")
    finally:
        metric._score_types.cache_clear()
