"""What a run's folder says about its training: losses, metrics and weights."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gan_experiments.tracking.chain import FILES, SESSION, WRITING, Link
from gan_experiments.tracking.journal import read
from gan_experiments.tracking.run_directory import RunDirectory, step_of
from gan_experiments.training import checkpoint

ELSEWHERE = "elsewhere"
"""Marks lines of the journal that a killed process wrote about steps that one in other conditions trained anew."""
_CONDITIONS = ("processor", "device", "threads", "other_threads", "slots", "packages", "code")


class Recorded:
    """What is in a run's folder.

    Args:
        directory: The folder.
        lines: Its chain.
        there: Names of the files of weights that are as they were written.

    Attributes:
        losses: Of D and G at each step, float32 ``[steps, 2]``.
        states: Steps after which a whole state was kept, and is there.
    """

    def __init__(self, directory: RunDirectory, lines: Sequence[Link], there: Sequence[str]) -> None:
        self._directory, self._lines, self._there = directory, lines, there
        self.losses = np.fromfile(directory.losses, "<f4").reshape(-1, 2)
        self.states = [step_of(path) for path in directory.kept_states() if directory.name_of(path) in there]

    @cached_property
    def metrics(self) -> Mapping[tuple[str, int], list[Mapping[str, Any]]]:
        """The journal's lines with metrics, by key and step; those of other conditions are marked ``ELSEWHERE``."""
        found: dict[tuple[str, int], list[Mapping[str, Any]]] = defaultdict(list)
        elsewhere = self._elsewhere()
        for line, end in read(self._directory.journal):
            if line["kind"] == "metrics":
                mark = {ELSEWHERE: True} if any(first < end <= last for first, last in elsewhere) else {}
                found[line["key"], line["step"]].append(line | mark)
        return found

    def _elsewhere(self) -> list[tuple[int, int]]:
        """Return the bytes of the journal whose lines are marked ``ELSEWHERE``."""
        sessions = [line for line in self._lines if line["kind"] == SESSION]
        return [
            (after["journal"][0], after["journal"][1])
            for before, after in pairwise(sessions)
            if any(before[key] != after[key] for key in _CONDITIONS)
        ]

    def generators(self, step: int, epoch: int | None) -> dict[str, Mapping[str, Tensor]]:
        """Return the weights of generators that were written after a step, by the names of their files.

        Args:
            step: The step.
            epoch: The epoch that it ends; None within one.
        """
        found: dict[str, Mapping[str, Tensor]] = {}
        if epoch is not None and self._has(path := self._directory.generator_after(epoch)):
            found[self._directory.name_of(path)] = checkpoint.load(path)["generator"]
        if self._best is not None and self._best["step"] == step:
            found[self._directory.name_of(self._directory.best_generator)] = self._best["generator"]
        served, weights = self._directory.served_generator()[0], self._served
        if weights is not None and self._served_after == step:
            found[self._directory.name_of(served)] = weights
        return found

    def whole_states(self, step: int) -> dict[str, Mapping[str, Any]]:
        """Return the whole states that were written after a step, by the names of their files."""
        paths = self._directory.state_after(step), self._directory.checkpoint
        due = [path for path, last in zip(paths, (step, self._last), strict=True) if last == step and self._has(path)]
        return {self._directory.name_of(path): checkpoint.load(path)["step_state"] for path in due}

    def _has(self, path: Path) -> bool:
        return self._directory.name_of(path) in self._there

    @cached_property
    def _last(self) -> int | None:
        """The step of the checkpoint."""
        path = self._directory.checkpoint
        return checkpoint.load(path)["step"] if self._has(path) else None

    @cached_property
    def _best(self) -> dict[str, Any] | None:
        path = self._directory.best_generator
        return checkpoint.load(path) if self._has(path) else None

    @cached_property
    def _served(self) -> dict[str, Tensor] | None:
        path = self._directory.served_generator()[0]
        return torch.load(path, map_location="cpu", weights_only=True) if self._has(path) else None

    @cached_property
    def _served_after(self) -> int | None:
        """The step after which the final generator's weights were trained; None where that is not on record."""
        name = self._directory.name_of(self._directory.served_generator()[0])
        line = next(
            line for line in reversed(self._lines) if line["kind"] != WRITING and name in line.get("files", ())
        )
        if line["kind"] != FILES:
            return None
        best = self._best
        return best["step"] if best is not None and best["step"] <= line["step"] else line["step"]
