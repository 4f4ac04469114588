"""A search with Optuna: what it asks, what it tells, what it finds, and how it goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
import yaml
from omegaconf import OmegaConf
from optuna.trial import FrozenTrial, TrialState

from gan_experiments.sweeps.search.sampler import make_sampler
from gan_experiments.tracking.run_directory import RunDirectory
from gan_experiments.tracking.sweep_directory import SweepDirectory
from tests.support import real_runs
from tests.support.commands import Command
from tests.support.real_runs import TINY, client, database, lines, until_epochs

pytestmark = pytest.mark.slow

SEARCH = (
    "-m",
    "hydra/sweeper=optuna",
    "hydra.sweep.dir=sweep",
    *TINY,
    *("data=ring", "data.samples=500", "train.batch_size=50", "train.epochs=1"),
    *("evaluate.samples=100", "tracking=off", "tracking.system_metrics=false"),
)
"""Runs of ten steps."""
SPACE = ("train.lr=tag(log,interval(1e-4,1e-2))", "model.latent_dim=range(2,9)")
METRICS = METRIC, _ = "eval/mode_kl", "eval/high_quality"


def trials(storage: str | Path) -> list[FrozenTrial]:
    """What the only study of a database has."""
    url = str(storage) if "://" in str(storage) else f"sqlite:///{storage}"
    (name,) = optuna.get_all_study_names(url)
    return optuna.load_study(study_name=name, storage=url).get_trials()


def score(folder: Path, metric: str = METRIC) -> float:
    """The last one that a run has."""
    return [line["values"][metric] for line in lines(RunDirectory(folder), "metrics") if metric in line["values"]][-1]


@pytest.fixture(scope="session")
def fused(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> tuple[Path, real_runs.Ended]:
    """Three trials, two at a time, in the slots of one program, in MLflow; look, but do not touch."""
    folder = tmp_path_factory.mktemp("search")
    (folder / "mlflow.db").write_bytes(empty_database.read_bytes())
    size = ("hydra.sweeper.n_trials=3", "hydra.sweeper.n_jobs=2")
    ended = real_runs.succeed(folder, *SEARCH, "tracking=local", "hydra/launcher=fused", *SPACE, *size)
    return folder, ended


def test_a_trial_is_asked_for_when_a_slot_is_free(fused: tuple[Path, real_runs.Ended]) -> None:
    runs = SweepDirectory(fused[0] / "sweep").jobs()
    assert [run.number() for run in runs] == [0, 1, 2]
    assert [lines(run, "session")[0]["members"] for run in runs] == [2, 2, 2]
    slots = json.loads((fused[0] / "sweep" / "report" / "slots.json").read_text())
    assert (slots["programs_built"], slots["runs"]) == (1, 3)


def test_it_is_told_the_scores_of_its_runs(fused: tuple[Path, real_runs.Ended]) -> None:
    sweep = fused[0] / "sweep"
    told = trials(sweep / "optuna.db")
    assert [trial.value for trial in told] == [score(sweep / str(trial.number)) for trial in told]
    for trial in told:
        overrides = json.loads((sweep / str(trial.number) / "job.json").read_text())["overrides"]
        assert {f"{key}={value}" for key, value in trial.params.items()} <= set(overrides)
        assert isinstance(trial.params["model.latent_dim"], int)


def test_the_report_the_file_and_the_last_lines_call_the_same_trial_best(fused: tuple[Path, real_runs.Ended]) -> None:
    sweep, ended = SweepDirectory(fused[0] / "sweep"), fused[1]
    best = min(trials(sweep.path / "optuna.db"), key=lambda trial: trial.value)
    found = yaml.safe_load(sweep.search_results.read_text())
    assert (found["name"], found["best_params"], found["best_value"]) == ("optuna", best.params, best.value)
    report = json.loads((sweep.report / "report.json").read_text())
    assert report["metric"]["name"] == METRIC
    assert report["best"]["folder"] == str(best.number)
    (said,) = (line for line in ended.out if line.startswith("best "))
    assert said.startswith(f"best      {METRIC} {best.value:.4g} (run {best.number}): model.latent_dim=")


def test_the_summary_in_mlflow_has_what_was_found(fused: tuple[Path, real_runs.Ended]) -> None:
    sweep = SweepDirectory(fused[0] / "sweep").content()
    mlflow = client(database(fused[0]))
    summary = mlflow.get_run(sweep["run_id"])
    assert summary.data.params == {f"swept.{key}": text for key, _, text in (line.partition("=") for line in SPACE)}
    assert sweep["search"]["best"][0]["in_words"] in summary.data.tags["mlflow.note.content"]
    assert "optimization_results.yaml" in {item.path for item in mlflow.list_artifacts(sweep["run_id"])}


def test_a_killed_search_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    sweep = SweepDirectory(tmp_path / "sweep")
    size = ("hydra.sweeper.n_trials=3", "hydra.sweeper.n_jobs=2", "hydra.sweeper.sampler.n_startup_trials=1")
    length = ("data.samples=2000", "train.epochs=16", "train.checkpoint_every=1")
    process = real_runs.start(tmp_path, *SEARCH, *SPACE, *size, *length)
    until_epochs(RunDirectory(sweep.path / "1"), 3, process)
    os.killpg(process.pid, signal.SIGKILL)
    real_runs.end(process)
    real_runs.succeed(tmp_path, "-m", f"sweep.resume={sweep.path}")
    asked = trials(sweep.path / "optuna.db")
    assert {trial.state for trial in asked} == {TrialState.COMPLETE}
    assert [run.number() for run in sweep.jobs()] == [0, 1, 2]
    starts = [[line["step"] for line in lines(run, "session")] for run in sweep.jobs()]
    assert [len(steps) for steps in starts] == [1, 2, 1]
    assert starts[1][1] > 0  # from its checkpoint
    # What a search that nothing has stopped would have asked.
    study = optuna.create_study()
    sampler = OmegaConf.create({"_target_": "optuna.samplers.TPESampler", "seed": 0, "n_startup_trials": 1})
    for first in (0, 2):
        for trial in asked[first : first + 2]:
            study.sampler = make_sampler(sampler, trial.number)
            assert study.ask(trial.distributions).params == trial.params
        for trial in asked[first : first + 2]:
            study.tell(trial.number, trial.value)


def test_a_failed_trial_is_told_so_and_tried_again_when_the_search_goes_on(command: Command) -> None:
    """What it lacked the first time is there the second time."""
    Path("unready_data.py").write_text(
        "import pathlib\n"
        "from gan_experiments.data import mixtures\n"
        "def load(name, late):\n"
        "    if late and not pathlib.Path('mounted').exists() and pathlib.Path('sweep').exists():\n"
        "        raise OSError('the disk is not mounted')\n"
        "    return mixtures.ring(name, 8, 1.0, 0.01, 500, 0)\n"
    )
    data = ("~data", "+data={_target_: unready_data.load, name: ring, late: false}", "data.late=true,false")
    search = [argument for argument in SEARCH if not argument.startswith("data")]
    answer = command(*search, *data, "hydra.sweeper.n_trials=3", "hydra.sweeper.n_jobs=3")
    assert answer.status == 1
    storage = Path("sweep", "optuna.db").absolute()
    first = trials(storage)
    late = [trial.number for trial in first if trial.params["data.late"]]
    assert 0 < len(late) < 3
    assert [trial.number for trial in first if trial.state == TrialState.FAIL] == late
    Path("mounted").touch()
    again = command("sweep.resume=sweep")
    assert again.status == 0, again.err
    scored = [trial for trial in trials(storage) if trial.state == TrialState.COMPLETE]
    assert len(scored) == 3
    assert [run.number() for run in SweepDirectory("sweep").jobs()] == [0, 1, 2]
    assert "search    3 trials, 3 with a score" in again.out


TWO = ("hydra.sweeper.metric=[eval/mode_kl,eval/high_quality]", "hydra/sweeper/sampler=nsgaii")
STUDY = ("hydra.sweeper.storage=sqlite:///studies.db", "hydra.sweeper.study_name=mine")


def test_several_metrics_several_seeds_and_a_study_that_goes_on_elsewhere(command: Command) -> None:
    search = (*SEARCH, *SPACE, *TWO, *STUDY, "seed=range(2)", "hydra/launcher=fused", "train.epochs=3")
    answer = command(*search, "hydra.sweeper.n_trials=2", "hydra.sweeper.n_jobs=2")
    assert answer.status == 0, answer.err
    told = trials(Path("studies.db").absolute())
    for trial in told:
        runs = [Path("sweep", str(2 * trial.number + seed)) for seed in range(2)]
        assert trial.values == [sum(score(run, metric) for run in runs) / 2 for metric in METRICS]
    front = [
        one
        for one in told
        if not any(
            other.values != one.values and other.values[0] <= one.values[0] and other.values[1] >= one.values[1]
            for other in told
        )
    ]
    found = yaml.safe_load(Path("sweep/optimization_results.yaml").read_text())
    assert [trial["values"] for trial in found["solutions"]] == [trial.values for trial in front]
    assert answer.out.count("\nfront     eval/mode_kl ") == len(front)
    report = json.loads(Path("sweep/report/report.json").read_text())
    assert "The Pareto front of eval/mode_kl and eval/high_quality: " in report["headline"]

    answer = command(*search, "hydra.sweeper.n_trials=3", "hydra.sweep.dir=other")
    assert answer.status == 0, answer.err
    assert [run.number() for run in SweepDirectory("other").jobs()] == [0, 1]
    goes_on = trials(Path("studies.db").absolute())
    assert len(goes_on) == 3
    assert goes_on[2].params not in [trial.params for trial in told]

    answer = command(*SEARCH, *SPACE, *STUDY, "hydra.sweep.dir=third")
    assert answer.status == 2
    assert answer.err.startswith(
        "error: hydra.sweeper.study_name=mine: there is a study of this name, and it goes by"
    )
    assert not Path("third").exists()


REFUSED = {
    "train.lr=1e-3": "hydra/sweeper=optuna: there is nothing to search",
    "train.lr=tag(log,interval(0,1))": "train.lr=tag(log,interval(0,1)): ",
    "train.lr=interval(-1,1)": "train.lr=-1.0: must be a number, above 0",
    "train.lrr=interval(0.1,1)": "train.lrr=0.1: no such key; did you mean train.lr?",
    "model.latent_dim=interval(2,8)": "must be a whole number, at least 1",
    "model.dropout=choice(0.1,2)": "model.dropout=2.0: must be a number, at least 0 and below 1",
    "model=mlp_small,nope": "model=nope: no such option",
    "tracking.experiment=a,b": "tracking.experiment=a,b: must be one value",
    "hydra/sweeper=basic model.dropout=interval(0,1)": "model.dropout=interval(0,1): an interval has no end",
}
"""Of the space."""
REFUSED_KEYS = {
    "n_trials=0": "n_trials=0: must be a whole number, at least 1",
    "n_jobs=many": "n_jobs=many: ",
    "trials=3": "trials=3: no such key",
    "metric=eval/precision": "metric=eval/precision: no run has it; there are eval/modes, eval/high_quality, ",
    "metric=null evaluate=off": "metric=null: these runs have no score; name one of equilibrium_distance, ",
    "direction=[minimize,maximize]": "direction=[minimize,maximize]: must be one per metric, and there are 1",
    "direction=down": "direction=down: must be minimize or maximize",
    "direction=maximize": "direction=maximize: of eval/mode_kl smaller is better",
    "sampler._target_=optuna.samplers.Nope": "sampler._target_=optuna.samplers.Nope: cannot be made (",
    "sampler._target_=builtins.dict": "sampler._target_=builtins.dict: must be one of optuna.samplers",
    "sampler.n_startup=9": "sampler.n_startup=9: no such key",
    "sampler.seed=-1": "sampler.seed=-1: must be a whole number, at least 0, or null",
    "storage=here": "storage=here: allowed are sqlite:///FILE, postgresql://",
    "storage=sqlite:///nowhere/studies.db": "storage=sqlite:///nowhere/studies.db: the folder ",
}
"""Of ``hydra.sweeper``."""
REFUSED |= {
    f"model.dropout=0.1,0.2 hydra.sweeper.{key}": f"hydra.sweeper.{line}" for key, line in REFUSED_KEYS.items()
}
REFUSED["model.dropout=0.1,0.2 hydra/sweeper/sampler=nope"] = (
    "hydra/sweeper/sampler=nope: no such option; hydra/sweeper/sampler has nsgaii, random, tpe"
)


@pytest.mark.parametrize("typed", REFUSED)
def test_one_line_and_nothing_written(typed: str, command: Command) -> None:
    answer = command(*SEARCH, *typed.split())
    assert answer.status == 2
    assert answer.err.startswith("error: ")
    assert REFUSED[typed] in answer.err
    assert answer.err.count("\n") == 1
    assert answer.files == []


def test_a_preset_brings_the_sweeper_with_it(command: Command) -> None:
    answer = command("-m", "+sweep=search", "hydra.sweeper.metric=nope")
    assert answer.err.startswith("error: hydra.sweeper.metric=nope: no run has it; there are eval/frechet_classifier")
    assert answer.files == []


def test_hydra_finds_the_sweeper_and_does_not_import_optuna_for_it() -> None:
    code = (
        "import sys\n"
        "from hydra.core.plugins import Plugins\n"
        "from hydra.plugins.sweeper import Sweeper\n"
        "found = {plugin.__name__ for plugin in Plugins.instance().discover(Sweeper)}\n"
        "assert 'OptunaSweeper' in found, found\n"
        "assert 'optuna' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
