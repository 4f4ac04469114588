"""Runs as a person starts them: real processes of ``python -m gan_experiments.run``, in a folder of their own."""

from __future__ import annotations

import re
import subprocess
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gan_experiments.tracking.journal import Line, read
from gan_experiments.tracking.run_directory import RunDirectory
from tests.support.waiting import until

if TYPE_CHECKING:
    from mlflow import MlflowClient

TINY = ("model=mlp_small", "model.latent_dim=8", "model.generator_widths=[32]", "model.discriminator_widths=[32]")
"""Networks whose steps take about a millisecond."""
OFF = ("tracking=off", "tracking.system_metrics=false")


@dataclass(frozen=True)
class Ended:
    """What a process that is over left behind."""

    status: int
    out: list[str]
    err: list[str]


def start(folder: Path, *overrides: str, inside: Sequence[str] = ()) -> subprocess.Popen[str]:
    """The command with these overrides, at work in ``folder``; ``inside`` stands before it."""
    return subprocess.Popen(
        [*inside, sys.executable, "-m", "gan_experiments.run", *overrides],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # so that Ctrl-C can be sent to all of it, as a terminal does
    )


def end(process: subprocess.Popen[str]) -> Ended:
    """Wait for a process."""
    out, err = process.communicate()
    return Ended(process.returncode, out.splitlines(), without_waiting(err).splitlines())


def without_waiting(err: str) -> str:
    """Leave out the lines that only a busy machine has: they tell of what takes more than some seconds."""
    return re.sub(r"^.* …( \d+ s)?\n", "", err, flags=re.MULTILINE)


def call(folder: Path, *overrides: str) -> Ended:
    """Run the command to its end."""
    return end(start(folder, *overrides))


def succeed(folder: Path, *overrides: str) -> Ended:
    """Run the command to its end, which is a good one."""
    ended = call(folder, *overrides)
    assert ended.status == 0, "\n".join(ended.err)
    return ended


def run_directories(folder: Path) -> list[RunDirectory]:
    """The runs made in ``folder``, in order."""
    return [RunDirectory(path.parent) for path in sorted(folder.glob("outputs/*/*/journal.jsonl"))]


def only_run(folder: Path) -> RunDirectory:
    """The one run made in ``folder``."""
    (directory,) = run_directories(folder)
    return directory


def lines(directory: RunDirectory, kind: str = "", key: str = "") -> list[Line]:
    """What the journal has, of one kind or of all."""
    if not directory.journal.exists():
        return []
    found = (line for line, _ in read(directory.journal))
    return [line for line in found if (not kind or line["kind"] == kind) and (not key or line["key"] == key)]


def until_epoch(folder: Path, epoch: int) -> RunDirectory:
    """Wait until the one run in ``folder`` has finished an epoch."""
    until(
        lambda: any(len(lines(run, "metrics", "epoch")) >= epoch for run in run_directories(folder)),
        f"epoch {epoch} of the run in {folder}",
    )
    return only_run(folder)


def until_epochs(run: RunDirectory, count: int, process: subprocess.Popen[str] | None = None) -> None:
    """Wait until a run, trained by ``process`` or on its behalf, has finished some epochs."""
    until(lambda: len(lines(run, "metrics", "epoch")) >= count, f"{count} epochs of {run.path}", process)


def database(folder: Path) -> str:
    """The URI of the database that runs in ``folder`` share."""
    return f"sqlite:///{folder}/mlflow.db"


def client(uri: str) -> MlflowClient:
    """MLflow's client of a destination."""
    with warnings.catch_warnings(action="ignore"):  # MLflow's own, at every import
        import mlflow.pyfunc
    return mlflow.MlflowClient(uri)


def run_id(directory: RunDirectory) -> str:
    """The id of a run that was delivered."""
    found = directory.run_id()
    assert found is not None, pytest.fail(f"not delivered: {directory.log.read_text()}")
    return found
