"""What scores were measured with: those of different yardsticks do not compare."""

from __future__ import annotations

from typing import NamedTuple

from gan_experiments.reports.record import Record

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

    def __str__(self) -> str:
        features = f", features {self.features}" if self.features else ""
        return f"{self.samples} samples against {self.reference}{features}"


def yardstick(record: Record, name: str) -> Yardstick:
    """What a run's score of this name was measured with."""
    prefix = name[: name.rindex("/") + 1]
    parts = (record.tags.get(f"{tag_of(prefix)}.{part}", "") for part in ("samples", "reference", "features"))
    return Yardstick(prefix, *parts)


def tag_of(prefix: str) -> str:
    """The tag that goes with scores of this prefix: ``evaluate``, ``evaluate/N``."""
    return prefix.replace("eval", "evaluate", 1).removesuffix("/")
