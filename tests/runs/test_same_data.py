"""A run goes on with the data that it has learnt: their contents decide, not their path."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from PIL import Image

from gan_experiments.configuration.compose import compose
from gan_experiments.data.load import _load, load_data
from gan_experiments.errors import UserError
from gan_experiments.runs.resume import state_to_resume
from gan_experiments.runs.same_data import check_same_data, check_same_data_in_sweep
from gan_experiments.tracking.metadata import describe
from gan_experiments.tracking.run_directory import RunDirectory
from gan_experiments.tracking.sweep_directory import SweepDirectory
from gan_experiments.training import checkpoint
from tests.support.configurations import plain

DATA = ("data=image_folder", "data.image_size=8", "data.channels=1", "model=mlp_small", "train.batch_size=2")


@pytest.fixture(autouse=True)
def _read_anew() -> None:
    _load.cache_clear()


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(10):
        Image.new("L", (8, 8), number).save(folder / f"{number}.png")
    return folder


def past_run(folder: Path, *overrides: str) -> RunDirectory:
    """A run that has learnt its data for three of an epoch's five steps."""
    directory = RunDirectory(folder)
    checkpoint.save(directory.checkpoint, {"step": 3, "config": plain(*overrides)})
    line = {"kind": "dataset", "key": "", "step": 0, "epoch": 0.0, **describe(load_data(compose(overrides).data))}
    directory.journal.write_text(json.dumps(line) + "\n")
    return directory


def test_the_same_data_elsewhere_are_taken(pictures: Path, tmp_path: Path) -> None:
    run = past_run(tmp_path / "run", *DATA, f"data.root={pictures}")
    pictures.rename(tmp_path / "moved")
    assert state_to_resume(compose([*DATA, f"data.root={tmp_path}/moved", "train.resume=auto"]), run.path)


@pytest.mark.parametrize("moved", [False, True])
def test_other_data_are_refused_by_both_digests(moved: bool, pictures: Path, tmp_path: Path) -> None:
    run = past_run(tmp_path / "run", *DATA, f"data.root={pictures}")
    then = describe(load_data(compose([*DATA, f"data.root={pictures}"]).data))["digest"]
    if moved:
        pictures = Path(shutil.copytree(pictures, tmp_path / "elsewhere"))
    Image.new("L", (8, 8), 99).save(pictures / "added.png")
    _load.cache_clear()
    cfg = compose([*DATA, f"data.root={pictures}", "train.resume=auto"])
    now = describe(load_data(cfg.data))["digest"]
    with pytest.raises(UserError, match=f"now 11 samples of digest {now}, from .*, then 10 samples of digest {then}"):
        state_to_resume(cfg, run.path)


def test_a_run_without_a_record_of_its_data_goes_on(pictures: Path, tmp_path: Path) -> None:
    check_same_data(compose([*DATA, f"data.root={pictures}"]).data, RunDirectory(tmp_path))


def test_a_sweep_goes_on_with_the_data_of_its_runs(pictures: Path, tmp_path: Path) -> None:
    overrides = (*DATA, f"data.root={pictures}")
    run = past_run(tmp_path / "sweep" / "0", *overrides)
    (run.path / "job.json").write_text('{"number": 0}')
    (run.path / ".hydra").mkdir()
    OmegaConf.save(OmegaConf.create(plain(*overrides)), run.path / ".hydra" / "config.yaml")
    check_same_data_in_sweep(SweepDirectory(tmp_path / "sweep"))
    (pictures / "0.png").unlink()
    _load.cache_clear()
    with pytest.raises(UserError, match=r"other data than the run in .*sweep/0 has learnt: now 9 samples"):
        check_same_data_in_sweep(SweepDirectory(tmp_path / "sweep"))


def test_fewer_epochs_than_are_done_are_refused(pictures: Path, tmp_path: Path) -> None:
    overrides = (*DATA, f"data.root={pictures}")
    run = past_run(tmp_path / "run", *overrides)
    checkpoint.save(run.checkpoint, {"step": 11, "config": plain(*overrides)})
    assert state_to_resume(compose([*overrides, "train.resume=auto", "train.epochs=3"]), run.path)
    with pytest.raises(UserError, match=r"^train\.epochs=2: must be at least 3; the run of .* is at step 11"):
        state_to_resume(compose([*overrides, "train.resume=auto", "train.epochs=2"]), run.path)
