"""``python -m gan_experiments.verify``: what it prints, and with which status it ends."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gan_experiments import evaluate, verify
from gan_experiments.data.dataset import Dataset
from gan_experiments.tracking.chain_check import check_chain
from gan_experiments.tracking.run_directory import RunDirectory
from tests.support.commands import Command
from tests.support.forged import change_text, flip_bit, forging_the_chain
from tests.support.real_runs import OFF, TINY, succeed

pytestmark = pytest.mark.slow

Call = Callable[..., tuple[int, str, str]]
KEPT = Path(__file__).parents[1] / "multirun" / "speedrun"
"""The run that the results page names, without its weights."""


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of two epochs, which the command has made; look, but do not touch."""
    folder = tmp_path_factory.mktemp("workplace")
    succeed(folder, *TINY, *OFF, "data=digits", "train.epochs=2", "device=cpu", "hydra.run.dir=run")
    return folder


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Call:
    """The command, from an empty folder: its status, and what it prints on both outputs."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        status = 0
        try:
            verify.main(arguments)
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else -1
        return status, *capfd.readouterr()

    return call


def test_an_honest_run_in_three_lines(workplace: Path, call: Call) -> None:
    status, out, _ = call(str(workplace / "run"), "--seed", "3")
    assert status == 0
    path, chain, verdict = out.splitlines()
    assert path == str(workplace / "run")
    assert chain.startswith("chain     ")
    assert chain.endswith("files of weights: as they were written")
    assert verdict.startswith("same bits steps 1 to ")
    assert ", --seed 3 (0:" in verdict


def test_of_several_the_false_ones_are_named_and_the_others_verified(workplace: Path, call: Call) -> None:
    shutil.copytree(workplace / "run", "runs/honest")
    for name in ("false", "old"):
        shutil.copytree(workplace / "run", f"runs/{name}")
    flip_bit(Path("runs/false/checkpoint.pt"))
    Path("runs/old/chain.jsonl").unlink()
    status, out, err = call("runs")
    assert out.count("same bits") == 1
    false, old = [line for line in err.splitlines() if line.startswith("error: ")]
    assert false.startswith(f"error: {Path('runs/false').absolute()}: not this run: checkpoint.pt was changed: ")
    assert old.startswith(f"error: {Path('runs/old').absolute()}: has no chain.jsonl")
    assert status == 2
    assert call("runs/false")[0] == 1
    assert call("runs/old")[0] == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "nothing: must be a run's folder or MLflow id, a sweep, or a folder of runs"),
        (["run", "--steps", "0"], "--steps 0: must be at least 1"),
        (["run", "train.lr=1"], "train.lr=1: must be one of data.root, data.download, device; a run is verified as"),
        (["data.root=data"], "RUN: must name a run to verify, besides KEY=VALUE"),
    ],
)
def test_a_mistake_is_one_line(call: Call, arguments: list[str], message: str) -> None:
    status, _, err = call(*arguments)
    assert status == 2
    assert err.startswith(f"error: {message}")
    assert err.count("\n") == 1


def test_scores_that_are_measured_later_lengthen_the_chain(workplace: Path, call: Call) -> None:
    run = RunDirectory(shutil.copytree(workplace / "run", "scored"))
    evaluate.main([str(run.path), "--samples", "200"])
    assert '"kind":"scored"' in run.chain.read_text().splitlines()[-1]
    assert call("scored", "--all")[0] == 0
    change_text(run.journal, '"eval/200/frechet', '"eval/200/frechet_')
    assert call("scored")[0] == 1


def test_the_data_may_lie_elsewhere_but_must_be_the_same(command: Command, call: Call) -> None:
    import numpy as np
    from PIL import Image

    for folder, seed in (("first", 0), ("second", 0), ("other", 1)):
        Path(folder).mkdir()
        for number, pixels in enumerate(np.random.default_rng(seed).integers(0, 256, (60, 8, 8), np.uint8)):
            Image.fromarray(pixels).save(f"{folder}/{number:02d}.png")
    small = ("data=image_folder", "data.channels=1", "data.image_size=8", "train.batch_size=20", "evaluate=off")
    answer = command(*TINY, *OFF, *small, "data.root=first", "train.epochs=2", "hydra.run.dir=run")
    assert answer.status == 0, answer.err
    assert call("run", "data.root=second")[0] == 0
    status, _, err = call("run", "data.root=other")
    assert status == 1
    assert "not this run: it has learnt image_folder with samples " in err
    shutil.rmtree("first")
    assert call("run")[0] == 2


def test_a_forged_record_is_found_by_training(workplace: Path, call: Call) -> None:
    run = RunDirectory(shutil.copytree(workplace / "run", "forged"))
    with forging_the_chain(run):
        change_text(run.config, "lr: 0.00", "lr: 0.01")
    status, _, err = call("forged")
    assert status == 1
    assert "forged: not this run: losses part at step 1: recorded " in err


def test_the_kept_proof_is_as_it_was_written() -> None:
    chain = check_chain(RunDirectory(KEPT))
    assert chain.standing.is_ended
    assert chain.standing.steps == 7969
    assert "checkpoint.pt" in chain.missing


def test_the_kept_proof_s_first_steps_are_those_of_its_training(mnist: Dataset, call: Call) -> None:
    root = os.environ["GAN_EXPERIMENTS_MNIST"]
    status, out, err = call(str(KEPT), "--steps", "20", f"data.root={Path(root).absolute()}")
    assert status == 0, err
    assert "steps 1 to 20 of 7,969, from step 0" in out
