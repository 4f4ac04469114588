"""A search that asks one by one: what it asks and tells, whatever happens to the processes that train its runs."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import optuna
import pytest
from omegaconf import OmegaConf
from optuna.trial import TrialState

from gan_experiments.configuration.override import parse
from gan_experiments.sweeps.search.asha import Asha
from gan_experiments.sweeps.search.asking import AskedTrials
from gan_experiments.sweeps.search.optuna_pruner import ByOptuna
from gan_experiments.sweeps.search.schedule import NoRungs, Policy
from gan_experiments.sweeps.search.slots import SlotSource
from gan_experiments.sweeps.search.space import find_space
from gan_experiments.training.run_length import RunLength
from tests.support.made_up_runs import Folders, KilledError, MadeUp, follow

LENGTH, RUNGS, METRIC = RunLength(60, 6, 9), (1, 3), "eval/distance"
SPACE = find_space(parse(["train.lr=tag(log,interval(1e-4,1e-2))", "model.latent_dim=range(2,9)", "seed=range(2)"]))
SETTINGS = OmegaConf.create(
    {"n_trials": 14, "sampler": {"_target_": "optuna.samplers.TPESampler", "seed": 0, "n_startup_trials": 4}}
)


class AllAlike:
    """Lengths of runs that are all equally long."""

    def of(self, job: Sequence[str]) -> RunLength:
        return LENGTH


class FromOverrides(dict[int, MadeUp]):
    """Runs that are made up when they are asked for: what becomes of one depends on its overrides alone."""

    asked: AskedTrials

    def __missing__(self, number: int) -> MadeUp:
        overrides = self.asked.overrides(number)
        values = dict(override.split("=") for override in overrides)
        chance, distance = random.Random(str(overrides)), abs(float(values["model.latent_dim"]) - 5)
        run = MadeUp(LENGTH, [distance + chance.random() / epoch for epoch in range(1, 10)])
        if chance.random() < 0.2:
            run.diverges = chance.randrange(1, LENGTH.total_steps)
        self[number] = run
        return run


def policy_of(name: str) -> Policy:
    if name == "asha":
        return Asha(3, len(RUNGS), larger_is_better=False)
    if name == "median":
        return ByOptuna(optuna.pruners.MedianPruner(n_startup_trials=1), RUNGS, "minimize", "a sweep")
    return NoRungs()


def search(study: optuna.Study, runs: FromOverrides, name: str, chance: random.Random | None = None) -> None:
    """One process of a search, from its start or from where it stopped."""
    folders = Folders(runs)

    def values(trial: object) -> list[float] | None:
        score = folders.score(trial, LENGTH.epochs)  # type: ignore[arg-type]
        return None if score is None else [score]

    runs.asked = AskedTrials(study, SETTINGS, SPACE, "a sweep", {METRIC: None}, AllAlike(), values)  # type: ignore[arg-type]
    source = SlotSource(runs.asked, folders, policy_of(name), 3, () if name == "none" else RUNGS, 2)
    follow(source, runs, 6, chance)


def asked(study: optuna.Study) -> list[tuple[Any, ...]]:
    return [(trial.state, trial.params, trial.intermediate_values, trial.value) for trial in study.get_trials()]


@pytest.mark.parametrize("name", ["asha", "median", "none"])
def test_kills_change_neither_questions_nor_answers(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    whole = optuna.create_study()
    search(whole, FromOverrides(), name)
    states = [trial.state for trial in whole.get_trials()]
    assert len(states) == 14
    assert set(states) <= {TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL}
    assert (TrialState.PRUNED in states) == (name != "none")
    # A line for each trial that came to its end, none for one that was pruned.
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(states) - states.count(TrialState.PRUNED)
    assert lines[-1].startswith("search    14 of 14 trials: best eval/distance ")

    kills = 0
    for case in range(3):
        broken, runs, chance = optuna.create_study(), FromOverrides(), random.Random(case)
        while True:
            try:
                search(broken, runs, name, chance)
                break
            except KilledError:
                kills += 1
        assert asked(broken) == asked(whole)
        assert len(capsys.readouterr().out.splitlines()) == len(lines)  # nothing is said twice
    assert kills > 1


def test_it_goes_by_the_trials_that_a_study_has_in_all() -> None:
    """A study that another program has begun: so many are missing, and the pruner knows the others."""
    study = optuna.create_study()
    for value in (1.0, 2.0, 3.0):
        trial = study.ask(SPACE.distributions)
        study.tell(trial, value)
    search(study, FromOverrides(), "none")
    assert len(study.get_trials()) == 14


def test_a_longer_search_leaves_what_was_decided() -> None:
    study, runs = optuna.create_study(), FromOverrides()
    search(study, runs, "asha")
    before = asked(study)
    SETTINGS.n_trials = 20
    try:
        search(study, runs, "asha")
    finally:
        SETTINGS.n_trials = 14
    after = asked(study)
    assert after[:14] == before
    assert len(after) == 20
    assert all(state.is_finished() for state, *_ in after)
