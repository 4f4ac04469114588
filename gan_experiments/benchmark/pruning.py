"""What ASHA finds, and what it spends, next to the whole grid: ``python -m gan_experiments.benchmark.pruning``.

81 settings of small networks on the digits train with ten seeds each, to their ends, through the slots of one stack,
and are scored at every rung. ASHA then searches the 81 settings ten times, once with each seed. What it would have
trained it finds in the grid's scores: a run's score at a rung does not depend on what is stopped around it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Collection, Mapping
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
from gan_experiments.sweeps.search.schedule import Schedule, Standing, Trial
from gan_experiments.training.events import Diverged, EpochFinished
from gan_experiments.training.member import Member
from gan_experiments.training.run_length import RunLength
from gan_experiments.training.slots import Entry
from gan_experiments.training.trainer import Trainer

ETA, RUNGS, EPOCHS, SEEDS, SLOTS = 3, (1, 3, 9), 27, 10, 27
SCORE = "frechet_classifier_distance"
SETTINGS = [
    {"generator_lr": g, "discriminator_lr": d, "latent_dim": z, "dropout": p}
    for g, d, z, p in product((2e-4, 6e-4, 2e-3), (2e-4, 6e-4, 2e-3), (4, 16, 64), (0.0, 0.2, 0.4))
]
Scores = dict[int, dict[int, float]]
"""Of each run, by epoch."""


class Grid:
    """All runs of the grid, which wait for slots.

    Args:
        dataset: What they learn.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.dataset, self._numbers = dataset, iter(range(len(SETTINGS) * SEEDS))
        self._left = len(SETTINGS) * SEEDS

    def member(self, number: int) -> Member:
        """Return a run: setting by setting, each with all seeds."""
        setting, seed = SETTINGS[number // SEEDS], number % SEEDS
        torch.manual_seed(seed)
        networks = mlp.build(
            self.dataset.sample_shape, "mlp", int(setting["latent_dim"]), [64], [64], 0.2, setting["dropout"]
        )
        train = TrainConfig(
            epochs=EPOCHS,
            batch_size=32,
            betas=[0.5, 0.999],
            generator_lr=setting["generator_lr"],
            discriminator_lr=setting["discriminator_lr"],
            checkpoint_every=EPOCHS,
        )
        return Member(networks, train, seed, NonSaturating("non_saturating"))

    def next(self, slot: int, check: Callable[[Member], object]) -> Entry | None:
        """Return the next run."""
        number = next(self._numbers, None)
        if number is None:
            return None
        self._left -= 1
        return Entry(number, self.member(number))

    def is_waiting(self) -> bool:
        """Return whether any run waits for a slot."""
        return self._left > 0

    def leaving(self, steps: Mapping[int, int]) -> Collection[int]:
        """Return none: all go to their ends."""
        return ()


def train(dataset: Dataset) -> Scores:
    """Train the grid; return the scores of every run at every rung and at its end."""
    grid, device = Grid(dataset), torch.device("cpu")
    settings = EvaluateConfig(name="quick", samples=500, metrics=["frechet"])
    evaluator = Evaluator(settings, dataset, device, False)
    first = [grid.next(slot, lambda _: None) for slot in range(SLOTS)]
    trainer = Trainer(
        [entry.member for entry in first if entry is not None],
        dataset,
        device=device,
        samples=1,
        sample_every=10 * EPOCHS,
        later=[grid.member(number * SEEDS) for number in range(len(SETTINGS))],
        queue=grid,
    )
    scores: Scores = {}
    for number, event in trainer.events():
        own = scores.setdefault(number, {})
        if isinstance(event, EpochFinished) and event.epoch in (*RUNGS, EPOCHS):
            latent_dim = trainer.slot(number).member.networks.latent_dim
            own[event.epoch] = evaluator.score(trainer.generator(number), latent_dim).values[SCORE].value
            done = sum(EPOCHS in each for each in scores.values())
            if event.epoch == EPOCHS and done % 27 == 0:
                print(f"{done} of {len(SETTINGS) * SEEDS} runs are complete", file=sys.stderr, flush=True)
        if isinstance(event, Diverged):
            print(f"run {number} diverged: {event.reason}", file=sys.stderr, flush=True)
    return scores


class Replay:
    """ASHA's trials and runs, taken from the grid's scores.

    Args:
        scores: Of the grid.
        seed: Of all runs.
        length: Of a run.
    """

    def __init__(self, scores: Scores, seed: int, length: RunLength) -> None:
        self._scores, self._length = scores, length
        numbers = [setting * SEEDS + seed for setting in range(len(SETTINGS))]
        self.trials = [Trial(setting, [number], length) for setting, number in enumerate(numbers)]
        self._new = iter(self.trials)
        self._left = len(self.trials)

    def left(self) -> int:
        """Return how many settings have not begun."""
        return self._left

    def next(self) -> Trial | None:
        """Return the next setting."""
        trial = next(self._new, None)
        self._left -= trial is not None
        return trial

    def reached(self, trial: Trial, epoch: int, score: float | None) -> None:
        """Note nothing."""

    def ended(self, trial: Trial, score: float | None) -> None:
        """Note nothing."""

    def standing(self, number: int) -> Standing:
        """Return that a run is complete, or failed."""
        return Standing(self._length.total_steps, ended=True, failed=EPOCHS not in self._scores[number])

    def score(self, trial: Trial, epoch: int) -> float | None:
        """Return the score that the grid's run had after an epoch."""
        return self._scores[trial.runs[0]].get(epoch)


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


def search(scores: Scores, seed: int, length: RunLength, places: int) -> Found:
    """Search the settings by ASHA, with one seed, at ``places`` settings at a time."""
    replay = Replay(scores, seed, length)
    Schedule(replay, replay, Asha(ETA, len(RUNGS), larger_is_better=False), places, RUNGS).advance()
    ends = [0, *(length.end_of(epoch) for epoch in (*RUNGS, EPOCHS))]
    final = [trial for trial in replay.trials if trial.passed == len(RUNGS) and trial.end == "complete"]
    reached = [trial.passed + (trial in final) for trial in replay.trials]
    best = min(final, key=lambda trial: scores[trial.runs[0]][EPOCHS])
    return Found(best.number, len(final), sum(ends[count] for count in reached))


def report(scores: Scores, length: RunLength) -> str:
    """Compare ten searches with the grid, in words."""
    values = [[scores[s * SEEDS + seed].get(EPOCHS, np.inf) for seed in range(SEEDS)] for s in range(len(SETTINGS))]
    best = int(np.argmin(np.mean(values, axis=1)))
    whole = len(SETTINGS) * length.total_steps
    lines = [f"the grid's best: {_words(best)}: {np.mean(values[best]):.1f} ± {np.std(values[best], ddof=1):.1f}"]
    good = 0
    for seed in range(SEEDS):
        found = search(scores, seed, length, SLOTS)
        chosen = values[found.setting]
        test: Any = stats.ttest_ind(values[best], chosen, equal_var=False)  # its type is not declared
        p = 1.0 if found.setting == best else float(test.pvalue)
        good += p >= 0.05
        alone = int(np.argmin([own[seed] for own in values]))
        lines.append(
            f"seed {seed}: {_words(found.setting)}: {np.mean(chosen):.1f} ± {np.std(chosen, ddof=1):.1f}, "
            f"p = {p:.2f}; {'the' if alone == found.setting else 'not the'} best of this seed's 81; "
            f"{found.steps / whole:.1%} of the grid's member-steps, {found.complete} settings complete"
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
    if not path.exists():
        began = time.monotonic()
        scores = train(dataset)
        print(f"the grid took {(time.monotonic() - began) / 60:.0f} minutes", flush=True)
        path.write_text(json.dumps(scores))
    read = {int(number): {int(e): v for e, v in own.items()} for number, own in json.loads(path.read_text()).items()}
    print(report(read, RunLength.of(len(dataset), Grid(dataset).member(0).train)))


if __name__ == "__main__":
    main()
