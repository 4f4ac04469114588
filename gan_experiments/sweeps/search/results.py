"""The results of a search: for the user, for programs, and for the sweep's summary."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import yaml
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from gan_experiments.sweeps.search.space import chosen
from gan_experiments.sweeps.search.trials import count_ended, of_sweep
from gan_experiments.tracking.run_directory import write_atomically
from gan_experiments.tracking.sweep_directory import SweepDirectory
from gan_experiments.tracking.terminal import say


def best(study: Study) -> list[FrozenTrial]:
    """Return the best trial (the first on ties); for several metrics, the Pareto front in the order of number.

    Empty if no trial has a score.
    """
    if len(study.directions) > 1:
        return sorted(study.best_trials, key=lambda trial: trial.number)
    sign = -1 if study.direction == StudyDirection.MAXIMIZE else 1
    return sorted(_scored(study), key=lambda trial: sign * trial.values[0])[:1]


def so_far(study: Study, metrics: Iterable[str]) -> str:
    """Say in half a line what a study has found so far."""
    found = best(study)
    if not found:
        return "none has a score yet"
    if len(study.directions) > 1:
        return f"{len(found)} of them on the Pareto front"
    return f"best {_scores(metrics, found[0].values)}"


def write(study: Study, directory: SweepDirectory) -> None:
    """Write the results into the sweep's folder, and print them."""
    sweep = directory.content()
    own = of_sweep(study, sweep["nonce"])
    search, runs = sweep["search"], {tried.trial.number: [*tried.numbers] for tried in own}
    found = [
        {"params": trial.params, "values": trial.values, "runs": runs.get(trial.number, [])} for trial in best(study)
    ]
    content: dict[str, Any] = {"name": "optuna", **search}
    if len(study.directions) > 1:
        content["solutions"] = found
    elif found:
        content |= {"best_params": found[0]["params"], "best_value": found[0]["values"][0]}
    write_atomically(directory.search_results, yaml.safe_dump(content, sort_keys=False).encode())
    said = [_in_words(search["metrics"], trial) for trial in found]
    directory.remember(
        search=search | {"best": [trial | {"in_words": words} for trial, words in zip(found, said, strict=True)]}
    )
    aims = ", ".join(f"{way} {name}" for name, way in zip(search["metrics"], search["directions"], strict=True))
    pruned = len(study.get_trials(deepcopy=False, states=(TrialState.PRUNED,)))
    counts = (
        f"{count_ended(study)} trials, {len(_scored(study))} with a score{f', {pruned} pruned' if pruned else ''}"
    )
    say(f"search    {counts}; {aims}", sys.stdout)
    for words in said:
        say(f"{'best' if len(study.directions) == 1 else 'front':<9} {words}", sys.stdout)


def _in_words(metrics: Iterable[str], trial: Mapping[str, Any]) -> str:
    """Describe one of the best trials in a line: its scores, its runs, and the overrides that make it."""
    runs = trial["runs"]
    where = f" (run {runs[0]})" if len(runs) == 1 else f" (runs {runs[0]} to {runs[-1]})" if runs else ""
    return f"{_scores(metrics, trial['values'])}{where}: {shlex.join(chosen(trial['params']))}"


def _scores(metrics: Iterable[str], values: Iterable[float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in zip(metrics, values, strict=True))


def _scored(study: Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
