"""Two real runs that have finished, for all tests that only look at them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from gan_experiments.tracking.run_directory import RunDirectory
from tests.support import real_runs

EPOCHS, SAMPLE_EVERY, LOG_EVERY = 6, 2, 20
"""Of the finished runs."""
IMAGES, BATCH = 1797, 52
ENDS = [-(-epoch * IMAGES // BATCH) for epoch in range(1, EPOCHS + 1)]
"""The step that ends each epoch: every batch is full, an epoch's tail joins the next one's head."""
SAMPLED = [0, *(ENDS[epoch - 1] for epoch in range(SAMPLE_EVERY, EPOCHS + 1, SAMPLE_EVERY))]
"""Steps with pictures."""


@dataclass(frozen=True)
class FinishedRuns:
    """Two runs that were started at the same moment in an empty folder.

    Attributes:
        folder: Where they were started; ``mlflow.db`` is there.
        directories: ``experiment=quickstart`` first, then the same with another learning rate and seed.
        ended: What each left on its outputs.
    """

    folder: Path
    directories: tuple[RunDirectory, RunDirectory]
    ended: tuple[real_runs.Ended, real_runs.Ended]

    @property
    def uri(self) -> str:
        """Their database."""
        return real_runs.database(self.folder)


@pytest.fixture(scope="session")
def finished_runs(tmp_path_factory: pytest.TempPathFactory) -> FinishedRuns:
    """Two real runs, which take some ten seconds; look, but do not touch."""
    folder = tmp_path_factory.mktemp("finished")
    tracking = (f"tracking.sample_every={SAMPLE_EVERY}", f"tracking.log_every={LOG_EVERY}")
    special = ((), ("train.lr=1e-3", "seed=1"))
    processes = [
        real_runs.start(
            folder,
            "experiment=quickstart",
            f"train.epochs={EPOCHS}",
            *more,
            f"hydra.run.dir=outputs/runs/{n}",
            *tracking,
        )
        for n, more in enumerate(special)
    ]
    first, second = (real_runs.end(process) for process in processes)
    for ended in (first, second):
        assert ended.status == 0, "\n".join(ended.err)
    return FinishedRuns(folder, tuple(real_runs.run_directories(folder)), (first, second))  # type: ignore[arg-type]
