"""Keeps what was measured: a line of CSV a point, and the state of the run that is being trained."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, get_type_hints

from gan_experiments.errors import UserError
from gan_experiments.training import checkpoint


@dataclass(frozen=True)
class Point:
    """A contender at a point of one of its runs; of the article's loop, a measurement of one step.

    Attributes:
        contender: Its name.
        recipe: Digest of its configuration.
        seed: Of the run.
        epoch: Epochs finished.
        step: Steps finished.
        seconds: Seconds of training so far.
        startup: Seconds from the start of a process to the first step.
        distance: Fréchet distance on the features of the shipped classifier. This and the following are not numbers
            where the run has diverged.
        referee_distance: The same on those of the classifier that no recipe was chosen by.
        precision: Share of samples that look real.
        recall: Share of real samples that could have been drawn.
        measured: Day and time.
    """

    contender: str
    recipe: str
    seed: int
    epoch: int
    step: int
    seconds: float
    startup: float
    distance: float
    referee_distance: float
    precision: float
    recall: float
    measured: str


_TYPES = get_type_hints(Point)
_COLUMNS = ["data", "conditions", "referees", *_TYPES]


class Records:
    """What was measured under the same conditions; other lines of the files stay as they are.

    Args:
        folder: The folder of ``quality.csv`` and ``quality-run.pt``.
        data: Name of the data set.
        conditions: Machine and versions.
        referees: Versions of the classifiers.

    Raises:
        UserError: The CSV has other columns.
    """

    def __init__(self, folder: Path, data: str, conditions: str, referees: str) -> None:
        self._path, self._state = folder / "quality.csv", folder / "quality-run.pt"
        self._under = [data, conditions, referees]
        self._points = dict[tuple[str, str, int, int], Point]()
        if not self._path.exists():
            self._append(_COLUMNS)
        with self._path.open(newline="", encoding="utf-8") as file:
            lines = list(csv.reader(file))
        if lines[:1] != [_COLUMNS]:
            raise UserError(f"--out {folder}: its quality.csv has other columns; move it away")
        for line in lines[1:]:
            # A line may end in the middle, where the machine went down as it was written.
            if line[:3] == self._under and len(line) == len(_COLUMNS):
                values: list[Any] = [kind(v) for kind, v in zip(_TYPES.values(), line[3:], strict=True)]
                self._keep(Point(*values))

    def _keep(self, point: Point) -> None:
        self._points[point.contender, point.recipe, point.seed, point.epoch] = point

    def _append(self, line: Sequence[object]) -> None:
        whole = not self._path.exists() or self._path.read_bytes()[-1:] in (b"", b"\n")
        with self._path.open("a", newline="", encoding="utf-8") as file:
            if not whole:
                file.write("\n")
            csv.writer(file, lineterminator="\n").writerow(line)

    def run(self, contender: str, recipe: str, seed: int) -> list[Point]:
        """Return the points of a run that are known, in order."""
        points = [point for key, point in self._points.items() if key[:3] == (contender, recipe, seed)]
        return sorted(points, key=lambda point: point.epoch)

    def add(self, point: Point, state: dict[str, Any] | None = None) -> None:
        """Keep a point, and the state from which its run goes on; None where it has come to its end."""
        self._append([*self._under, *astuple(point)])
        self._keep(point)
        if state is None:
            self._state.unlink(missing_ok=True)
        else:
            begun = {"epoch": point.epoch, "seconds": point.seconds, "state": state}
            checkpoint.save(self._state, {"run": self._name(point.contender, point.recipe, point.seed), **begun})

    def begun(self, contender: str, recipe: str, seed: int) -> dict[str, Any] | None:
        """Return the epoch, seconds and state of a run that was interrupted, or None.

        Raises:
            UserError: The file is damaged.
        """
        if not self._state.exists():
            return None
        state = checkpoint.load(self._state)
        return state if state["run"] == self._name(contender, recipe, seed) else None

    def _name(self, *run: object) -> list[str]:
        return [*self._under, *map(str, run)]
