"""``hydra/launcher=fused``: a sweep's runs trained as one program are the runs that they would be alone."""

from __future__ import annotations

import re
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from gan_experiments.tracking.run_directory import RunDirectory
from gan_experiments.training import trainer
from tests.support.commands import Command
from tests.support.real_runs import (
    OFF,
    TINY,
    Ended,
    call,
    client,
    database,
    lines,
    run_id,
    start,
    succeed,
    until_epochs,
)
from tests.support.results import losses, members

pytestmark = pytest.mark.slow

SWEEP = ("-m", "experiment=quickstart", *TINY, "train.epochs=4", "tracking.sample_every=2", "fused.max_members=8")
VARIED = ("model.latent_dim=4,8", "model.negative_slope=0.1,0.2", "train.lr=1e-4,2e-4")
TOLERANCE = 2e-4
"""Of the losses of the first hundred steps, in float32: sums of other lengths are rounded in another order."""


def fused(folder: Path, *overrides: str) -> Ended:
    return call(folder, *SWEEP, "hydra/launcher=fused", *overrides)


def files(run: RunDirectory) -> list[str]:
    """All that a run left, less what has its time in its name."""
    names = {str(path.relative_to(run.path)) for path in run.path.rglob("*") if path.is_file()}
    return sorted({re.sub(r"\+\d{13}\+[-\w]+|timestamp-[-0-9a-f]+", "", name) for name in names})


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> tuple[Path, Ended]:
    """Eight runs, trained one after another and as one."""
    folder = tmp_path_factory.mktemp("both")
    shutil.copy(empty_database, folder / "mlflow.db")
    succeed(folder, *SWEEP, *VARIED, "hydra.sweep.dir=basic", "tracking.experiment=basic")
    ended = fused(folder, *VARIED, "hydra.sweep.dir=fused", "tracking.experiment=fused")
    assert ended.status == 0, "\n".join(ended.err)
    return folder, ended


def pairs(folder: Path) -> list[tuple[RunDirectory, RunDirectory]]:
    return list(zip(members(folder / "basic"), members(folder / "fused"), strict=True))


def test_eight_runs_are_what_they_are_alone(both: tuple[Path, Ended]) -> None:
    folder, _ = both
    assert len(pairs(folder)) == 8
    for alone, together in pairs(folder):
        expected, found = losses(alone), losses(together)
        assert len(expected) == len(found) > 100
        np.testing.assert_allclose(found[:100], expected[:100], rtol=TOLERANCE, atol=TOLERANCE)


def test_they_have_differed(both: tuple[Path, Ended]) -> None:
    ends = {tuple(losses(run)[-1]) for run in members(both[0] / "fused")}
    assert len(ends) == 8


def test_each_leaves_the_files_of_an_ordinary_run(both: tuple[Path, Ended]) -> None:
    for alone, together in pairs(both[0]):
        assert files(together) == files(alone)
        for name in ("overrides.yaml", "config.yaml"):
            expected, found = (
                yaml.safe_load((run.path / ".hydra" / name).read_text().replace("experiment: basic", ""))
                for run in (alone, together)
            )
            if name == "config.yaml":
                expected["tracking"].pop("experiment", None)
                found["tracking"].pop("experiment", None)
                assert found == expected
            else:
                assert found[:-1] == expected[:-1]
        hydra = yaml.safe_load((together.path / ".hydra" / "hydra.yaml").read_text())["hydra"]
        assert hydra["job"]["num"] == int(together.path.name)
        assert hydra["runtime"]["output_dir"] == str(together.path)
        assert hydra["runtime"]["choices"]["hydra/launcher"] == "fused"


def test_each_is_a_run_of_its_own_in_mlflow(both: tuple[Path, Ended]) -> None:
    folder, _ = both
    mlflow = client(database(folder))
    for alone, together in pairs(folder):
        expected, found = (mlflow.get_run(run_id(run)) for run in (alone, together))
        assert found.info.status == expected.info.status == "FINISHED"
        assert found.info.run_name.replace("experiment=fused", "experiment=basic") == expected.info.run_name
        assert found.data.metrics.keys() == expected.data.metrics.keys()
        assert found.data.params == expected.data.params
        assert found.data.tags.keys() == expected.data.tags.keys()
        names = [sorted(item.path for item in mlflow.list_artifacts(run.info.run_id)) for run in (expected, found)]
        assert names[0] == names[1]
        assert len(found.outputs.model_outputs) == 1
        for metric in ("loss/generator", "step_loss/discriminator"):
            histories = [mlflow.get_metric_history(run.info.run_id, metric) for run in (expected, found)]
            assert [m.step for m in histories[0]] == [m.step for m in histories[1]]


