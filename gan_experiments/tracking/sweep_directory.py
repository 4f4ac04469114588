"""The layout of a sweep's folder, and of the folders of its jobs."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import filelock

from gan_experiments.tracking.run_directory import RunDirectory, folders_below, is_held, read_json, write_json

RUNS_WITH_SLOTS = "run_numbers"
"""Key in ``slots.json`` of the numbers of the runs that it counts."""


class SweepDirectory:
    """A sweep's folder: the truth about the sweep, of which MLflow gets a summary.

    Args:
        path: The folder, as ``hydra.sweep.dir`` names it; it need not exist yet.

    Attributes:
        path: The folder, absolute.
        sweep: Description of the sweep: name, destination, varied keys, jobs. Jobs of other processes and machines
            find their sweep by it.
        begun: The configuration with which the sweep began, as Hydra composed it, whatever resumed it since.
        report: The folder of the report and its tables.
        so_far: The folder of a report that was asked for while runs trained; the report replaces it.
        search_results: Results of a search; absent where the sweep is not one.
        slots: How the slots were used in which runs were trained together; absent where there were none.
        log: Messages of the tracker; absent unless something went wrong.
        lock: Held by the process that launches.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).absolute()
        self.sweep = self.path / "sweep.json"
        self.begun = self.path / "begun.yaml"
        self.report = self.path / "report"
        self.so_far = self.path / "so_far"
        self.search_results = self.path / "optimization_results.yaml"
        self.slots = self.path / "slots.json"
        self.log = self.path / "tracking.log"
        self.lock = self.path / ".lock"

    @classmethod
    def around(cls, path: Path) -> SweepDirectory | None:
        """Return the sweep whose folder ``path`` is, or lies in; None where there is none."""
        folders = (path.absolute(), *path.absolute().parents)
        return next((cls(folder) for folder in folders if (folder / "sweep.json").is_file()), None)

    def begun_with(self) -> Path | None:
        """Return the file of the configuration with which the sweep began, or None where it is not there.

        Sweeps that began before there was ``begun.yaml`` have Hydra's own file, until Hydra writes it again.
        """
        return next((file for file in (self.begun, self.path / "multirun.yaml") if file.is_file()), None)

    def content(self) -> dict[str, Any]:
        """Read sweep.json."""
        return read_json(self.sweep)

    def create(self, content: dict[str, Any]) -> None:
        """Write sweep.json of a new sweep."""
        write_json(self.sweep, content)

    def remove(self) -> None:
        """Remove the folder of a sweep that could not be opened."""
        shutil.rmtree(self.path)

    def remember(self, **changes: Any) -> None:
        """Write changes to sweep.json."""
        write_json(self.sweep, self.content() | changes)

    def change_experiment(self, name: str) -> None:
        """Have the sweep and its runs recorded in another experiment from now on."""
        self.remember(experiment=name, run_id=None)
        for job in self.jobs():
            if job.run.is_file():
                job.change_experiment(name)

    def end(self, status: str, reason: str) -> None:
        """Write down how the sweep ended: one of MLflow's statuses, and the reason in one line."""
        self.remember(status=status, reason=reason, ended=time.time_ns() // 1_000_000)

    def is_at_work(self) -> bool:
        """Tell whether a process has begun the sweep and not ended it."""
        return self.sweep.is_file() and self.content().get("status") == "RUNNING" and is_held(self.lock)

    def end_abandoned(self) -> None:
        """Write down that the sweep was killed, if its process ended without recording an end."""
        try:
            with filelock.FileLock(self.lock, timeout=0):
                if self.content()["status"] == "RUNNING":
                    self.end("KILLED", "its process ended without a word")
        except filelock.Timeout:
            return  # it is running

    def jobs(self) -> list[JobDirectory]:
        """Return the folders of the jobs that were started, in the order of their numbers."""
        found = (JobDirectory(path) for path, files in folders_below(self.path) if "job.json" in files)
        return sorted(found, key=lambda job: (job.number(), str(job.path)))


class JobDirectory(RunDirectory):
    """The folder of a sweep's run.

    Attributes:
        job: The job's number in the sweep, and its overrides.
        failure: The reason why the last attempt failed; absent unless it did.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__(path)
        self.job = self.path / "job.json"
        self.failure = self.path / "failure.json"

    def number(self) -> int:
        """Read Hydra's number of the job."""
        return read_json(self.job)["number"] if self.job.is_file() else 0
