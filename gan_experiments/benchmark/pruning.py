"""Compares ASHA with the whole grid, by what it finds and spends: ``python -m gan_experiments.benchmark.pruning``.

81 settings of small networks on the digits train with ten seeds each, to their ends, through the slots of one stack.
ASHA then searches the 81 settings ten times, once with each seed; its runs train too, from rung to rung.

The length and the rungs were chosen after shorter grids. Of 27 epochs with rungs at 1, 3 and 9, one search of ten
found a setting within seed noise of the grid's best; with rungs at 2, 6 and 18, seven did: networks have learnt next
to nothing by then. The grid of 54 epochs has the same rungs in proportion, and was trained once.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats

from gan_experiments.configuration.schema import EvaluateConfig, TrainConfig
from gan_experiments.data import digits
from gan_experiments.data.dataset import Dataset
from gan_experiments.evaluation.evaluator import Evaluator
from gan_experiments.models import mlp
from gan_experiments.objectives import NonSaturating
from gan_experiments.sweeps.search.asha import Asha
from gan_experiments.sweeps.search.schedule import COMPLETE, Schedule, Standing, Trial
from gan_experiments.training.events import CheckpointDue, Diverged, EpochFinished
from gan_experiments.training.member import Member
from gan_experiments.training.run_length import RunLength
from gan_experiments.training.slots import Entry
from gan_experiments.training.trainer import Trainer

ETA, RUNGS, EPOCHS, SEEDS, SLOTS = 3, (4, 12, 36), 54, 10, 27
ENDS = (*RUNGS, EPOCHS)
SCORE = "frechet_classifier_distance"
SETTINGS = [
    {"generator_lr": g, "discriminator_lr": d, "latent_dim": z, "dropout": p}
    for g, d, z, p in product((2e-4, 6e-4, 2e-3), (2e-4, 6e-4, 2e-3), (4, 16, 64), (0.0, 0.2, 0.4))
]
Scores = dict[int, dict[int, float]]
"""Of each run, by epoch."""


@dataclass(frozen=True)
class Found:
    """What one search has found.

    Attributes:
        setting: The best setting of those that reached the end.
        complete: How many did.
        steps: Steps that were trained, of all settings together.
    """

    setting: int
    complete: int
    steps: int


class Runs:
    """Trains some of the runs, each from where it is to an epoch, through the slots of a stack.

    Args:
        dataset: What they learn.

    Attributes:
        scores: Of all runs, at the epochs to which they were trained.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.scores: Scores = {}
        self._dataset, self._states = dataset, dict[int, dict[str, Any]]()
        settings = EvaluateConfig(name="quick", samples=500, metrics=["frechet"])
        self._evaluator = Evaluator(settings, dataset, torch.device("cpu"), False)
        self._waiting: list[tuple[int, int]] = []

    def member(self, number: int, until: int = EPOCHS) -> Member:
        """Return a run at its beginning; they are numbered setting by setting, each with all seeds."""
        setting, seed = SETTINGS[number // SEEDS], number % SEEDS
        torch.manual_seed(seed)
        networks = mlp.build(
            self._dataset.sample_shape, "mlp", int(setting["latent_dim"]), [64], [64], 0.2, setting["dropout"]
        )
        train = TrainConfig(
            epochs=EPOCHS,
            batch_size=32,
            betas=[0.5, 0.999],
            generator_lr=setting["generator_lr"],
            discriminator_lr=setting["discriminator_lr"],
            checkpoint_every=EPOCHS,
        )
        return Member(networks, train, seed, NonSaturating("non_saturating"), rungs=(until,))

    def train(self, until: Mapping[int, int]) -> None:
        """Train runs, each to an epoch, and score them there and at the rungs before."""
        self._until, self._waiting = until, sorted(until.items())
        begin = [entry for slot in range(SLOTS) if (entry := self.next(slot, lambda _: None)) is not None]
        trainer = Trainer(
            [entry.member for entry in begin],
            self._dataset,
            device=torch.device("cpu"),
            samples=1,
            sample_every=10 * EPOCHS,
            numbers=[entry.number for entry in begin],
            later=[self.member(number * SEEDS) for number in range(len(SETTINGS))],
            queue=self,
        )
        for entry in begin:
            if entry.state is not None:
                trainer.load(entry.state, entry.number)
        for number, event in trainer.events():
            if isinstance(event, EpochFinished) and event.epoch in ENDS:
                latent_dim = trainer.slot(number).member.networks.latent_dim
                score = self._evaluator.score(trainer.generator(number), latent_dim).values[SCORE].value
                self.scores.setdefault(number, {})[event.epoch] = score
            elif isinstance(event, CheckpointDue) and 0 < event.epoch == until[number] < EPOCHS:
                self._states[number] = event.state
            elif isinstance(event, Diverged):
                raise RuntimeError(f"run {number} diverged: {event.reason}")

    def next(self, slot: int, check: Callable[[Member], object]) -> Entry | None:
        """Return the next of the runs that wait for slots."""
        if not self._waiting:
            return None
        number, until = self._waiting.pop(0)
        if len(self._waiting) % 27 == 0:
            print(f"{len(self._waiting)} runs wait", file=sys.stderr, flush=True)
        return Entry(number, self.member(number, until), self._states.pop(number, None))

    def is_waiting(self) -> bool:
        """Return whether any run waits for a slot."""
        return bool(self._waiting)

    def leaving(self, steps: Mapping[int, int]) -> Collection[int]:
        """Return the runs that have come as far as they are asked to."""
        return [number for number in steps if self._until[number] in self.scores.get(number, ())]


class Search:
    """A search of the settings by ASHA, with one seed, at ``SLOTS`` settings at a time.

    Args:
        scores: Of its runs, as far as they have come.
        seed: Of all its runs.
        length: Of a run.
    """

    def __init__(self, scores: Scores, seed: int, length: RunLength) -> None:
        self._scores, self._length = scores, length
        numbers = [setting * SEEDS + seed for setting in range(len(SETTINGS))]
        self.trials = [Trial(setting, [number], length) for setting, number in enumerate(numbers)]
        self._new = list(self.trials)
        self._schedule = Schedule(self, self, Asha(ETA, len(RUNGS), larger_is_better=False), SLOTS, RUNGS)

    def due(self) -> dict[int, int]:
        """Return the runs that are to be trained now, and to which epoch; none when all is decided."""
        self._schedule.advance()
        due = {trial.runs[0]: ENDS[trial.passed] for trial in self._schedule.at_work}
        return {number: epoch for number, epoch in due.items() if epoch not in self._scores.get(number, ())}

    def left(self) -> int:
        """Return how many settings have not begun."""
        return len(self._new)

    def next(self) -> Trial | None:
        """Return the next setting."""
        return self._new.pop(0) if self._new else None

    def reached(self, trial: Trial, epoch: int, score: float | None) -> None:
        """Note nothing: the score is known."""

    def ended(self, trial: Trial, score: float | None) -> None:
        """Note nothing: the trial knows it."""

    def standing(self, number: int) -> Standing:
        """Return how far a run has come."""
        epoch = max(self._scores.get(number, {0: 0.0}))
        return Standing(self._length.end_of(epoch), ended=epoch == EPOCHS)

    def score(self, trial: Trial, epoch: int) -> float | None:
        """Return a run's score after an epoch."""
        return self._scores[trial.runs[0]].get(epoch)

    def found(self) -> Found:
        """Return what was found."""
        ends = [0, *(self._length.end_of(epoch) for epoch in ENDS)]
        final = [trial for trial in self.trials if trial.end == COMPLETE]
        best = min(final, key=lambda trial: self._scores[trial.runs[0]][EPOCHS])
        return Found(best.number, len(final), sum(ends[trial.passed + (trial in final)] for trial in self.trials))


def report(grid: Scores, found: Sequence[Found], length: RunLength) -> str:
    """Compare ten searches with the grid, in words."""
    values = [[grid[s * SEEDS + seed][EPOCHS] for seed in range(SEEDS)] for s in range(len(SETTINGS))]
    best = int(np.argmin(np.mean(values, axis=1)))
    whole = len(SETTINGS) * length.total_steps
    lines = [f"the grid's best: {_words(best)}: {np.mean(values[best]):.1f} ± {np.std(values[best], ddof=1):.1f}"]
    good = 0
    for seed, own in enumerate(found):
        chosen = values[own.setting]
        test: Any = stats.ttest_ind(values[best], chosen, equal_var=False)  # its type is not declared
        p = 1.0 if own.setting == best else float(test.pvalue)
        good += p >= 0.05
        lines.append(
            f"seed {seed}: {_words(own.setting)}: {np.mean(chosen):.1f} ± {np.std(chosen, ddof=1):.1f}, p = {p:.2f}; "
            f"{own.steps / whole:.1%} of the grid's member-steps, {own.complete} settings complete"
        )
    lines.append(
        f"{good} of {SEEDS} searches found a setting within seed noise of the grid's best (Welch, p >= 0.05)"
    )
    return "\n".join(lines)


def _words(setting: int) -> str:
    return " ".join(f"{key}={value:g}" for key, value in SETTINGS[setting].items())


def main() -> None:
    """Train the grid, or read what was trained before, search it, and print what was found."""
    parser = argparse.ArgumentParser(prog="python -m gan_experiments.benchmark.pruning", description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=Path("benchmark"), help="folder of pruning.json, the grid's scores"
    )
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    whole = digits.load(name="digits", root="data", image_size=28, download=False)
    # Half of them: 81 settings with ten seeds are many runs.
    dataset = replace(whole, samples=whole.samples[::2], labels=None)
    path = out / "pruning.json"
    # 1. The grid, once.
    if not path.exists():
        began, grid = time.monotonic(), Runs(dataset)
        grid.train(dict.fromkeys(range(len(SETTINGS) * SEEDS), EPOCHS))
        print(f"the grid took {(time.monotonic() - began) / 60:.0f} minutes", flush=True)
        path.write_text(json.dumps(grid.scores))
    read = json.loads(path.read_text())
    scores = {int(number): {int(epoch): value for epoch, value in own.items()} for number, own in read.items()}
    # 2. The searches. What they want trained now is trained together; they do not know of each other.
    runs, began = Runs(dataset), time.monotonic()
    length = RunLength.of(len(dataset), runs.member(0).train)
    searches = [Search(runs.scores, seed, length) for seed in range(SEEDS)]
    while due := {number: epoch for search in searches for number, epoch in search.due().items()}:
        runs.train(due)
    print(f"ten searches took {(time.monotonic() - began) / 60:.0f} minutes", flush=True)
    print(report(scores, [search.found() for search in searches], length))


if __name__ == "__main__":
    main()
