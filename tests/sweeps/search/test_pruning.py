"""Lists of settings that are pruned: what a command line means, what is refused, where rungs are, and a real one."""

from __future__ import annotations

import os
import signal
from argparse import Namespace
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from gan_experiments.configuration.command_line import parse
from gan_experiments.reports.record import read_record
from gan_experiments.sweeps.search.command import expanded
from gan_experiments.sweeps.search.grid import seeds_of
from gan_experiments.sweeps.search.pruning import rungs_of
from gan_experiments.tracking.sweep_directory import JobDirectory, SweepDirectory
from tests.support import real_runs
from tests.support.commands import Command
from tests.support.real_runs import TINY, until_epochs

MEANT = {
    "-m sweep.prune=asha seed=1,2": "hydra/sweeper/pruner=asha seed=1,2 hydra/sweeper=grid",
    "-m sweep.prune=asha hydra.sweeper.pruner.eta=4": (
        "hydra/sweeper/pruner=asha hydra.sweeper.pruner.eta=4 hydra/sweeper=grid"
    ),
    "-m +sweep=widths sweep.prune=median": "+sweep=widths hydra/sweeper/pruner=median hydra/sweeper=grid",
    "-m sweep.prune=none seed=1,2": "seed=1,2",
    "-m hydra/sweeper=optuna sweep.prune=asha": "hydra/sweeper=optuna hydra/sweeper/pruner=asha",
    "-m hydra/sweeper=optuna hydra.sweeper.pruner=asha": "hydra/sweeper=optuna hydra/sweeper/pruner=asha",
    "-m hydra/sweeper=optuna hydra.sweeper.pruner=null": "hydra/sweeper=optuna hydra/sweeper/pruner=none",
    "hydra.mode=MULTIRUN sweep.prune=asha": "hydra.mode=MULTIRUN hydra/sweeper/pruner=asha hydra/sweeper=grid",
    "-m seed=1,2": "seed=1,2",
}


@pytest.mark.parametrize("typed", MEANT)
def test_what_is_typed_stands_for_options(typed: str) -> None:
    found: Namespace = expanded(parse(typed.split()))
    assert found.overrides == MEANT[typed].split()


def test_a_settings_seeds_need_not_be_adjacent() -> None:
    jobs = [[f"seed={seed}", f"train.lr={lr}"] for seed in (0, 1) for lr in (1e-3, 1e-4)]
    assert seeds_of(jobs) == [[0, 2], [1, 3]]


ASHA = {"_target_": "gan_experiments.sweeps.search.asha.Asha", "eta": 3, "min_epochs": None}
RUNGS = [
    (ASHA, 81, [3, 9, 27]),
    (ASHA, 100, [4, 12, 36]),
    (ASHA, 2, [1]),
    (ASHA | {"min_epochs": 1}, 81, [1, 3, 9, 27]),
    (ASHA | {"eta": 4, "min_epochs": 5}, 81, [5, 20, 80]),
    ({"_target_": "optuna.pruners.MedianPruner", "rungs": None}, 50, [5, 10, 15, 20, 25, 30, 35, 40, 45]),
    ({"_target_": "optuna.pruners.MedianPruner", "rungs": None}, 4, [1, 2, 3]),
    ({"_target_": "optuna.pruners.MedianPruner", "rungs": [5, 20]}, 50, [5, 20]),
]


@pytest.mark.parametrize(("settings", "epochs", "rungs"), RUNGS)
def test_rungs(settings: dict[str, object], epochs: int, rungs: list[int]) -> None:
    assert rungs_of(OmegaConf.create(settings), epochs) == rungs


