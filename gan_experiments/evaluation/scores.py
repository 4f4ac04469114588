"""The scores of one generator: for MLflow, for a file and for a person."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from gan_experiments.evaluation.score import Score


@dataclass(frozen=True)
class Scores:
    """What was measured, and with what.

    Attributes:
        values: By name.
        floors: What real samples score in the generator's place, by the same names.
        floor_samples: How many real samples those were: as many, where the data set has enough.
        samples: How many samples were judged.
        reference: What they were compared with, in words.
        features: Version of the feature extractor, or None where none was used.
        histogram: Share of samples taken for each class, or None.
        neighbours: Generated images nearest to a training image, and those, uint8 ``[2, n, C, H, W]``, or None.
    """

    values: dict[str, Score]
    floors: dict[str, Score]
    floor_samples: int
    samples: int
    reference: str
    features: str | None
    histogram: list[float] | None = None
    neighbours: np.ndarray | None = None

    def metrics(self, prefix: str = "eval") -> dict[str, float]:
        """Values, and their errors as ``…_error``, by their MLflow names."""
        named = {f"{prefix}/{name}": score.value for name, score in self.values.items()}
        errors = {f"{prefix}/{name}_error": score.error for name, score in self.values.items()}
        return named | {name: error for name, error in errors.items() if error is not None}

    def tags(self, prefix: str = "evaluate") -> dict[str, str]:
        """What has to be equal for scores to be comparable, and the floors, by the names of tags in MLflow."""
        tags = {
            f"{prefix}.samples": str(self.samples),
            f"{prefix}.floor_samples": str(self.floor_samples),
            f"{prefix}.reference": self.reference,
        }
        if self.features is not None:
            tags[f"{prefix}.features"] = self.features
        return tags | {f"{prefix}.floor.{name}": f"{score.value:.6g}" for name, score in self.floors.items()}

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; without the pictures."""
        return {name: value for name, value in asdict(self).items() if name != "neighbours"}

    def table(self) -> str:
        """Lines for a person: what was judged, then each score with its error and its floor."""
        rows = [("score", "value", "error", "real data")]
        for name, score in self.values.items():
            floor = self.floors.get(name)
            rows.append((name, _number(score.value), _number(score.error), _number(floor.value if floor else None)))
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines = [f"{self.samples} samples against {self.reference}, features {self.features or 'none'}"]
        if self.floor_samples != self.samples:
            lines.append(f"  real data has {self.floor_samples} samples to spare: its column is of so many")
        for first, *rest in rows:
            numbers = (text.rjust(width) for text, width in zip(rest, widths[1:], strict=True))
            lines.append(f"  {first.ljust(widths[0])}  {'  '.join(numbers)}")
        if self.histogram is not None and len(self.histogram) <= 20:
            lines.append(f"  classes  {' '.join(f'{share:.1%}' for share in self.histogram)}")
        return "\n".join(lines)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}" if value == int(value) and abs(value) > 1 else f"{value:.4g}"
