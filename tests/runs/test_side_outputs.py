"""A run whose terminal, pipe or log goes away trains to its end; one whose disk is full says how to go on."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gan_experiments.tracking.run_directory import RunDirectory
from gan_experiments.training import checkpoint
from tests.support.commands import Command
from tests.support.real_runs import OFF, TINY, lines, only_run


@pytest.mark.slow
def test_a_run_outlives_its_readers(tmp_path: Path) -> None:
    reader, out = os.pipe()
    os.close(reader)
    terminal, err = os.openpty()
    os.close(terminal)
    command = [sys.executable, "-m", "gan_experiments.run", *TINY, *OFF, "train.epochs=3"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=out, stderr=err)
    os.close(out)
    os.close(err)
    assert process.wait() == 0
    (end,) = lines(only_run(tmp_path), "status")
    assert (end["status"], end["epoch"]) == ("FINISHED", 3.0)


def test_a_full_disk_ends_a_run_with_one_line_and_the_command_that_goes_on(command: Command) -> None:
    settings = (
        *TINY,
        *OFF,
        "evaluate=off",
        "data=ring",
        "data.samples=500",
        "train.batch_size=50",
        "train.epochs=2",
        "hydra.run.dir=run",
    )
    directory = RunDirectory("run")
    directory.generators.mkdir(parents=True)
    full = directory.generators / "epoch-0001.pt.tmp"  # where the first weights go after the first epoch
    full.symlink_to("/dev/full")
    answer = command(*settings, "train.checkpoint_every=1")
    assert answer.status == 1
    (error,) = (line for line in answer.err.splitlines() if line.startswith("error: "))
    assert "Traceback" not in answer.err
    assert error == (
        f"error: the run failed: {directory.generators}/epoch-0001.pt cannot be written (No space left on device) "
        f"after step 10 of 20; when it can be written, continue with: "
        f"python -m gan_experiments.run train.resume={directory.path}"
    )
    assert not full.is_symlink()  # nothing is left that takes room
    assert checkpoint.load(directory.checkpoint)["step"] == 0
    answer = command(f"train.resume={directory.path}")
    assert answer.status == 0, answer.err
    assert [line["status"] for line in lines(directory, "status")] == ["FAILED", "FINISHED"]
    assert checkpoint.load(directory.checkpoint)["step"] == 20


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before_it(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    checkpoint.save(path, {"step": 1})
    (tmp_path / "checkpoint.pt.tmp").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as error:
        checkpoint.save(path, {"step": 2, "weights": b"x" * 100_000})
    assert (error.value.errno, error.value.filename) == (errno.ENOSPC, str(path))
    assert checkpoint.load(path)["step"] == 1
    assert [each.name for each in tmp_path.iterdir()] == ["checkpoint.pt"]