def test_a_person_sees_the_group(both: tuple[Path, Ended]) -> None:
    _, ended = both
    told = "\n".join(ended.out)
    assert "training 8 runs (#0 to #7) as one" in told
    assert told.count("\nrun       ") == 8
    progress = next(line for line in ended.err if line.startswith("8/8 slots"))
    assert re.search(r"\d:\d\d left, .*\d+ steps/s, \d+ member-steps/s", progress)


def test_a_run_that_diverges_takes_nobody_along(tmp_path: Path) -> None:
    rates = (1e-4, 1e30, 2e-4)
    ended = fused(tmp_path, f"train.lr={','.join(map(str, rates))}", "hydra.sweep.dir=three", *OFF)
    assert ended.status == 1
    without = fused(tmp_path, "train.lr=0.0001,0.0002", "hydra.sweep.dir=two", *OFF)
    assert without.status == 0
    first, lost, last = members(tmp_path / "three")
    ((status, reason),) = [(line["status"], line["reason"]) for line in lines(lost, "status")]
    assert status == "FAILED"
    # Sums of numbers that large are inf or nan, depending on the order in which a machine adds them up.
    assert re.fullmatch(r"the generator's loss is (inf|nan) at step 1", reason)
    assert any(re.search(r"lr=1e\+30.* failed: .*; 2 still training", line) for line in ended.err)
    assert ended.err[-1] == f"failed    lr=1e+30: {reason}"
    for run, same in zip((first, last), members(tmp_path / "two"), strict=True):
        assert [line["status"] for line in lines(run, "status")] == ["FINISHED"]
        np.testing.assert_allclose(losses(run), losses(same), rtol=1e-3, atol=1e-3)


def test_a_sweep_that_was_stopped_and_killed_goes_on(tmp_path: Path) -> None:
    settings = ("seed=0,1", "train.lr=1e-4,2e-4", "train.epochs=30", "train.checkpoint_every=1", *OFF)
    assert fused(tmp_path, *settings, "hydra.sweep.dir=whole").status == 0
    last = RunDirectory(tmp_path / "ended" / "3")
    again = ("-m", f"sweep.resume={tmp_path / 'ended'}")
    for number, epoch in ((signal.SIGINT, 3), (signal.SIGKILL, 10)):
        new = (*SWEEP, "hydra/launcher=fused", *settings, "hydra.sweep.dir=ended")
        process = start(tmp_path, *(again if last.path.exists() else new))
        until_epochs(last, epoch, process)
        process.send_signal(number)
        out, _ = process.communicate()
        if number == signal.SIGINT:
            assert process.returncode == 130
            assert "stopped   the stack's runs by SIGINT" in out
            assert f"sweep.resume={tmp_path / 'ended'}" in out.splitlines()[-1]
            assert [line["status"] for line in lines(last, "status")] == ["KILLED"]
        else:
            assert process.returncode == -number
    succeed(tmp_path, *again)
    for whole, run in zip(members(tmp_path / "whole"), members(tmp_path / "ended"), strict=True):
        assert len(lines(run, "session")) == 3
        assert lines(run, "status")[-1]["status"] == "FINISHED"
        steps = [line["step"] for line in lines(run, "metrics", "epoch")]
        assert steps == [line["step"] for line in lines(whole, "metrics", "epoch")]
        np.testing.assert_allclose(losses(run), losses(whole), rtol=1e-3, atol=1e-3)


FUSED = ("-m", "hydra/launcher=fused", "hydra.sweep.dir=sweep", *OFF)
SHORT = (*FUSED, "experiment=quickstart", *TINY, "train.epochs=1")


def groups(out: str) -> list[str]:
    return re.findall(r"training \d+ runs \((.*)\) as one", out)


def test_runs_of_different_structure_form_groups(command: Command) -> None:
    answer = command(*SHORT, "objective=minimax,non_saturating", "seed=0,1")
    assert answer.status == 0, answer.err
    assert groups(answer.out) == ["#0, #1", "#2, #3"]


