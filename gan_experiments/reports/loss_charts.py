"""The geometry of the charts of losses, in per cent of their areas: one for each setting, all with the same axes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gan_experiments.reports.charts import Axis, Tick
from gan_experiments.reports.factors import Setting
from gan_experiments.reports.record import RunRecord

_POINTS, _FEW_POINTS = 160, 40
"""Points along a curve, and along one of very many."""
_BAND = (10, 90)
"""Percentiles of all runs between which a band lies."""


@dataclass(frozen=True)
class LossChart:
    """The losses of a setting's runs: for each curve its player, ``d`` or ``g``, and its points for SVG."""

    label: str
    runs: Sequence[RunRecord]
    curves: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class LossCharts:
    """A chart for each setting, all with the same axes.

    Attributes:
        charts: The charts.
        bands: Where the losses of most runs lie, of D and of G: points for SVG; only among very many runs.
        steps: The steps of the longest run.
        ticks: Of the losses.
    """

    charts: Sequence[LossChart]
    bands: Sequence[tuple[str, str]]
    steps: int
    ticks: Sequence[Tick]


def losses(settings: Sequence[Setting], many: bool = False) -> LossCharts:
    """Place the losses of D and G over the steps: a curve for each run and player, one scale for all."""
    most = _FEW_POINTS if many else _POINTS
    curves = [(setting, [_resampled(run.losses(), most) for run in setting.runs]) for setting in settings]
    drawn = [means for _, runs in curves for _, means in runs if np.isfinite(means).any()]
    # A setting that diverges must not flatten all others. Losses of critics, and minimax's of G, are below zero.
    highest = [0.1, *(float(np.nanpercentile(means[np.isfinite(means)], 99)) for means in drawn)]
    lowest = [0.0, *(float(np.nanpercentile(means[np.isfinite(means)], 1)) for means in drawn)]
    top = min(max(highest), 2 * float(np.median(highest)))
    axis = Axis(max(min(lowest), -top), 1.05 * top)
    steps = max((int(edges[-1]) for _, runs in curves for edges, _ in runs if len(edges)), default=1)
    charts = []
    for setting, runs in curves:
        lines = [
            (player, _points(edges, means[:, column], steps, axis))
            for edges, means in runs
            for column, player in enumerate("dg")
        ]
        charts.append(LossChart(setting.label, setting.runs, lines))
    bands = list(_bands([each for _, runs in curves for each in runs], steps, axis)) if many else []
    return LossCharts(charts, bands, steps, axis.ticks())


def _points(steps: np.ndarray, values: np.ndarray, last: int, axis: Axis) -> str:
    return " ".join(
        f"{100 * step / last:.4g},{min(max(100 - axis.place(float(value)), -5), 105):.4g}"
        for step, value in zip(steps, values, strict=True)
        if math.isfinite(value)
    )


def _bands(curves: Sequence[tuple[np.ndarray, np.ndarray]], last: int, axis: Axis) -> Iterator[tuple[str, str]]:
    """Yield for each player the outline of where most runs are."""
    at = np.linspace(last / _FEW_POINTS, last, _FEW_POINTS)
    for column, player in enumerate("dg"):
        # A run has no loss where it has not come, and none where its loss is not finite.
        all_runs = np.array(
            [
                np.interp(at, edges, np.where(np.isfinite(means[:, column]), means[:, column], np.nan), right=np.nan)
                for edges, means in curves
                if len(edges)
            ]
        ).reshape(-1, len(at))  # [runs, points]
        known = ~np.isnan(all_runs).all(0)
        if known.any():
            low, high = np.nanpercentile(all_runs[:, known], _BAND, axis=0)
            there, back = (_points(at[known], side, last, axis) for side in (low, high))
            yield player, f"{there} {' '.join(reversed(back.split()))}"


def _resampled(losses: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the last steps of equal stretches ``[P]``, and the mean losses over each ``[P, 2]``."""
    if not len(losses):
        return np.zeros(0, np.int32), np.zeros((0, 2), np.float32)
    edges = np.unique(np.linspace(0, len(losses), min(most, len(losses)) + 1).astype(int))
    means = np.add.reduceat(losses.astype(np.float64), edges[:-1]) / np.diff(edges)[:, None]
    return edges[1:].astype(np.int32), means.astype(np.float32)