SHORT = (
    *(*TINY, "data=ring", "data.samples=500", "train.batch_size=50", "train.epochs=9", "tracking=off"),
    *("evaluate.samples=100", "tracking.system_metrics=false", "hydra.sweep.dir=sweep"),
)
LIST, SEARCH = "seed=1,2 sweep.prune=", "hydra/sweeper=optuna model.dropout=0.1,0.2 hydra.sweeper.pruner"
FUSED = " hydra/launcher=fused"
REFUSED = {
    f"{LIST}asha": "sweep.prune=asha: needs a launcher with slots, which runs can leave while others train: hydra/",
    f"{LIST}asha hydra/launcher/through=joblib{FUSED}": "sweep.prune=asha: needs a launcher with slots",
    f"{LIST}nope{FUSED}": "sweep.prune=nope: must be one of asha, median, none",
    f"{LIST}asha hydra.sweeper.metric=nope{FUSED}": "hydra.sweeper.metric=nope: no run has it; there are eval/modes",
    f"{LIST}asha evaluate=off{FUSED}": "hydra.sweeper.metric=null: these runs have no score; name one of ",
    f"{LIST}asha train.epochs=1,2{FUSED}": "train.epochs=1,2: must be one value with sweep.prune=asha",
    f"{LIST}asha train.epochs=1{FUSED}": "hydra.sweeper.pruner.min_epochs=1: must be below train.epochs=1",
    f"{LIST}asha hydra.sweeper.pruner.eta=1{FUSED}": "hydra.sweeper.pruner.eta=1: must be a whole number, at least 2",
    f"{LIST}median train.epochs=1{FUSED}": "train.epochs=1: must be at least 2 with a pruner",
    f"{LIST}median hydra.sweeper.pruner.rungs=[3,9]{FUSED}": "hydra.sweeper.pruner.rungs=[3,9]: must be epochs in",
    f"{LIST}median hydra.sweeper.pruner.n_startup=1{FUSED}": "hydra.sweeper.pruner.n_startup=1: no such key",
    f"{LIST}median hydra.sweeper.pruner.n_startup_trials=-1{FUSED}": "_target_=optuna.pruners.MedianPruner: cannot",
    "seed=1,2 hydra.sweeper.pruner=asha": "hydra/sweeper/pruner=asha: goes with hydra/sweeper=optuna; sweep.",
    f"{SEARCH}=asha": "hydra.sweeper.pruner=asha: needs a launcher with slots",
    f"{SEARCH}=nope": "hydra/sweeper/pruner=nope: no such option; hydra/sweeper/pruner has asha, median, none",
    f"{SEARCH}=asha hydra.sweeper.metric=[eval/modes,eval/mode_kl]{FUSED}": (
        "hydra.sweeper.metric=[eval/modes,eval/mode_kl]: must be one metric with hydra.sweeper.pruner=asha"
    ),
    f"{SEARCH}._target_=optuna.pruners.Nope{FUSED}": "hydra.sweeper.pruner._target_=optuna.pruners.Nope: cannot be",
    f"{SEARCH}._target_=builtins.dict{FUSED}": "pruner._target_=builtins.dict: must be one of optuna.pruners",
}


@pytest.mark.slow
@pytest.mark.parametrize("typed", REFUSED)
def test_one_line_and_nothing_written(typed: str, command: Command) -> None:
    answer = command("-m", *SHORT, *typed.split())
    assert answer.status == 2, answer.err
    assert answer.err.startswith("error: ")
    assert REFUSED[typed] in answer.err
    assert answer.err.count("\n") == 1
    assert answer.files == []


def story(sweep: SweepDirectory) -> list[tuple[object, ...]]:
    """What became of each run, and everything that it recorded of its training, in order."""
    records = [read_record(job, job.number(), {}) for job in sweep.jobs()]
    return [(run.number, run.outcome, run.pruned, run.steps, run.metrics["loss/generator"]) for run in records]


@pytest.mark.slow
def test_a_list_is_pruned_and_killing_it_changes_nothing(tmp_path: Path) -> None:
    """Four settings in two places: two pass the first rung, one the second."""
    lists = ("train.lr=1e-4,1e-3", "model.latent_dim=2,3", "sweep.prune=asha", "fused.slots=2", "train.epochs=4")
    asha = ("hydra.sweeper.pruner.eta=2", "hydra.sweeper.pruner.min_epochs=1", "hydra.sweeper.metric=loss/generator")
    line = ("-m", "hydra/launcher=fused", *SHORT, *lists, *asha, "evaluate=off", "train.checkpoint_every=3")
    said = real_runs.succeed(tmp_path, *line, "hydra.sweep.dir=whole").out
    whole, broken = SweepDirectory(tmp_path / "whole"), SweepDirectory(tmp_path / "sweep")
    assert [len([run for run in story(whole) if run[2] == rung]) for rung in (1, 2, None)] == [2, 1, 1]
    assert any(line.startswith("pruning   4 of 4 settings, 3 pruned: best loss/generator ") for line in said)
    assert whole.content()["pruning"] == {
        **{"pruner": "asha", "eta": 2, "rungs": [1, 2], "epochs": 4, "metric": "loss/generator", "places": 2}
    }
    process = real_runs.start(tmp_path, *line)
    until_epochs(JobDirectory(broken.path / "2"), 1, process)
    os.killpg(process.pid, signal.SIGKILL)
    real_runs.end(process)
    real_runs.succeed(tmp_path, "-m", f"sweep.resume={broken.path}")
    assert story(broken) == story(whole)


def test_one_run_is_not_pruned(command: Command) -> None:
    answer = command("sweep.prune=asha")
    assert (answer.status, answer.err) == (2, "error: sweep.prune=asha: needs -m, which makes a sweep of it\n")
