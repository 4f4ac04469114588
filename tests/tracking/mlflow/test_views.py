"""The view of a sweep's runs that its summary leads to, as MLflow's pages read it."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import pytest

from gan_experiments.tracking.mlflow.views import shared_view


def _view(metric: str | None = None, runs: int = 2) -> dict[str, Any]:
    (tag,) = shared_view("one", search="", params=["train.lr"], metric=metric, ascending=False, runs=runs).values()
    return json.loads(zlib.decompress(base64.b64decode(tag.partition(";")[2])))


@pytest.mark.parametrize("metric", [None, "score/recall"])
def test_no_section_is_without_charts(metric: str | None) -> None:
    state = _view(metric)
    sections = {section["uuid"]: section["name"] for section in state["compareRunSections"]}
    filled = {sections[chart["metricSectionId"]] for chart in state["compareRunCharts"]}
    assert filled == set(sections.values()) == {"pictures", "curves"} | ({"sweep"} if metric else set())


@pytest.mark.parametrize(("runs", "shown"), [(20, "SHOW_ALL"), (21, "FIRST_10_RUNS"), (1000, "FIRST_10_RUNS")])
def test_of_many_runs_the_ten_best_are_shown(runs: int, shown: str) -> None:
    state = _view("score/recall", runs)
    assert state["runsHiddenMode"] == shown
    assert (state["orderByKey"], state["orderByAsc"]) == ("metrics.`score/recall`", False)
