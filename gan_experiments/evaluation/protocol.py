"""The protocol by which scores were measured, and the names under which both are stored.

Scores of a run in training are the metrics ``eval/NAME``, with the tags ``evaluate.…``; those that the command
``evaluate`` measured afterwards, on N samples, are ``eval/N/NAME``, with the tags ``evaluate/N.…``. Journals and
MLflow hold these names, so they cannot change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

TRAINING = "eval"
"""Group of the scores that are measured in training."""
SCORES = f"{TRAINING}/"
"""Beginning of the names of all scores."""
ERROR = "_error"
"""Ending of the names of scores' standard errors."""


def group_of(samples: int) -> str:
    """Return the group of scores that were measured after training, on this many samples."""
    return f"{TRAINING}/{samples}"


class EvaluationProtocol(NamedTuple):
    """The protocol by which scores were measured: only equal protocols may share a table or a ranking.

    Attributes:
        group: Where the scores are stored: ``eval``, or ``eval/N`` for those measured after training.
        samples: Number of samples that were scored; empty where it is unknown.
        reference: The real samples that they were compared with, in words; empty where it is unknown.
        features: Version of the feature extractor; empty where none was used.
    """

    group: str
    samples: str
    reference: str
    features: str = ""

    @classmethod
    def of(cls, metric: str, tags: Mapping[str, str]) -> EvaluationProtocol:
        """Read from a run's tags the protocol of its score of this name."""
        group = metric[: metric.rindex("/")]
        prefix = _tag(group)
        return cls(group, *(tags.get(f"{prefix}.{part}", "") for part in ("samples", "reference", "features")))

    def tags(self, floors: Mapping[str, float], floor_samples: int) -> dict[str, str]:
        """Return the tags that are stored with the scores.

        Args:
            floors: Scores of real samples in the generator's place, by name.
            floor_samples: Number of real samples that were scored.
        """
        prefix = _tag(self.group)
        tags = {
            f"{prefix}.samples": self.samples,
            f"{prefix}.floor_samples": str(floor_samples),
            f"{prefix}.reference": self.reference,
        }
        if self.features:
            tags[f"{prefix}.features"] = self.features
        return tags | {f"{prefix}.floor.{name}": f"{value:.6g}" for name, value in floors.items()}

    def floors(self, tags: Mapping[str, str]) -> dict[str, float]:
        """Read from a run's tags the scores of real samples in the generator's place, by name."""
        prefix = f"{_tag(self.group)}.floor."
        return {key.removeprefix(prefix): float(value) for key, value in tags.items() if key.startswith(prefix)}

    def __str__(self) -> str:
        features = f", features {self.features}" if self.features else ""
        return f"{self.samples} samples against {self.reference}{features}"


def _tag(group: str) -> str:
    return f"evaluate{group.removeprefix(TRAINING)}"
