"""What is to be measured, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

STEP_PARTS = ("article", "hand", "lightning", "eager", "graph", "compile", "tf32", "bf16", "floor")
"""What trains one run, or bounds it."""
COMMAND_PARTS = ("tracking", "startup")
"""Whole commands; only measured where asked for by name."""
PARTS = (*STEP_PARTS, "sweep", *COMMAND_PARTS)
DATA = ("digits", "mnist")


@dataclass(frozen=True)
class Plan:
    """What a person asked for.

    Attributes:
        parts: Of ``PARTS``.
        data: One of ``DATA``.
        root: Where its files lie.
        device: As in the configuration.
        threads: Processor threads of every contender.
        rounds: Measurements of each contender.
        seconds: What one measurement takes at least.
        members: Largest sweep.
        precision: Of the sweep: fp32, tf32 or bf16.
        max_seconds: What all measurements of a sweep's way may take at one size.
        epochs: Length of the runs that show what tracking costs.
        out: Folder of the results.
    """

    parts: tuple[str, ...]
    data: str
    root: str
    device: str
    threads: int
    rounds: int
    seconds: float
    members: int
    precision: str
    max_seconds: float
    epochs: int
    out: Path

    @property
    def sweep_sizes(self) -> list[int]:
        """1, 2, 4, … up to ``members``, which is itself among them."""
        powers = (2**i for i in range(self.members.bit_length()))
        return sorted({*powers, self.members})
