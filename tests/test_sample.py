"""``python -m gan_experiments.sample`` draws from a run's generator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gan_experiments import sample
from gan_experiments.runs import finished_run, saved_networks
from tests.support.commands import Command

pytestmark = pytest.mark.slow  # each trains a run first

TINY = ("model=mlp_small", "train.epochs=2", "train.checkpoint_every=1", "tracking=off", "train.ema=0.9")


@pytest.fixture
def run_dir(command: Command) -> Path:
    answer = command(*TINY, "train.keep_checkpoints=null", "hydra.run.dir=out")
    assert answer.status == 0, answer.err
    return Path("out")


def draw(*arguments: str) -> np.ndarray:
    sample.main([*arguments, "--out", "drawn.npy"])
    return np.load("drawn.npy")


def test_the_seed_decides(run_dir: Path) -> None:
    first = draw(str(run_dir), "-n", "5", "--seed", "3")
    assert first.shape == (5, 1, 28, 28)
    assert first.dtype == np.uint8
    assert np.array_equal(first, draw(str(run_dir), "-n", "5", "--seed", "3"))
    assert not np.array_equal(first, draw(str(run_dir), "-n", "5", "--seed", "4"))


def test_the_averaged_generator_of_the_last_checkpoint_draws(run_dir: Path) -> None:
    state = torch.load(run_dir / "checkpoint.pt", weights_only=True)
    networks = saved_networks.load_networks(state)
    average = state["step_state"]["generator_average"]
    assert not torch.equal(average["layers.0.weight"], state["step_state"]["generator"]["layers.0.weight"])
    for name, weight in networks.generator.named_parameters():
        assert torch.equal(weight, average[name])
    assert np.array_equal(draw(str(run_dir)), draw(str(run_dir), "--epoch", "2"))
    assert not np.array_equal(draw(str(run_dir)), draw(str(run_dir), "--epoch", "1"))


def test_an_interpolation_leads_from_one_sample_to_the_next(run_dir: Path) -> None:
    ends = draw(str(run_dir), "-n", "3", "--seed", "1")
    rows = draw(str(run_dir), "-n", "2", "--seed", "1", "--interpolate").reshape(2, 10, 1, 28, 28).astype(int)
    for row, start, end in zip(rows, ends[:-1], ends[1:], strict=True):
        assert abs(row[0] - start).max() <= 1
        assert abs(row[-1] - end).max() <= 1


def test_latents_between_two_stay_near_their_sphere() -> None:
    ends = torch.randn(2, 100, generator=torch.Generator().manual_seed(0))
    norms = finished_run.interpolate(ends, 11).norm(dim=1)
    low, high = sorted(ends.norm(dim=1).tolist())
    assert norms.min() > 0.98 * low
    assert norms.max() < 1.02 * high


def test_a_picture(run_dir: Path) -> None:
    sample.main([str(run_dir), "-n", "9", "--out", "grid.png"])
    with Image.open("grid.png") as picture:
        assert picture.width == picture.height > 3 * 28


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["-n", "0"], "error: -n 0: must be at least 1"),
        (["--seed", "-1"], "error: --seed -1: must be at least 0"),
        (["--epoch", "9"], "error: epoch 9: there is no checkpoint of that epoch; there are 1, 2"),
        (["--out", "x.xyz"], "error: --out x.xyz: its name must end in .npy or as a picture's does"),
        (["--out", "missing/x.png"], "error: --out missing/x.png: cannot be written (No such file"),
        (["--out", "/proc/x.png"], "error: --out /proc/x.png: cannot be written (No such file"),
    ],
)
def test_mistakes(run_dir: Path, arguments: list[str], line: str, capfd: pytest.CaptureFixture[str]) -> None:
    capfd.readouterr()
    with pytest.raises(SystemExit) as end:
        sample.main([str(run_dir), *arguments])
    assert end.value.code == 2
    err = capfd.readouterr().err
    assert err.startswith(line)
    assert err.count("\n") == 1


def test_a_run_without_a_checkpoint_is_named_as_it_was_typed(
    run_dir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (run_dir / "checkpoint.pt").unlink()
    capfd.readouterr()
    with pytest.raises(SystemExit):
        sample.main([str(run_dir)])
    assert capfd.readouterr().err.endswith("out/checkpoint.pt: there is no such checkpoint\n")


def test_a_folder_that_is_no_run(command: Command, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        sample.main(["."])
    assert "is not the folder of a run" in capfd.readouterr().err
