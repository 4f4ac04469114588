"""A run's place in its sweep, which every launcher asks for before a job trains."""

from __future__ import annotations

import math
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import filelock
from omegaconf import DictConfig

from gan_experiments.configuration.override import read
from gan_experiments.errors import UserError
from gan_experiments.tracking.background import environment
from gan_experiments.tracking.naming import run_name
from gan_experiments.tracking.run_directory import read_json
from gan_experiments.tracking.run_outcome import outcome, result
from gan_experiments.tracking.sweep_directory import JobDirectory, SweepDirectory
from gan_experiments.tracking.terminal import busy, say

SWEEP_TAG, SUMMARY_TAG, SETTING_TAG, ROLE_TAG = "sweep", "summary_run", "setting", "role"
_FEW = 20
"""Runs of which each is named when it is delivered."""
_RUNS_A_PROCESS = 100
"""A process takes some seconds to load MLflow, a run a tenth of a second."""


@dataclass(frozen=True)
class SweepMembership:
    """A run's place in its sweep.

    Attributes:
        name: The run's name: what varies in the sweep, with this run's values; None where nothing does.
        tags: MLflow tags by which the run is found with its sweep.
        uri: Where the sweep is recorded, or None.
        pictures: Which of its pictures are drawn unasked: ``all`` or ``last``.
        result: What the run returned, if it has finished before: then it is not run again.
    """

    name: str | None
    tags: dict[str, str]
    uri: str | None
    pictures: str
    result: float | None

    def settle(self, cfg: DictConfig) -> None:
        """Let a job's configuration say what holds for all runs of the sweep, whatever the environment of the job."""
        cfg.tracking.uri, cfg.tracking.pictures = self.uri, self.pictures
        cfg.train.resume = "auto"  # a queue may start a job again, and a sweep may be resumed


def join(sweep_dir: str | Path, run_dir: Path, overrides: Sequence[str]) -> SweepMembership:
    """Return the place of the job in ``run_dir`` in the sweep of ``sweep_dir``, in any process and on any machine.

    A job that has finished before is not run again; MLflow gets what it still lacks of it. A job that another process
    is still training is waited for.

    Args:
        sweep_dir: ``hydra.sweep.dir`` of the job.
        run_dir: ``hydra.runtime.output_dir`` of the job.
        overrides: ``hydra.overrides.task`` of the job.

    Raises:
        UserError: The sweep's folder is not here.
    """
    directory = SweepDirectory(sweep_dir)
    if not directory.sweep.is_file():
        raise UserError(
            f"hydra.sweep.dir={sweep_dir}: {directory.path} is not the folder of a sweep on {socket.gethostname()};"
            " jobs on other machines need it on a file system that they share"
        )
    sweep = directory.content()
    tags = {SWEEP_TAG: sweep["name"]}
    if sweep["run_id"] is not None:
        tags[SUMMARY_TAG] = sweep["run_id"]
    varied = [override for override in read(overrides) if override.key in sweep["varied"]]
    # MLflow's pages group runs by a tag, and then draw the mean of those that differ in their seeds alone.
    tags[SETTING_TAG] = run_name([each.text for each in varied if each.key != "seed"], otherwise="the only one")
    run = JobDirectory(run_dir)
    wait(run)
    finished = outcome(run).finished
    if finished:
        say(f"finished  {run.path}, before; not run again", sys.stdout)
        uri = read_json(run.run)["uri"]
        if uri is not None and not run.is_delivered(uri):
            deliver([run])
    name = run_name([each.text for each in varied], otherwise="") or None
    pictures = sweep.get("pictures", "all")
    return SweepMembership(name, tags, sweep["uri"], pictures, result(run) if finished else None)


def wait(run: JobDirectory) -> None:
    """Wait until no other process trains a run.

    Jobs of a cluster outlive the command that started them, and meet those of the command that resumes the sweep.
    """
    if outcome(run).state == "running":
        say(f"waiting   {run.path}: another process is still training there", sys.stdout)
        with busy("waiting for another process"), filelock.FileLock(run.lock):
            pass


def lost(run: JobDirectory, error: Exception) -> float:
    """Return the result of a run whose process ended without a message, if training was complete by then.

    Args:
        run: Its folder.
        error: Why the process ended; raised if training was not complete.
    """
    found = outcome(run)
    if found.finished:  # the process ended while it delivered
        return result(run)
    if found.state == "died" and run.run.is_file() and read_json(run.run)["uri"] is not None:
        deliver([run])  # otherwise MLflow would show it as running for ever
    raise error


def deliver(runs: Sequence[JobDirectory]) -> None:
    """Bring to MLflow what it lacks of runs that no process trains any more. Problems are printed, not raised.

    Many are shared out among the cores, and only their problems are told.
    """
    if not runs:
        return
    if len(runs) <= _FEW:
        subprocess.run(_sync(runs), env=environment(), stdin=subprocess.DEVNULL, check=False)
        return
    count = min(os.cpu_count() or 1, math.ceil(len(runs) / _RUNS_A_PROCESS))
    with busy(f"delivering {len(runs)} runs"):
        problems = _deliver_quietly([runs[k::count] for k in range(count)])
    for line in problems:
        say(line)


def _deliver_quietly(parts: Sequence[Sequence[JobDirectory]]) -> list[str]:
    """Deliver runs by a process for each part; return a line for each problem."""
    problems = []
    with ExitStack() as stack:
        processes = []
        for part in parts:
            said = stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8"))
            command, nothing = _sync(part), subprocess.DEVNULL
            process = stack.enter_context(
                subprocess.Popen(command, env=environment(), stdin=nothing, stdout=nothing, stderr=said)
            )
            stack.callback(process.kill)  # where this process is interrupted; one that has ended does not mind
            processes.append((process, said))
        for process, said in processes:
            status = process.wait()
            said.seek(0)
            lines = [line.rstrip() for line in said if line.startswith("error: ")]
            problems += lines or [f"error: sync ended with status {status}"] * bool(status)
    return problems


def _sync(runs: Sequence[JobDirectory]) -> list[str]:
    return [sys.executable, "-m", "gan_experiments.sync", *(str(run.path) for run in runs)]
