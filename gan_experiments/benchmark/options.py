"""The options of the command: the parts to measure, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

STEP_PARTS = ("article", "hand", "lightning", "eager", "graph", "compile", "tf32", "bf16", "floor", "smaller")
"""Parts that train one run, or bound it; the last trains other networks than the article's."""
NAMED_PARTS = ("optimizer", "exchanges", "tracking", "startup", "host", "quality")
"""Adam alone, runs that come and go, whole commands, and trainings to a target; measured only if named."""
PARTS = (*STEP_PARTS, "sweep", *NAMED_PARTS)
DATA = ("digits", "mnist", "fashion_mnist")


@dataclass(frozen=True)
class Plan:
    """The options of the command.

    Attributes:
        parts: Of ``PARTS``.
        data: One of ``DATA``.
        root: Folder of its files.
        device: As in the configuration.
        threads: Processor threads of every contender.
        rounds: Measurements of each contender.
        seconds: Shortest time of one measurement.
        members: Largest sweep.
        slots: Slots of the stack whose runs come and go.
        precision: Precision of the sweep and of this stack: fp32, tf32 or bf16.
        max_seconds: Longest time of all measurements of one way of training a sweep, at one size.
        epochs: Length of the runs that show the cost of tracking.
        out: Folder of the results.
        seeds: Runs of each contender that trains to the target.
        article_seeds: Runs of the one with the article's recipe among them, which is long.
        contenders: Names of those that train to the target; all, if there are none.
    """

    parts: tuple[str, ...]
    data: str
    root: str
    device: str
    threads: int
    rounds: int
    seconds: float
    members: int
    slots: int
    precision: str
    max_seconds: float
    epochs: int
    out: Path
    seeds: int = 10
    article_seeds: int = 1
    contenders: tuple[str, ...] = ()

    @property
    def sweep_sizes(self) -> list[int]:
        """1, 2, 4, … up to ``members``, which is always included."""
        powers = (2**i for i in range(self.members.bit_length()))
        return sorted({*powers, self.members})
