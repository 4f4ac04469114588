"""Two sweeps of real runs: one in MLflow, of which a run fails, and one that is stopped, killed, and goes on."""

from __future__ import annotations

import os
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest

from gan_experiments.tracking.run_directory import RunDirectory
from gan_experiments.tracking.sweep_directory import SweepDirectory
from tests.support import real_runs
from tests.support.real_runs import TINY, Ended, until_epochs

EPOCHS = 20
SETTINGS = (
    *TINY,
    "train=article",
    f"train.epochs={EPOCHS}",
    "train.checkpoint_every=2",
    "tracking.system_metrics=false",
)
SMALL = (
    *("data=ring", "data.samples=500", "model=mlp_small", "model.latent_dim=4", "evaluate=off", "tracking=off"),
    *("model.generator_widths=[8]", "model.discriminator_widths=[8]", "tracking.system_metrics=false"),
    *("train=article", "train.ema=0.99", "train.epochs=50", "train.checkpoint_every=10", "tracking.sample_every=50"),
)
"""Small networks on points, whose runs end within seconds."""


@dataclass(frozen=True)
class Swept:
    """A sweep that has ended: where it was started, its folder, and what its command said."""

    folder: Path
    directory: SweepDirectory
    ended: Ended


@pytest.fixture(scope="session")
def failed_sweep(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Swept:
    """Two runs in MLflow, in batches of one, of which the first diverges; look, but do not touch."""
    folder = tmp_path_factory.mktemp("it's a sweep")
    shutil.copy(empty_database, folder / "mlflow.db")
    jobs = ("train.epochs=2", "train.lr=1e30,1e-3", "hydra.sweeper.max_batch_size=1")
    ended = real_runs.call(folder, "-m", *SETTINGS, *jobs, "tracking.experiment=sweeps")
    (path,) = folder.glob("multirun/*/*")
    return Swept(folder, SweepDirectory(path), ended)


@pytest.fixture(scope="session")
def interrupted_sweep(tmp_path_factory: pytest.TempPathFactory) -> tuple[SweepDirectory, Ended, Ended]:
    """Two settings by two seeds, stopped by Ctrl-C in the first run, killed in the second, gone on with each time.

    Gives its folder, and what the first command said and the last one; look, but do not touch.
    """
    folder = tmp_path_factory.mktemp("interrupted")
    sweep = SweepDirectory(folder / "sweep")
    jobs = ("model.latent_dim=4,8", "seed=range(2)", "hydra.sweep.dir=sweep")
    process = real_runs.start(folder, "-m", *SETTINGS, "tracking=off", *jobs)
    until_epochs(RunDirectory(sweep.path / "0"), 5, process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    stopped = real_runs.end(process)
    process = real_runs.start(folder, f"sweep.resume={sweep.path}")
    until_epochs(RunDirectory(sweep.path / "1"), 5, process)
    os.killpg(process.pid, signal.SIGKILL)
    real_runs.end(process)
    return sweep, stopped, real_runs.succeed(folder, "-m", f"sweep.resume={sweep.path}")


@pytest.fixture(scope="session")
def whole_sweep(interrupted_sweep: tuple[SweepDirectory, Ended, Ended]) -> SweepDirectory:
    """Two settings by two seeds, all finished."""
    return interrupted_sweep[0]
