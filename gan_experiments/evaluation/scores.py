"""The scores of one generator: for MLflow, for a file, and as a table."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from gan_experiments.evaluation.protocol import ERROR, TRAINING, EvaluationProtocol
from gan_experiments.evaluation.score import Score


class ScoreBesideReal(NamedTuple):
    """A score of a generator next to that of real samples in its place.

    Attributes:
        value: The generator's score.
        error: Its standard error, or None where it is unknown.
        real: The score of real samples, or None where there is none.
    """

    value: float
    error: float | None
    real: float | None


@dataclass(frozen=True)
class Scores:
    """Scores, and what they were measured with.

    Attributes:
        values: By name.
        floors: Scores of real samples in the generator's place, by the same names.
        floor_samples: Number of real samples that were scored: ``samples``, where the data set has enough.
        samples: Number of samples that were scored.
        reference: The real samples that they were compared with, in words.
        features: Version of the feature extractor, or None where none was used.
        histogram: Share of samples in each class, or None.
        by_class: The distance within each class, by the class's name, or None.
        neighbours: Generated images nearest to a training image, and those, uint8 ``[2, n, C, H, W]``, or None.
    """

    values: dict[str, Score]
    floors: dict[str, Score]
    floor_samples: int
    samples: int
    reference: str
    features: str | None
    histogram: list[float] | None = None
    by_class: dict[str, Score] | None = None
    neighbours: np.ndarray | None = None

    def metrics(self, group: str = TRAINING) -> dict[str, float]:
        """Return values and their errors, by the names under which they are stored."""
        named = {f"{group}/{name}": score.value for name, score in self.values.items()}
        errors = {f"{group}/{name}{ERROR}": score.error for name, score in self.values.items()}
        return named | {name: error for name, error in errors.items() if error is not None}

    def tags(self, group: str = TRAINING) -> dict[str, str]:
        """Return their protocol and the floors, as the tags that are stored with them."""
        protocol = EvaluationProtocol(group, str(self.samples), self.reference, self.features or "")
        return protocol.tags({name: score.value for name, score in self.floors.items()}, self.floor_samples)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON, without the pictures."""
        return {name: value for name, value in asdict(self).items() if name != "neighbours"}

    def beside_real(self) -> dict[str, ScoreBesideReal]:
        """Return each score by its name, with its error and its floor."""
        floors = {name: floor.value for name, floor in self.floors.items()}
        return {
            name: ScoreBesideReal(score.value, score.error, floors.get(name)) for name, score in self.values.items()
        }

    def table(self) -> str:
        """Return lines to print: what was scored, then each score with its error and its floor."""
        rows = [("score", "value", "error", "real data")]
        rows += [(name, *map(_number, numbers)) for name, numbers in self.beside_real().items()]
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines = [f"{self.samples} samples against {self.reference}, features {self.features or 'none'}"]
        if self.floor_samples != self.samples:
            lines.append(f"  real-data column uses {self.floor_samples} samples (all there are)")
        for first, *rest in rows:
            numbers = (text.rjust(width) for text, width in zip(rest, widths[1:], strict=True))
            lines.append(f"  {first.ljust(widths[0])}  {'  '.join(numbers)}")
        if self.histogram is not None and len(self.histogram) <= 20:
            lines.append(f"  classes  {' '.join(f'{share:.1%}' for share in self.histogram)}")
        if self.by_class is not None and len(self.by_class) <= 30:
            lines.append("  distance within each class")
            lines += [
                f"    {name}  {score.value:.4g} ± {score.error or 0:.2g}" for name, score in self.by_class.items()
            ]
        return "\n".join(lines)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}" if value == int(value) and abs(value) > 1 else f"{value:.4g}"
