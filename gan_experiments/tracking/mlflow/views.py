"""A sweep's view in MLflow: which columns, charts and pictures its runs are compared by, and in which order.

MLflow keeps the layout of its pages in the browser, but for views that are shared: those are tags of the experiment,
which the page ``…/runs?viewStateShareKey=KEY`` puts on.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

from gan_experiments.tracking.mlflow.private_formats import SHARED_VIEW
from gan_experiments.tracking.mlflow.shown import LATEST

_SECTIONS = {
    "sweep": {"columns": 2, "cardHeight": 360},
    "pictures": {"columns": 1, "cardHeight": 440},
    "curves": {"columns": 2, "cardHeight": 300},
}
_CURVES = ("loss/discriminator", "loss/generator", "prob/fake", "prob/real")
_MOST_RUNS = 100
_FEW_RUNS = 20
"""Runs of which all are shown at once."""


def shared_view(
    key: str,
    *,
    search: str,
    params: Sequence[str],
    metric: str | None,
    ascending: bool,
    tags: Sequence[str] = (),
    runs: int = 0,
) -> dict[str, str]:
    """Return the tag of an experiment that holds a view of some of its runs.

    Args:
        key: Names the view.
        search: MLflow's search expression for the runs.
        params: Parameters by which they differ.
        metric: MLflow's name of the metric that they are ranked by, or None.
        ascending: Whether small values of it come first.
        tags: Tags that the table of runs shows.
        runs: How many runs there are. Of many, charts and pictures show the first ten until more are asked for:
            every run that is shown costs requests, and a hundred bars or columns of pictures tell nothing.
    """
    sections = {name: f"{key}-{number}" for number, name in enumerate(_SECTIONS)}
    charts = list(_charts(sections, params, metric))
    filled = {chart["metricSectionId"] for chart in charts}  # MLflow shows others as empty boxes
    columns = [*(f"params.`{name}`" for name in params), *(f"tags.`{name}`" for name in tags)]
    columns += [f"metrics.`{metric}`"] if metric else []
    state = {
        "searchFilter": search,
        "orderByKey": f"metrics.`{metric}`" if metric else "attributes.start_time",
        "orderByAsc": ascending if metric else False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": [*columns, "attributes.`Models`"],
        "runsHiddenMode": "SHOW_ALL" if runs <= _FEW_RUNS else "FIRST_10_RUNS",
        "hideEmptyCharts": True,
        "runListHidden": True,  # the charts have the whole width; a click on its edge brings the list back
        "isAccordionReordered": True,  # what it does not name comes after what it does
        "compareRunSections": [
            {"uuid": uuid, "name": name, "display": True, "isReordered": True, "deleted": False} | _SECTIONS[name]
            for name, uuid in sections.items()
            if uuid in filled
        ],
        "compareRunCharts": [
            {"uuid": f"{key}-{number}", "deleted": False, "isGenerated": True, "runsCountToCompare": _MOST_RUNS}
            | chart
            for number, chart in enumerate(charts, len(sections))
        ],
    }
    packed = base64.b64encode(zlib.compress(json.dumps(state).encode(), 9)).decode()
    return {f"{SHARED_VIEW}{key}": f"deflate;{packed}"}


def _charts(sections: dict[str, str], params: Sequence[str], metric: str | None) -> Iterator[dict[str, Any]]:
    place = {"metricSectionId": sections["sweep"]}
    if metric:
        swept = {"selectedParams": list(params), "selectedMetrics": [metric], "showAllRuns": True}
        yield place | swept | {"type": "PARALLEL"}
        yield place | {"type": "BAR", "metricKey": metric}
    # Both pictures of a run below each other, a column a run: of the runs' last states, at their common step 0.
    both = {"imageKeys": [f"{LATEST}samples", f"{LATEST}histograms"], "step": 0, "showRunParams": False}
    yield {"metricSectionId": sections["pictures"], "type": "IMAGE"} | both
    for name in _CURVES:
        yield {"metricSectionId": sections["curves"], "type": "LINE", "metricKey": name, "displayName": name}
