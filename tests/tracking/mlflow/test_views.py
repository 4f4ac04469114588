"""The view of a sweep's runs that its summary leads to, as MLflow's pages read it."""

from __future__ import annotations

import base64
import json
import zlib

import pytest

from gan_experiments.tracking.mlflow.views import shared_view


@pytest.mark.parametrize("metric", [None, "score/recall"])
def test_no_section_is_without_charts(metric: str | None) -> None:
    (tag,) = shared_view("one", search="", params=["train.lr"], metric=metric, ascending=False).values()
    state = json.loads(zlib.decompress(base64.b64decode(tag.partition(";")[2])))
    sections = {section["uuid"]: section["name"] for section in state["compareRunSections"]}
    filled = {sections[chart["metricSectionId"]] for chart in state["compareRunCharts"]}
    assert filled == set(sections.values()) == {"pictures", "curves"} | ({"sweep"} if metric else set())
