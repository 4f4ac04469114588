"""What runs left behind, and whether two of them are the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from gan_experiments.tracking.run_directory import RunDirectory
from gan_experiments.tracking.run_outcome import outcome
from gan_experiments.tracking.sweep_directory import JobDirectory


def members(sweep: Path) -> list[RunDirectory]:
    """The runs of a sweep, in order."""
    return [RunDirectory(path) for path in sorted(sweep.iterdir()) if path.name.isdigit()]


def losses(run: RunDirectory) -> np.ndarray:
    """Both losses of every step, ``[steps, 2]``."""
    return np.fromfile(run.losses, "<f4").reshape(-1, 2)


def assert_same(found: Path, expected: Path, numbers: range) -> None:
    """These runs are the same, bit for bit."""
    for number in numbers:
        job = JobDirectory(found / str(number))
        assert outcome(job).finished
        assert job.losses.read_bytes() == (expected / str(number) / "losses.f32").read_bytes()


def assert_equal(a: Any, b: Any, place: str = "") -> None:
    """Bit for bit."""
    if isinstance(a, dict):
        assert a.keys() == b.keys(), place
        for key in a:
            assert_equal(a[key], b[key], f"{place}.{key}")
    elif isinstance(a, list | tuple):
        assert_equal(dict(enumerate(a)), dict(enumerate(b)), place)
    elif isinstance(a, torch.Tensor):
        assert torch.equal(a, b), place
    else:
        assert a == b, place
