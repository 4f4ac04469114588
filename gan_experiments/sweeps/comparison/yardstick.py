"""What scores were measured with: those of different yardsticks do not compare."""

from __future__ import annotations

from typing import NamedTuple

from gan_experiments.sweeps.comparison.record import Record

SCORES = "eval/"


class Yardstick(NamedTuple):
    """What scores were measured with. Only those of equal yardsticks may share a table or a ranking.

    Attributes:
        prefix: How their names begin: ``eval/``, or ``eval/N/`` for what ``gan_experiments.evaluate`` measured.
        samples: How many samples were scored.
        reference: What they were compared with.
        features: Version of the feature extractor; empty where none was used.
    """

    prefix: str
    samples: str
    reference: str
    features: str

    @property
    def tag(self) -> str:
        """How the names of their tags begin: ``evaluate.``, ``evaluate/N.``."""
        return _tag(self.prefix)

    def __str__(self) -> str:
        features = f", features {self.features}" if self.features else ""
        return f"{self.samples} samples against {self.reference}{features}"


def yardstick(record: Record, name: str) -> Yardstick:
    """What a run's score of this name was measured with."""
    prefix = name[: name.rindex("/") + 1]
    parts = (record.tags.get(f"{_tag(prefix)}{part}", "") for part in ("samples", "reference", "features"))
    return Yardstick(prefix, *parts)


def _tag(prefix: str) -> str:
    return f"{prefix.replace('eval', 'evaluate', 1).removesuffix('/')}."
