"""Every score of every setting, mean and spread over seeds: the tables that go into a paper."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gan_experiments.evaluation.protocol import ERROR, SCORES, EvaluationProtocol
from gan_experiments.reports.factors import Factor, Setting
from gan_experiments.reports.ranking import repetitions
from gan_experiments.reports.record import RunRecord
from gan_experiments.tracking.naming import plain


class Cell(NamedTuple):
    """A score's mean over the seeds and its standard deviation (n - 1), None for one seed."""

    mean: float
    deviation: float | None

    def __str__(self) -> str:
        """Return ``233.1 ± 2.1``: two digits of the deviation, and as many decimals of the mean."""
        if self.deviation is None or not math.isfinite(self.deviation):
            return f"{self.mean:.4g}"
        if self.deviation == 0:
            return f"{self.mean:.4g} ± 0"
        digits = max(0, 1 - math.floor(math.log10(self.deviation)))
        return f"{self.mean:.{digits}f} ± {self.deviation:.{digits}f}"


@dataclass(frozen=True)
class ScoreTable:
    """The scores that were measured by one protocol.

    Attributes:
        protocol: What they were measured with.
        names: Names of the scores, without the group.
        rows: For each setting its number of seeds and its scores, by name.
        floors: Scores of real samples in the generator's place, by name.
    """

    protocol: EvaluationProtocol
    names: Sequence[str]
    rows: Sequence[tuple[Setting, int, Mapping[str, Cell]]]
    floors: Mapping[str, float]

    def lines(self, factors: Sequence[Factor]) -> list[list[str]]:
        """Return cells as text: the head, a line per setting, and last the scores of real samples."""
        head = [factor.label for factor in factors] or ["setting"]
        lines = [[*head, "seeds", *self.names]]
        for setting, seeds, cells in self.rows:
            values = [plain(setting.values[factor.key]) for factor in factors] or [setting.label]
            lines.append([*values, str(seeds), *(str(cells.get(name, "")) for name in self.names)])
        if self.floors:
            values = (f"{self.floors[name]:.4g}" if name in self.floors else "" for name in self.names)
            lines.append(["real samples", *[""] * len(head), *values])
        return lines


def markdown(tables: Sequence[ScoreTable], factors: Sequence[Factor]) -> str:
    """Return tables in Markdown, each under its protocol."""
    parts = []
    for table in tables:
        head, *rows = ([cell.replace("|", "\\|") for cell in line] for line in table.lines(factors))
        lines = [f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *rows)]
        parts.append("\n".join([f"{table.protocol}; mean ± standard deviation over seeds:", "", *lines, ""]))
    return "\n".join(parts)


def score_tables(settings: Sequence[Setting]) -> list[ScoreTable]:
    """Make a table for each protocol that finished runs were measured with, its settings in the order given."""
    found: dict[EvaluationProtocol, dict[int, list[RunRecord]]] = {}
    for index, setting in enumerate(settings):
        for run in repetitions(setting):
            for protocol in dict.fromkeys(EvaluationProtocol.of(name, run.tags) for name in _scores(run)):
                found.setdefault(protocol, {}).setdefault(index, []).append(run)
    return [
        _table(protocol, [(settings[index], runs) for index, runs in runs_of.items()])
        for protocol, runs_of in found.items()
    ]


def _table(protocol: EvaluationProtocol, settings: Sequence[tuple[Setting, list[RunRecord]]]) -> ScoreTable:
    names: dict[str, None] = {}  # in the order in which they are met
    floors: dict[str, float] = {}
    for _, runs in settings:
        for run in runs:
            names |= dict.fromkeys(name for name in _scores(run) if EvaluationProtocol.of(name, run.tags) == protocol)
            floors |= protocol.floors(run.tags)
    rows = [(setting, len(runs), _cells(runs, list(names))) for setting, runs in settings]
    return ScoreTable(protocol, [name.rpartition("/")[2] for name in names], rows, floors)


def _cells(runs: Sequence[RunRecord], names: Sequence[str]) -> dict[str, Cell]:
    cells = {}
    for name in names:
        values = [value for run in runs if (value := run.last(name)) is not None]
        if values:
            deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
            cells[name.rpartition("/")[2]] = Cell(float(np.mean(values)), deviation)
    return cells


def _scores(run: RunRecord) -> Iterator[str]:
    return (name for name in run.metrics if name.startswith(SCORES) and not name.endswith(ERROR))