@pytest.mark.parametrize("key", ["slots", "max_members"])
def test_no_more_train_at_once_than_asked_for(command: Command, key: str) -> None:
    answer = command(*SHORT, "seed=range(5)", f"fused.{key}=2")
    assert answer.status == 0, answer.err
    assert groups(answer.out) == ["#0 to #4"]
    assert "as one, in 2 slots" in answer.out
    assert all(f"sweep/{n}/checkpoint.pt" in answer.files for n in range(5))


def test_a_sweeper_that_asks_in_batches_gets_groups_of_them(command: Command) -> None:
    answer = command(*SHORT, "seed=range(4)", "hydra.sweeper.max_batch_size=2")
    assert answer.status == 0, answer.err
    assert groups(answer.out) == ["#0, #1", "#2, #3"]


def test_too_many_for_the_memory_go_on_in_half_the_slots(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    class Small(trainer.Trainer):
        """A trainer on a device that has room for two members in its second window; no real one can be provoked."""

        def _train_window(self, most: int | None) -> Any:
            if self.step and len(self._slots) > 2:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
            return super()._train_window(most)

    monkeypatch.setattr("gan_experiments.runs.train.Trainer", Small)
    answer = command(*SHORT, "train.epochs=3", "train.checkpoint_every=1", "seed=range(5)")
    assert answer.status == 0, answer.err
    assert re.findall(r"as one, in (\d) slots", answer.out) == ["5", "3", "2"]
    assert answer.out.count("each from its own checkpoint") == 2
    for n in range(5):
        assert [line["epoch"] for line in lines(RunDirectory(Path("sweep", str(n))), "metrics", "epoch")] == [1, 2, 3]


OWN_NETWORKS = """
import torch
from gan_experiments.models.networks import Networks
from torch import nn

class Noise(nn.Module):
    def forward(self, x):
        return x + 0.1 * torch.randn_like(x)

def build(sample_shape, latent_dim=4, dropout=0.1, noisy=False):
    layer = Noise() if noisy else nn.BatchNorm1d(8)
    return Networks(
        nn.Sequential(nn.Linear(latent_dim, 8), layer, nn.Linear(8, 784), nn.Tanh(), nn.Unflatten(1, sample_shape)),
        nn.Sequential(nn.Flatten(), nn.Linear(784, 8), nn.LeakyReLU(), nn.Dropout(dropout), nn.Linear(8, 1)),
        latent_dim,
    )
"""


@pytest.mark.parametrize("noisy", [False, True])
def test_a_users_own_networks_train_as_one_or_say_why_not(command: Command, noisy: bool, tmp_path: Path) -> None:
    (tmp_path / "cwd" / "networks.py").write_text(OWN_NETWORKS)
    (tmp_path / "cwd" / "conf" / "model").mkdir(parents=True)
    (tmp_path / "cwd" / "conf" / "model" / "own.yaml").write_text(
        f"_target_: networks.build\nnoisy: {str(noisy).lower()}\n"
    )
    answer = command("--config-dir", "conf", *FUSED, "model=own", "train.epochs=1", "train.lr=1e-4,2e-4")
    assert answer.status == 0, answer.err
    assert groups(answer.out) == ([] if noisy else ["#0, #1"])
    assert ("2 runs (#0, #1) train one after another: a step of two of them as one failed" in answer.out) == noisy
    assert {"sweep/0/checkpoint.pt", "sweep/1/checkpoint.pt"} <= set(answer.files)


def test_a_job_with_a_defect_fails_by_itself(command: Command, tmp_path: Path) -> None:
    folder = tmp_path / "cwd" / "sweep" / "1"
    folder.mkdir(parents=True)
    (folder / "checkpoint.pt").write_text("no checkpoint")
    answer = command(*SHORT, "seed=range(3)")
    assert answer.status == 1
    assert "this is not a checkpoint, or it is truncated" in answer.err
    assert groups(answer.out) == ["#0 to #2"]
    assert "sweep/1/journal.jsonl" not in answer.files
    assert {"sweep/0/generator/generator.pt", "sweep/2/generator/generator.pt"} <= set(answer.files)


def test_jobs_that_change_folder_train_as_one_too(command: Command) -> None:
    answer = command(*SHORT, "seed=0,1", "hydra.job.chdir=true")
    assert answer.status == 0, answer.err
    assert groups(answer.out) == ["#0, #1"]
    assert {"sweep/0/checkpoint.pt", "sweep/1/checkpoint.pt"} <= set(answer.files)
